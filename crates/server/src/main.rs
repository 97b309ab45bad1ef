//! The `tidings` binary: configuration, wiring, accept loop, signals.

mod accept;
mod app;
mod auth;
mod cli;
mod config;
mod demo;
mod doctor;
mod folder;
mod front;
mod health;
mod healthcheck;
mod metrics;
mod notices;
mod rates;
mod serve;
mod store;
mod token;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, ConfigCommand, TokenCommand};
use crate::config::{Config, Environment, Flags, Loaded, Log, LogFormat, Problems};

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::parse();
    match run(command, &settings.flags()) {
        Ok(code) => code,
        Err(error) => {
            tell_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, flags: &Flags) -> anyhow::Result<ExitCode> {
    let load = || Config::load(flags, &Environment::of_process());
    let text = match command {
        Command::Serve => {
            let (config, runtime) = begun(load()?)?;
            runtime.block_on(serve::serve(config))?;
            String::new()
        }
        Command::Migrate => {
            let (config, runtime) = begun(load()?)?;
            runtime.block_on(store::migrate(&config))?
        }
        Command::Healthcheck => {
            let (config, runtime) = begun(load()?)?;
            runtime.block_on(healthcheck::ask(config.server.listen))?
        }
        Command::Doctor => {
            let loaded = load()?;
            begin_log(&loaded.config.log);
            return Ok(runtime()?.block_on(doctor::examine(&loaded)));
        }
        Command::Token(TokenCommand::Mint(mint)) => token::minted(&mint, &load()?.config)?,
        Command::Config(ConfigCommand::Check) => check(&load()?)?,
        Command::Config(ConfigCommand::Show) => load()?.show(),
        Command::Config(ConfigCommand::Example) => config::example(),
        Command::Config(ConfigCommand::Reference) => config::reference(),
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Begins to log, first of all what an operator should look at in the configuration.
fn begun(loaded: Loaded) -> anyhow::Result<(Config, Runtime)> {
    begin_log(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok((loaded.config, runtime()?))
}

/// `config check`: what would keep the server from starting has been told already, but for this.
fn check(loaded: &Loaded) -> anyhow::Result<String> {
    if let Some(problem) = loaded.config.unsafe_to_serve() {
        return Err(Problems(vec![problem]).into());
    }
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let warnings: String = loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    Ok(format!("{warnings}the configuration holds ({file})\n"))
}

/// Begins to log, to standard error.
fn begin_log(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(&log.filter))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

#[expect(clippy::print_stdout, reason = "what a command is asked for")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the program's own last words, whatever the log filter")]
fn tell_error(error: &anyhow::Error) {
    eprintln!("tidings: {error:#}");
}
