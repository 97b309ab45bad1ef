//! Everybody else. What they are made of and how they were kept fair: `bench/peers/README.md`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::process::{GENERATOR_CORE, Running, SERVER_CORE, Started, free_address, pinned};
use crate::fixture::Thread;
use crate::measured::Measured;
use crate::stage::Stage;
use crate::workload::Window;

/// How long a program of PostgreSQL may take: the longest loads a million messages.
const COMMAND_MAX: Duration = Duration::from_secs(600);

/// What Socket.IO runs on in Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The `ws` package, the default.
    Ws,
    /// `uWebSockets.js`.
    Uws,
}

/// A server that is not the `tidings` binary.
#[derive(Debug, Clone)]
pub enum Peer {
    /// Node.js and Socket.IO, nothing stored.
    Node(Engine),
    /// `NestJS`, `TypeORM`, Socket.IO and PostgreSQL, as the campaign system has it. With the URL of its database.
    Nest(String),
    /// Frames encoded beforehand, passed on with nothing else done; the limit.
    Raw {
        /// Whether frames for the same socket leave together.
        coalesce: bool,
    },
    /// Tidings, embedded with a dialect that knows threads of any size, on the memory store.
    Groups,
}

impl Peer {
    /// Starts it, with these threads known to it from the beginning, if it does not keep them in a database.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn start(&self, stage: &Stage, threads: &[Thread]) -> anyhow::Result<Running> {
        let fixture = stage.folder().join("fixture.json");
        std::fs::write(&fixture, serde_json::to_vec(threads)?)?;
        let address = free_address()?;
        let mut command = match self {
            Self::Node(engine) => {
                let mut command = pinned(SERVER_CORE, Path::new("node"));
                command.arg(stage.peers().join("node/server.mjs"));
                command.env("ENGINE", if *engine == Engine::Uws { "uws" } else { "ws" });
                command
            }
            Self::Nest(url) => {
                let mut command = pinned(SERVER_CORE, Path::new("node"));
                command.arg(stage.peers().join("nest/dist/main.js")).env("DATABASE_URL", url);
                command
            }
            Self::Raw { coalesce } => {
                let mut command = pinned(SERVER_CORE, &stage.binary("bench-raw"));
                command.args(["--coalesce", if *coalesce { "yes" } else { "no" }]);
                command
            }
            Self::Groups => pinned(SERVER_CORE, &stage.binary("bench-groups")),
        };
        command
            .env("NODE_ENV", "production")
            .env("PORT", address.port().to_string())
            .env("JWT_SECRET", stage.secret())
            .env("FIXTURE", fixture);
        Running::start(command, address, stage.secret(), Started::Says, &stage.log("peer"))
    }
}

/// Runs a script of `bench/peers/pgbench` with as many clients, one transaction a send: what PostgreSQL gives without
/// batching. `pgbench` runs where servers run, PostgreSQL where it runs for them.
///
/// # Errors
/// What `pgbench` said.
pub fn pgbench(stage: &Stage, url: &str, script: &str, clients: usize) -> anyhow::Result<Measured> {
    let Window { warm_up, measure } = stage.scale().window();
    let run = |time: Duration| {
        let mut command = pinned(SERVER_CORE, Path::new("timeout"));
        command
            .arg(COMMAND_MAX.as_secs().to_string())
            .arg(stage.postgres_programs().join("pgbench"))
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--define=n=0"])
            .arg(format!("--define=clients={clients}"))
            .arg(format!("--client={clients}"))
            // It counts in whole seconds.
            .arg(format!("--time={}", time.as_secs().max(1)))
            .arg("--file")
            .arg(stage.peers().join("pgbench").join(script))
            .arg(url);
        output(&mut command)
    };
    run(warm_up)?;
    let said = run(measure)?;
    let figure = |label: &str| -> anyhow::Result<f64> {
        let line = said.lines().find_map(|line| line.strip_prefix(label)).with_context(|| said.clone())?;
        let number = line.trim_start_matches(" = ").split(' ').next().unwrap_or_default();
        number.parse().with_context(|| said.clone())
    };
    let mut measured = Measured::default();
    measured.figures.insert("acked_per_s", figure("tps")?);
    measured.figures.insert("mean_ms", figure("latency average")?);
    Ok(measured)
}

/// Runs a script with `psql`.
///
/// # Errors
/// What it said.
pub fn psql(stage: &Stage, url: &str, script: &Path, variables: &[(&str, usize)]) -> anyhow::Result<()> {
    let mut command = pinned(GENERATOR_CORE, Path::new("timeout"));
    command.arg(COMMAND_MAX.as_secs().to_string()).arg(stage.postgres_programs().join("psql"));
    command.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]);
    for (name, value) in variables {
        command.arg(format!("--set={name}={value}"));
    }
    output(command.arg("--file").arg(script).arg(url)).map(drop)
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
