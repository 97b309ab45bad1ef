//! placeholder
use crate::fixture::Subject;
pub fn follows_the_model<S: Subject>(_: u32) {}
pub fn concurrent_senders<S: Subject>(_: u32) {}
