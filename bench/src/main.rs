//! Measures Tidings side by side with its peers. `cargo xtask bench` builds everything and runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};
use tidings_bench::contestant::{CONFIG, GENERATOR_CORE, SERVER_CORE};
use tidings_bench::generator;
use tidings_bench::machine::Machine;
use tidings_bench::programme::{Results, WORKLOADS, Workload};
use tidings_bench::report::Report;
use tidings_bench::stage::{Scale, Stage};

/// Measures Tidings side by side with its peers.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    /// Measure for a shorter time, with less loaded beforehand: under six minutes.
    #[arg(long)]
    quick: bool,
    /// How often everybody has their turn, at least 1.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these workloads, and those they go by: W1,W4
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where `results.md` and `results.json` are put.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

/// How often an interrupted run tries to remove its folder.
const REMOVALS_MAX: usize = 100;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "it talks to whoever runs it")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Whether everything could be measured.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the package lies in no workspace")?;
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores >= 2, "a core for the server and one for the generator are needed; there is {cores}");
    let chosen = chosen(&cli.only)?;
    let (kind, mut scale) = if cli.quick { ("quick", Scale::QUICK) } else { ("full", Scale::FULL) };
    scale.rounds = cli.rounds.unwrap_or(scale.rounds).max(1);
    generator::raise_file_limit()?;
    let stage = Stage::new(workspace, scale)?;
    let machine = Machine::describe(stage.folder(), &stage.postgres_programs())?;
    stay_on(GENERATOR_CORE)?;
    stop_on_interrupt(stage.folder())?;
    say(&format!("{machine:?}\nservers on core {SERVER_CORE}, generator and PostgreSQL on {GENERATOR_CORE}"));
    say(&format!("Tidings is configured with:\n{CONFIG}"));
    std::fs::create_dir_all(&cli.out)?;
    let (mut results, mut failures, mut text) = (Results::default(), Vec::new(), String::new());
    for workload in chosen {
        say(&format!("{}: {}", workload.id, workload.title));
        if let Err(error) = workload.run(&stage, &mut results, &mut say_line) {
            say(&format!("  failed: {error:#}"));
            results.forget(workload.id);
            failures.push(format!("{error:#}"));
        }
        // After each: what was measured is there, whatever becomes of the rest.
        let report = Report::new(kind, &machine, &results, &failures);
        text = report.markdown(stage.scale());
        std::fs::write(cli.out.join("results.md"), &text)?;
        std::fs::write(cli.out.join("results.json"), serde_json::to_vec_pretty(&report)?)?;
    }
    say(&format!("\n{text}\nin {}: results.md, results.json", cli.out.display()));
    Ok(failures.is_empty())
}

fn say_line(text: &str) {
    say(text);
}

/// The workloads that were asked for, and those that they go by; all, if none was named.
fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Workload>> {
    let ids: Vec<&str> = WORKLOADS.iter().map(|workload| workload.id).collect();
    for asked in only {
        ensure!(ids.contains(&asked.as_str()), "--only {asked}: there are {}", ids.join(", "));
    }
    let asked = |id: &str| only.is_empty() || only.iter().any(|asked| asked == id);
    let gone_by =
        |id: &str| WORKLOADS.iter().any(|workload| asked(workload.id) && workload.after.contains(&id));
    Ok(WORKLOADS.iter().filter(|workload| asked(workload.id) || gone_by(workload.id)).collect())
}

fn stay_on(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("staying on core {core}"))
}

/// Ctrl-C and SIGTERM end the run: servers die with this process, database servers are stopped by their guardians,
/// and the folder is removed here.
fn stop_on_interrupt(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.to_owned();
    let stop = move || {
        say("interrupted");
        // Servers write there until they are gone, which they are with this process.
        for _ in 0..REMOVALS_MAX {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        if folder.exists() {
            say(&format!("{} could not be removed", folder.display()));
        }
        std::process::exit(130);
    };
    ctrlc::set_handler(stop).context("listening for Ctrl-C")
}
