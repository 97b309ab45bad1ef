//! The workloads, each a function from a server that runs to what was measured. They end by themselves: every wait has
//! a deadline, and an error tells what did not arrive.

mod clients;
pub mod group;
mod http;
pub mod idle;
pub mod latency;
pub mod list;
mod meter;
pub mod reconnect;
pub mod sends;
pub mod typing;

use std::net::SocketAddr;
use std::time::Duration;

/// A contestant that is ready.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its clients' tokens are signed with.
    pub secret: String,
    /// Its processes, whose CPU time and memory are counted.
    pub pids: Vec<u32>,
}

/// How long a workload runs.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Before anything counts.
    pub warm_up: Duration,
    /// While it counts.
    pub measure: Duration,
}
