//! Contract suites, fixtures and strategies for Tidings and its storage adapters.

mod runtime;

pub use runtime::{DEADLINE, block_on};
