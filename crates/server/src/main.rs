//! The `tidings` binary: configuration, wiring, accept loop, signals.

mod accept;
mod app;
mod auth;
mod cause;
mod cli;
mod config;
mod copy;
mod demo;
mod doctor;
mod folder;
mod front;
mod health;
mod healthcheck;
mod metrics;
mod notices;
mod output;
mod rates;
mod repeats;
mod serve;
mod store;
mod supervisor;
mod token;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Command, ConfigCommand, TokenCommand};
use crate::config::{Config, Environment, Flags, Loaded, Log, LogFormat, Problems};
use crate::output::Output;

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::parse();
    // Without a thread to write them there is nobody to say why.
    let Ok(log) = Output::to("log", std::io::stderr()) else { return ExitCode::FAILURE };
    let code = run(command, &settings.flags(), &log).unwrap_or_else(|error| {
        log.line(format!("tidings: {}\n", cause::WithCauses(error.as_ref())));
        ExitCode::FAILURE
    });
    log.flush();
    code
}

fn run(command: Command, flags: &Flags, log: &Output) -> anyhow::Result<ExitCode> {
    let load = || Config::load(flags, &Environment::of_process());
    let text = match command {
        Command::Serve => {
            let (config, runtime) = begun(load()?, log)?;
            runtime.block_on(serve::serve(config, log))?;
            String::new()
        }
        Command::Migrate => {
            let (config, runtime) = begun(load()?, log)?;
            runtime.block_on(store::migrate(&config))?
        }
        Command::Copy(cli::Copy { from, to }) => {
            let (config, runtime) = begun(load()?, log)?;
            runtime.block_on(copy::copy(&config, &from, &to))?
        }
        Command::Healthcheck => {
            let (config, runtime) = begun(load()?, log)?;
            runtime.block_on(healthcheck::ask(config.server.listen))?
        }
        Command::Doctor => {
            let loaded = load()?;
            begin_log(&loaded.config.log, log);
            let (report, code) = runtime()?.block_on(doctor::examine(&loaded));
            print(&report)?;
            return Ok(code);
        }
        Command::Token(TokenCommand::Mint(mint)) => token::minted(&mint, &load()?.config)?,
        Command::Config(ConfigCommand::Check) => check(&load()?)?,
        Command::Config(ConfigCommand::Show) => load()?.show(),
        Command::Config(ConfigCommand::Example) => config::example(),
        Command::Config(ConfigCommand::Reference) => config::reference(),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Begins to log, first of all what an operator should look at in the configuration.
fn begun(loaded: Loaded, log: &Output) -> anyhow::Result<(Config, Runtime)> {
    begin_log(&loaded.config.log, log);
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
fn begin_log(log: &Log, output: &Output) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(&log.filter))
        .with_ansi(std::io::stderr().is_terminal())
        // They would be written with `eprintln!`, which panics where a log cannot be written either.
        .log_internal_errors(false)
        .with_writer(output.clone());
    match log.format {
        LogFormat::Text => builder.finish().with(repeats::left_out()).init(),
        LogFormat::Json => builder.json().finish().with(repeats::left_out()).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// A panic is a line of the log. The standard library's hook would wait for whoever reads standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current().name().map(str::to_owned);
    // Only where RUST_BACKTRACE asks for one.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread, backtrace, "panicked at {place}: {message}");
}

/// What a command is asked for.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    printed.context("cannot write to standard output")
}
