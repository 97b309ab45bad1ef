//! What a run happens on: folders, binaries, database servers, and how long everything takes.

use std::cell::OnceCell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tidings_throwaway_postgres::{Cluster, Options};

use crate::contestant::GENERATOR_CORE;
use crate::workload::Window;

/// How much is done. The workloads are the same; the quick run measures for a shorter time and loads less beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// How often everybody has their turn.
    pub rounds: usize,
    /// How long each measurement warms up.
    pub warm_up: Duration,
    /// How long it takes then.
    pub measure: Duration,
    /// Idle connections.
    pub idle: usize,
    /// Clients that come back at once.
    pub returning: usize,
    /// Threads of the one who asks for their list.
    pub listed_threads: usize,
    /// Messages in each of them, first few, then many.
    pub listed_messages: [usize; 2],
    /// Lists asked for.
    pub lists: usize,
    /// Messages in the SQLite file that is not empty.
    pub stored: usize,
}

impl Scale {
    /// The full run.
    pub const FULL: Self = Self {
        rounds: 3,
        warm_up: Duration::from_secs(1),
        measure: Duration::from_secs(5),
        idle: 10_000,
        returning: 5_000,
        listed_threads: 10_000,
        listed_messages: [10, 100],
        lists: 200,
        stored: 1_000_000,
    };

    /// The quick run.
    pub const QUICK: Self = Self {
        rounds: 3,
        warm_up: Duration::from_millis(300),
        measure: Duration::from_secs(1),
        idle: 5_000,
        returning: 2_000,
        listed_threads: 10_000,
        listed_messages: [1, 10],
        lists: 30,
        stored: 100_000,
    };

    /// The time of a measurement.
    #[must_use]
    pub const fn window(&self) -> Window {
        Window { warm_up: self.warm_up, measure: self.measure }
    }
}

/// How long each fsync takes longer on the slower of the two database servers: about what a cloud disk takes.
pub const DELAY: Duration = Duration::from_millis(2);

/// Settings of the database servers besides PostgreSQL's own. Durability is as it is by default: on.
pub const POSTGRES_SETTINGS: &[&str] = &[
    "shared_buffers = '1GB'",
    "max_connections = 300",
    "max_wal_size = '8GB'",
    "min_wal_size = '2GB'",
    "synchronous_commit = on",
    "fsync = on",
];

/// Everything that a measurement needs besides its contestant.
#[derive(Debug)]
pub struct Stage {
    scratch: TempDir,
    workspace: PathBuf,
    scale: Scale,
    cluster: OnceCell<Cluster>,
    slow_cluster: OnceCell<Cluster>,
}

impl Stage {
    /// In a temporary folder that is deleted in the end.
    ///
    /// # Errors
    /// Of the file system.
    pub fn new(workspace: &Path, scale: Scale) -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
        // The database server runs as another user, and loads the shim from here.
        std::fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))?;
        Ok(Self {
            scratch,
            workspace: workspace.to_owned(),
            scale,
            cluster: OnceCell::new(),
            slow_cluster: OnceCell::new(),
        })
    }

    /// How much is done.
    #[must_use]
    pub const fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Where contestants may write.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A file for what a contestant prints.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.log"))
    }

    /// A binary of the workspace: next to this one.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        let own = std::env::current_exe().unwrap_or_default();
        own.parent().unwrap_or_else(|| Path::new(".")).join(name)
    }

    /// The folder of the peers.
    #[must_use]
    pub fn peers(&self) -> PathBuf {
        self.workspace.join("bench/peers")
    }

    /// The secret that signs everybody's tokens.
    #[must_use]
    pub const fn secret(&self) -> &'static str {
        "a secret for benches alone, of more than 32 bytes"
    }

    /// Where `psql` and `pgbench` are.
    #[must_use]
    pub fn postgres_programs(&self) -> PathBuf {
        tidings_throwaway_postgres::programs().unwrap_or_default()
    }

    /// A database server on this machine's disk as it is.
    ///
    /// # Errors
    /// When PostgreSQL is missing, with the command that installs it, or does not start.
    pub fn cluster(&self) -> anyhow::Result<&Cluster> {
        started(&self.cluster, Vec::new())
    }

    /// A database server on which each fsync takes [`DELAY`] longer.
    ///
    /// # Errors
    /// As [`Self::cluster`], and when the shim has not been built.
    pub fn slow_cluster(&self) -> anyhow::Result<&Cluster> {
        let built = self.workspace.join("target/bench/fsync-delay.so");
        let shim = self.folder().join("fsync-delay.so");
        std::fs::copy(&built, &shim).with_context(|| format!("copying {}", built.display()))?;
        let preload = shim.to_str().context("the path of the shim is not UTF-8")?.to_owned();
        let micros = DELAY.as_micros().to_string();
        started(&self.slow_cluster, vec![("LD_PRELOAD".into(), preload), ("FSYNC_DELAY_US".into(), micros)])
    }
}

fn started(cell: &OnceCell<Cluster>, environment: Vec<(String, String)>) -> anyhow::Result<&Cluster> {
    if let Some(cluster) = cell.get() {
        return Ok(cluster);
    }
    let settings = POSTGRES_SETTINGS.iter().map(|line| (*line).to_owned()).collect();
    let cluster = Cluster::start(&Options { settings, environment, cpu: Some(GENERATOR_CORE) })?;
    Ok(cell.get_or_init(|| cluster))
}
