//! Tidings side by side with its peers: a load generator that speaks the wire itself, the workloads, and the runs.

pub mod fixture;
pub mod generator;
pub mod measured;
pub mod workload;
