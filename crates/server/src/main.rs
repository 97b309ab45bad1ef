//! The `tidings` binary: configuration, wiring, accept loop, signals.

mod accept;
mod cli;
mod demo;
mod health;
mod secret;
mod serve;
mod store;
mod token;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, TokenCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::builder().parse_lossy(&cli.log);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match cli.command {
        Command::Serve(serve) => run(serve),
        Command::Token(TokenCommand::Mint(mint)) => token::mint(&mint),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: cli::Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::serve(args))
}

#[expect(clippy::print_stderr, reason = "the program's own last words, whatever the log filter")]
fn tell_error(error: &anyhow::Error) {
    eprintln!("tidings: {error:#}");
}
