//! Runs one workload against a server that runs already: `cargo run --release -p tidings-bench --example against --
//! 127.0.0.1:3000 --secret S --pid PID typing 500`.
//!
//! The server has to have the threads already: `fixture FILE` writes those of two as a JSON array, `group-fixture FILE`
//! the one of many.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use tidings_bench::fixture::{self, Thread};
use tidings_bench::workload::{Server, Window, group, idle, latency, list, reconnect, sends, typing};

#[derive(Parser)]
struct Cli {
    /// Where the server listens.
    address: SocketAddr,
    /// What tokens are signed with.
    #[arg(long)]
    secret: String,
    /// A process of the server; repeatable.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds while it counts.
    #[arg(long, default_value_t = 5.0)]
    measure: f64,
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand)]
enum Workload {
    /// Writes as many threads of two.
    Fixture { file: PathBuf, count: usize },
    /// Writes one thread of as many members.
    GroupFixture { file: PathBuf, members: usize },
    /// W1.
    Typing { threads: usize },
    /// W4, W5, W7.
    Sends { threads: usize, in_flight: usize },
    /// W2.
    Group { members: usize },
    /// W3.
    Idle { users: usize },
    /// W6, sends per second.
    Latency { threads: usize, rate: f64 },
    /// W8, of `advertiser-0`.
    List { requests: usize },
    /// W9, twice as many clients.
    Reconnect { threads: usize },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let server = Server { address: cli.address, secret: cli.secret, pids: cli.pids };
    let seconds = Duration::from_secs_f64;
    let window = Window { warm_up: seconds(cli.warm_up), measure: seconds(cli.measure) };
    let measured = match cli.workload {
        Workload::Fixture { file, count } => {
            return write(&file, &fixture::pairs(count));
        }
        Workload::GroupFixture { file, members } => return write(&file, &[fixture::group(members)]),
        Workload::Group { members } => group::run(&server, &fixture::group(members), 16, &window)?,
        Workload::Idle { users } => idle::run(&server, users)?,
        Workload::Latency { threads, rate } => {
            latency::run(&server, &fixture::pairs(threads), rate, &window)?
        }
        Workload::List { requests } => list::run(&server, &fixture::advertiser(0), requests)?,
        Workload::Reconnect { threads } => reconnect::run(&server, &fixture::pairs(threads))?,
        Workload::Typing { threads } => typing::run(&server, &fixture::pairs(threads), &window)?,
        Workload::Sends { threads, in_flight } => {
            sends::run(&server, &fixture::pairs(threads), in_flight, &window)?
        }
    };
    println!("{}", serde_json::to_string_pretty(&measured)?);
    Ok(())
}

fn write(file: &Path, threads: &[Thread]) -> anyhow::Result<()> {
    Ok(std::fs::write(file, serde_json::to_vec(threads)?)?)
}
