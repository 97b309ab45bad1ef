//! What is counted here. Without a recorder for the `metrics` facade it costs nothing and goes nowhere.
//!
//! | name | what |
//! |---|---|
//! | `tidings_sends_total` | `via="socket"`, `outcome`: stored, duplicate, refused (the sender's doing), failed (ours) |
//! | `tidings_send_seconds` | `via="socket"`: from a decoded event to its durable answer |
//! | `tidings_fanout_frames_total` | `kind`: durable, ephemeral |

use std::time::Duration;

use metrics::{Counter, Histogram};
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{CommandError, Outcome};

use crate::fanout::Durability;

/// Counters of sends.
#[derive(Debug, Clone)]
pub(crate) struct SendMeters {
    stored: Counter,
    duplicate: Counter,
    refused: Counter,
    failed: Counter,
    took: Histogram,
}

impl SendMeters {
    pub(crate) fn new() -> Self {
        let counter =
            |outcome| metrics::counter!("tidings_sends_total", "via" => "socket", "outcome" => outcome);
        Self {
            stored: counter("stored"),
            duplicate: counter("duplicate"),
            refused: counter("refused"),
            failed: counter("failed"),
            took: metrics::histogram!("tidings_send_seconds", "via" => "socket"),
        }
    }

    /// A send came to this, after so long.
    pub(crate) fn sent(&self, result: &Result<Outcome, CommandError>, took: Duration) {
        let counter = match result {
            Ok(Outcome::Sent(sent)) if sent.duplicate => &self.duplicate,
            Ok(_) => &self.stored,
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) => {
                &self.failed
            }
            Err(_) => &self.refused,
        };
        counter.increment(1);
        if result.is_ok() {
            self.took.record(took);
        }
    }
}

/// Counters of frames.
#[derive(Debug, Clone)]
pub(crate) struct FrameMeters {
    durable: Counter,
    ephemeral: Counter,
}

impl FrameMeters {
    pub(crate) fn new() -> Self {
        let counter = |kind| metrics::counter!("tidings_fanout_frames_total", "kind" => kind);
        Self { durable: counter("durable"), ephemeral: counter("ephemeral") }
    }

    /// So many sessions were handed a frame.
    pub(crate) fn told(&self, durability: Durability, sessions: u64) {
        match durability {
            Durability::Durable => self.durable.increment(sessions),
            Durability::Ephemeral => self.ephemeral.increment(sessions),
        }
    }
}
