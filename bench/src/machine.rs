//! What the figures were measured on.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

/// How many flushes are timed.
const FLUSHES: usize = 200;
/// What is written before each, in bytes: a page.
const PAGE: usize = 8 * 1024;

/// A description for whoever reads the tables.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many cores there are.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// How TCP controls congestion.
    pub congestion: String,
    /// Programs and what they call their version.
    pub programs: Vec<String>,
    /// The median time of an `fdatasync` after writing a page, in microseconds.
    pub fdatasync_us: u128,
}

impl Machine {
    /// This one; the disk is that of `folder`.
    ///
    /// # Errors
    /// Of the file system.
    pub fn describe(folder: &Path, postgres_programs: &Path) -> anyhow::Result<Self> {
        let field = |file: &str, name: &str| -> Option<String> {
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let memory: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let congestion =
            std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
        let postgres = postgres_programs.join("postgres");
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory / 1024,
            kernel: format!("Linux {}", kernel.trim()),
            congestion: congestion.trim().to_owned(),
            programs: [
                version(Path::new("node"), "node"),
                version(&postgres, ""),
                version(Path::new("rustc"), ""),
            ]
            .into_iter()
            .flatten()
            .collect(),
            fdatasync_us: fdatasync(folder)?,
        })
    }
}

fn version(program: &Path, prefix: &str) -> Option<String> {
    let said = Command::new(program).arg("--version").output().ok()?.stdout;
    Some(format!("{prefix} {}", String::from_utf8_lossy(&said).trim()).trim().to_owned())
}

fn fdatasync(folder: &Path) -> anyhow::Result<u128> {
    let mut file = tempfile::tempfile_in(folder).context("making a file to time the disk with")?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        file.write_all(&[0; PAGE])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed().as_micros());
    }
    times.sort_unstable();
    Ok(times.get(FLUSHES / 2).copied().unwrap_or_default())
}
