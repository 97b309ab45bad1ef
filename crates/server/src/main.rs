//! The `tidings` binary: configuration, wiring, accept loop, signals.

mod accept;
mod auth;
mod cli;
mod config;
mod demo;
mod doctor;
mod folder;
mod health;
mod healthcheck;
mod serve;
mod store;
mod token;

use std::process::ExitCode;

use clap::Parser;
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
    // These two need no configuration, and help to write one.
    match command {
        Command::Config(ConfigCommand::Example) => return Ok(print(&config::example())),
        Command::Config(ConfigCommand::Reference) => return Ok(print(&config::reference())),
        _ => {}
    }
    let loaded = Config::load(flags, &Environment::of_process())?;
    begin_log(&loaded.config.log);
    match command {
        Command::Config(ConfigCommand::Show) => return Ok(print(&loaded.show())),
        Command::Config(_) => return check(&loaded),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Command::Doctor = command {
        return Ok(runtime.block_on(doctor::examine(&loaded)));
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let config = loaded.config;
    match command {
        Command::Serve => runtime.block_on(serve::serve(config))?,
        Command::Migrate => return Ok(print(&runtime.block_on(store::migrate(&config))?)),
        Command::Healthcheck => return Ok(print(&runtime.block_on(healthcheck::ask(config.server.listen))?)),
        Command::Token(TokenCommand::Mint(mint)) => return Ok(print(&token::minted(&mint, &config)?)),
        Command::Config(_) | Command::Doctor => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// `config check`: what would keep the server from starting has been told already, but for this.
fn check(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    if let Some(problem) = loaded.config.unsafe_to_serve() {
        return Err(Problems(vec![problem]).into());
    }
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let warnings: String = loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    Ok(print(&format!("{warnings}the configuration holds ({file})\n")))
}

/// Begins to log, to standard error.
fn begin_log(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(&log.filter))
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

#[expect(clippy::print_stdout, reason = "what a command is asked for")]
fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "the program's own last words, whatever the log filter")]
fn tell_error(error: &anyhow::Error) {
    eprintln!("tidings: {error:#}");
}
