//! What a workload gives back.

use std::collections::BTreeMap;

use serde::Serialize;

/// One measurement of one contestant: figures by name, with the unit in the name, such as `delivered_per_s`,
/// `p99_ms`, `bytes_per_connection`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measured {
    /// The figures.
    pub figures: BTreeMap<&'static str, f64>,
    /// The share of its core that the generator was busy for, 0 to 1, while it measured. From 0.9 on the generator
    /// may be what limits the figures.
    pub generator_busy: f64,
    /// The same of the server, all of its processes together.
    pub server_busy: f64,
}
