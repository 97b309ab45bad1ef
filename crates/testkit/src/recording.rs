//! A notifier that remembers.

use std::sync::Arc;

use parking_lot::Mutex;
use tidings_domain::change::Commit;
use tidings_domain::id::ThreadId;
use tidings_domain::ports::Notifier;

/// Keeps every commit it hears, in the order heard.
#[derive(Debug, Default)]
pub struct RecordingNotifier(Mutex<Vec<Arc<Commit>>>);

impl RecordingNotifier {
    /// All so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Arc<Commit>> {
        self.0.lock().clone()
    }

    /// Those of one thread so far.
    #[must_use]
    pub fn heard_of(&self, thread: ThreadId) -> Vec<Arc<Commit>> {
        self.0.lock().iter().filter(|commit| commit.thread.id == thread).cloned().collect()
    }

    /// All so far, which are then forgotten.
    #[must_use]
    pub fn take(&self) -> Vec<Arc<Commit>> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Notifier for RecordingNotifier {
    fn committed(&self, commit: Arc<Commit>) {
        self.0.lock().push(commit);
    }
}
