//! What is counted here. Without a recorder for the `metrics` facade it costs nothing and goes nowhere.
//!
//! | name | what |
//! |---|---|
//! | `tidings_sends_total` | `via="rest"`, `outcome`: stored, duplicate, refused (the sender's doing), failed (ours) |
//! | `tidings_in_flight_refused_total` | requests refused because too much was in flight; `of`: user, all |
//! | `tidings_send_seconds` | `via="rest"`: from a decoded request to its durable answer |

use std::time::Duration;

use metrics::{Counter, Histogram};
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{CommandError, Outcome};

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
            |outcome| metrics::counter!("tidings_sends_total", "via" => "rest", "outcome" => outcome);
        Self {
            stored: counter("stored"),
            duplicate: counter("duplicate"),
            refused: counter("refused"),
            failed: counter("failed"),
            took: metrics::histogram!("tidings_send_seconds", "via" => "rest"),
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
