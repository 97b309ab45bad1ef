//! What reached the hub when its queue had no room: little, and not in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::seq::Modseq;
use tokio::sync::Notify;

/// What found no room.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// For each thread, where the first commit began that is not in the queue. Those after it are read from the feed.
    pub(crate) missed: HashMap<ThreadId, Modseq>,
    /// Sessions that are gone.
    pub(crate) went: Vec<SessionId>,
}

/// Where it is left for the hub. Empty nearly always; a flag spares the lock.
#[derive(Debug, Default)]
pub(crate) struct LateBox {
    late: Mutex<Late>,
    any: AtomicBool,
    /// The queue may run empty between the moment it was full and the moment the flag is set.
    bell: Notify,
}

impl LateBox {
    pub(crate) fn missed(&self, thread: ThreadId, prev: Modseq) {
        self.leave(|late| {
            if let Entry::Vacant(entry) = late.missed.entry(thread) {
                entry.insert(prev);
            }
        });
    }

    pub(crate) fn went(&self, session: SessionId) {
        self.leave(|late| late.went.push(session));
    }

    /// What has been left since the last call, if anything. Whatever was left before an input was queued is found
    /// when that input is taken out.
    pub(crate) fn take(&self) -> Option<Late> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut late = self.late.lock();
        self.any.store(false, Ordering::Release);
        Some(std::mem::take(&mut *late))
    }

    /// Waits until something is left.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn leave(&self, what: impl FnOnce(&mut Late)) {
        let mut late = self.late.lock();
        what(&mut late);
        self.any.store(true, Ordering::Release);
        drop(late);
        self.bell.notify_one();
    }
}
