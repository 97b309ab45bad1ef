//! `cargo xtask bench`: builds Tidings and its peers, and runs the benches.

use std::process::Command;

use crate::{cargo, programs, run, workspace};

/// Where the shim is built that makes fsync slower; the runner looks for it there.
const SHIM: &str = "target/bench/fsync-delay.so";

/// Builds everything, then measures; `args` go to the runner (`--help` lists them).
///
/// # Errors
/// What is missing, and the command that installs it; what could not be built or measured.
pub(crate) fn bench(args: &[&str]) -> Result<(), String> {
    for program in programs::BENCHED {
        program.ensure()?;
    }
    run(cargo().args(["build", "--release", "--package", "tidings-server", "--package", "tidings-bench"]))?;
    for peer in ["node", "nest"] {
        let folder = workspace().join("bench/peers").join(peer);
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
        run(Command::new("npm").args(["run", "--if-present", "build"]).current_dir(&folder))?;
    }
    std::fs::create_dir_all(workspace().join("target/bench")).map_err(|error| error.to_string())?;
    let compile = ["-O2", "-shared", "-fPIC", "-o", SHIM, "bench/fsync-delay/delay.c", "-ldl"];
    run(Command::new("cc").args(compile).current_dir(workspace()))?;
    run(cargo()
        .args(["run", "--release", "--quiet", "--package", "tidings-bench", "--bin", "bench", "--"])
        .args(args))
}
