//! The load generator: clients that speak WebSocket, Engine.IO v4 and Socket.IO v5 themselves, all on one thread and one
//! epoll.
//!
//! It has to be cheaper than every server it drives. So nothing is parsed that need not be, frames are read where they
//! were received, and what is said to a connection leaves in one write per turn. Its mask key is zero: valid on the
//! wire, the same for every contestant, and nothing to do.

mod fleet;
mod frame;
mod handshake;
mod link;
mod message;
mod post;
mod token;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use self::fleet::{Connected, Connecting, Fleet, Listener};
pub use self::handshake::Client;
pub use self::post::Post;
pub use self::token::Tokens;

/// Lets this process have as many open files as the system allows it, and tells how many that is.
///
/// # Errors
/// The system refuses what it said it would allow.
pub fn raise_file_limit() -> anyhow::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, raised).context("raising the limit of open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}
