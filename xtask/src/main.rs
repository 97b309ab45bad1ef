//! Project tasks. `cargo xtask test` is the test command of the README; the others are in `CONTRIBUTING.md`.

mod bench;
mod programs;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask TASK
  test [ARGS...]      installs what the tests need, builds the server, runs all tests; ARGS go to cargo test
  ci                  formatting, clippy without warnings, then test
  kill [--store sqlite|postgres] [--cycles N]
                      kills the server N times (1000) right after an ack and looks for what was lost; with postgres,
                      PostgreSQL as often under load, too
  bench [--quick]     measures Tidings side by side with its peers; --help lists the rest
  plans               looks at PostgreSQL's plans with 10,000 threads and 1,000,000 messages loaded";

const STORE_POSTGRES: &str = "tidings-storage-postgres";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", args @ ..] => test(args),
        ["ci"] => ci(),
        ["bench", args @ ..] => bench::bench(args),
        ["plans"] => plans(),
        ["kill", options @ ..] => kill(options),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

/// Tells the person at the terminal.
#[expect(clippy::print_stderr, reason = "a task talks to whoever runs it")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn test(args: &[&str]) -> Result<(), String> {
    prepare()?;
    // All of them, so that one failure hides no other.
    run(cargo().args(["test", "--workspace", "--no-fail-fast"]).args(args))
}

fn ci() -> Result<(), String> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    test(&[])
}

fn kill(mut options: &[&str]) -> Result<(), String> {
    let (mut tests, mut cycles) = ("kill_9_on_sqlite", "1000");
    while let [name, value, left @ ..] = options {
        match (*name, *value) {
            ("--store", "sqlite") => tests = "kill_9_on_sqlite",
            ("--store", "postgres") => tests = "postgres",
            ("--cycles", number) => {
                number.parse::<usize>().map_err(|_| format!("--cycles {number}: expected a number"))?;
                cycles = number;
            }
            (name, value) => return Err(format!("{name} {value}: unknown\n{USAGE}")),
        }
        options = left;
    }
    if let [alone] = options {
        return Err(format!("{alone}: expected a value after it\n{USAGE}"));
    }
    prepare()?;
    let only = ["test", "--package", "tidings-tests", "--test", "durability", "--", "--nocapture"];
    run(cargo().args(only).arg(tests).env("TIDINGS_KILL_CYCLES", cycles))
}

fn plans() -> Result<(), String> {
    programs::POSTGRES.ensure()?;
    let only = ["test", "--package", STORE_POSTGRES, "--lib"];
    run(cargo().args(only).env("TIDINGS_PLAN_MESSAGES", "1000000"))
}

/// Everything that the tests use beside Rust.
fn prepare() -> Result<(), String> {
    for program in programs::NEEDED {
        program.ensure()?;
    }
    for packages in ["tests/node", "tests/browser"] {
        let folder = workspace().join(packages);
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
    }
    // The tests build it themselves; built here, its progress is seen and no test waits for it.
    run(cargo().args(["build", "--package", "tidings-server"]))
}

fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The cargo that runs this task, without what it says about this package: build scripts that look at such
/// variables would be run again.
fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace());
    let about_this = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| about_this.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command, its output shown as it comes.
fn run(command: &mut Command) -> Result<(), String> {
    let words: Vec<_> =
        [command.get_program()].into_iter().chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    let shown = words.join(" ");
    say(&format!("$ {shown}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
