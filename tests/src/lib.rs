//! A harness that runs the real `tidings` binary and talks to it from outside, as its users do.
//!
//! Nothing here links the code that is tested, which is the wire, the files and the process; of the dialects' tables
//! only the names are read, so that no route goes untested. Every wait is on a condition and ends at a deadline.

mod binary;
mod http;
mod log;
mod node;
mod page;
mod script;
mod server;
mod shell;
mod socket;
mod table;
mod users;

use std::time::{Duration, Instant};

use anyhow::ensure;

pub use binary::tidings;
pub use http::{Response, Rest, raw};
pub use log::Log;
pub use node::{Transports, node_folder, scenario, scenario_of, stock_modules};
pub use page::{Page, Shell, free_port};
pub use script::{browser_script, script};
pub use server::{Data, Server, Store};
pub use shell::Pasted;
pub use socket::{Heard, Socket};
pub use table::table;
pub use users::{SECRET, User, Users};

/// Waits until `holds` does; what it waits for is asked over the network or of a file, a moment apart.
///
/// # Errors
/// Those of `holds`, or when it does not hold within the deadline.
pub fn eventually(what: &str, holds: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
    Ok(())
}

/// How long anything may take before a test gives up on it. Only reached by a failing test, so it is generous.
pub const DEADLINE: Duration = Duration::from_secs(30);
