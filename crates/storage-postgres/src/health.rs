//! Whether the database can be written, as the last transactions had it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last transaction that had something to write could not do so.
#[derive(Debug, Default)]
pub(crate) struct Health(AtomicBool);

impl Health {
    /// Something was written.
    pub(crate) fn wrote(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The server could not be reached, or could not do it.
    pub(crate) fn failed(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
