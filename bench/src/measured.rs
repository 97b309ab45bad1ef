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
    /// The share that the generator's core was busy for, whoever used it: PostgreSQL is there, too. From 0.9 on what
    /// is on that core may be what limits the figures.
    pub generator_core_busy: f64,
    /// The share of its core that the server was busy for, all of its processes together.
    pub server_busy: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.figures {
            write!(f, "{name} {}, ", Rounded(*value))?;
        }
        let [server, generator, core] =
            [self.server_busy, self.generator_busy, self.generator_core_busy].map(|share| share * 100.0);
        write!(f, "server {server:.0} %, generator {generator:.0} %, its core {core:.0} %")
    }
}

/// A figure as people read it: three digits that count, no more.
#[derive(Debug, Clone, Copy)]
pub struct Rounded(pub f64);

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(value) = *self;
        if value.abs() >= 1e6 {
            write!(f, "{:.2}M", value / 1e6)
        } else if value.abs() >= 1e4 {
            write!(f, "{:.1}k", value / 1e3)
        } else if value.abs() >= 100.0 {
            write!(f, "{value:.0}")
        } else if value.abs() >= 10.0 {
            write!(f, "{value:.1}")
        } else {
            write!(f, "{value:.2}")
        }
    }
}
