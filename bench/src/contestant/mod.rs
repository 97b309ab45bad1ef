//! Who is measured, and how each is started.
//!
//! Each runs on the server's core, and is stopped when its turn is over; the generator, and PostgreSQL for those who
//! use it, run on the other core.

mod peers;
mod process;
mod tidings;

pub use peers::{Engine, Peer, pgbench, psql};
pub use process::{GENERATOR_CORE, Running, SERVER_CORE, Started};
pub use tidings::{CONFIG, Store, Tidings};
