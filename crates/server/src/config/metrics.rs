//! `[metrics]`: what the server counts and measures, for Prometheus.

use std::net::SocketAddr;

use super::key::Key;
use super::source::Source;
use super::value::{boolean, text};

static ALL: [Key; 2] = [
    Key::new(
        "metrics.enabled",
        "true",
        "true or false",
        "Whether there is `/metrics`, in the text format of Prometheus.",
    ),
    Key::unset(
        "metrics.listen",
        "\"0.0.0.0:9100\"",
        "an IP address and a port: 0.0.0.0:9100",
        "An address of its own for `/metrics`, for whoever can reach it. Not set: on the server's port, for requests \
         from this machine that no proxy passed on.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// Whether and where metrics are told.
#[derive(Debug, Clone)]
pub(crate) struct MetricsSettings {
    pub(crate) enabled: bool,
    /// `None`: the server's own, for this machine alone.
    pub(crate) listen: Option<SocketAddr>,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<MetricsSettings> {
    let [enabled, listen] = &ALL;
    let enabled = source.read(enabled, boolean);
    let listen = source.read(listen, |value| text(value)?.parse().map_err(|_| None));
    Some(MetricsSettings { enabled: enabled?, listen })
}
