//! placeholder
use crate::fixture::Subject;
pub fn batch_law<S: Subject>(_: u32) {}
