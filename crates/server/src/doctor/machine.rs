//! The clock, and what the system allows.

use std::path::Path;
use std::time::UNIX_EPOCH;

use tidings_domain::ports::Clock;
use tidings_system::SystemClock;

use super::Finding;

/// A clock before this one is wrong: 2026-01-01, in milliseconds.
const EARLIEST: i64 = 1_767_225_600_000;
/// How far the clock and the times of new files may be apart, in milliseconds: a file server has its own clock.
const SKEW_MAX_MS: u128 = 5_000;
/// How many files the server needs beside its sockets.
const FILES_BESIDE: u64 = 256;

/// Whether the clock can be right.
pub(super) fn clock(data_dir: &Path) -> Vec<Finding> {
    let what = "clock";
    let now = SystemClock.now().as_millis();
    if now < EARLIEST {
        return vec![Finding::fail(what, "it stands before 2026", "set the clock, and let NTP keep it")];
    }
    let probe = data_dir.join(".doctor");
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::metadata(&probe)?.modified());
    // What was not written is not there.
    let _gone = std::fs::remove_file(&probe);
    let Ok(written) = written else { return Vec::new() };
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let apart = written.abs_diff(u128::try_from(now).unwrap_or_default());
    if apart > SKEW_MAX_MS {
        let seen = format!("new files in the data folder are {} s off", apart / 1_000);
        return vec![Finding::warn(
            what,
            seen,
            "let NTP keep the clocks of this machine and of its file server",
        )];
    }
    vec![Finding::ok(what, "agrees with the data folder")]
}

/// Whether so many sockets may be open at once.
#[cfg(unix)]
pub(super) fn descriptors(sockets: usize) -> Finding {
    let what = "open files";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let needed = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(FILES_BESIDE);
    match limit {
        Some(limit) if limit < needed => Finding::warn(
            what,
            format!("{limit} at most, fewer than limits.sockets ({sockets}) needs"),
            format!("ulimit -n {needed} (LimitNOFILE in systemd), or a lower limits.sockets"),
        ),
        Some(limit) => Finding::ok(what, format!("{limit} at most, enough for {sockets} sockets")),
        None => Finding::ok(what, "no limit"),
    }
}

#[cfg(not(unix))]
pub(super) fn descriptors(_: usize) -> Finding {
    Finding::ok("open files", "this system has no such limit")
}
