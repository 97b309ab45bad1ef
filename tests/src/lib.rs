//! A harness that runs the real `tidings` binary and talks to it from outside, as its users do.
//!
//! Nothing here links a crate of the server: what is tested is the wire, the files and the process. Every wait is
//! on a condition and ends at a deadline.

mod binary;
mod http;
mod log;
mod node;
mod server;
mod shell;
mod socket;
mod users;

use std::time::Duration;

pub use binary::tidings;
pub use http::{Response, Rest, raw};
pub use log::Log;
pub use node::{Transports, node_folder, scenario, scenario_of, stock_modules};
pub use server::{Data, Server, Store};
pub use shell::Pasted;
pub use socket::{Heard, Socket};
pub use users::{SECRET, User, Users};

/// How long anything may take before a test gives up on it. Only reached by a failing test, so it is generous.
pub const DEADLINE: Duration = Duration::from_secs(30);
