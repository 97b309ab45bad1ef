//! A process and those that it started, as `/proc` has them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How long killed processes may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What `/proc` says of a process that is there and is no zombie: its parent.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut words = after.split(' ');
    if words.next() == Some("Z") { None } else { words.next()?.parse().ok() }
}

/// The processes that this one started and that are still there.
pub(crate) fn children(of: u32) -> Result<Vec<u32>> {
    let pids =
        std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| parent_of(*pid) == Some(of)).collect())
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process has such a number")?;
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Kills a process and those that it started.
pub(crate) fn kill_family(head: u32) -> Result<()> {
    // So that it starts no more of them.
    signal(head, Signal::STOP)?;
    let mut family = children(head)?;
    family.push(head);
    for pid in &family {
        signal(*pid, Signal::KILL)?;
    }
    let start = Instant::now();
    while family.iter().any(|pid| parent_of(*pid).is_some()) {
        ensure!(start.elapsed() < GONE_WITHIN, "processes {family:?} were killed and are still there");
        std::thread::yield_now();
    }
    Ok(())
}
