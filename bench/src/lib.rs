//! Tidings side by side with its peers: a load generator that speaks the wire itself, the workloads, and the runs.

pub mod contestant;
pub mod fixture;
pub mod generator;
pub mod machine;
pub mod measured;
pub mod programme;
pub mod report;
pub mod stage;
pub mod workload;
