//! The memory that large messages of all connections take together.
//!
//! What a connection may send at any time is small ([`Config::max_payload_unestablished`](super::Config)). For a
//! larger message its connection takes a share of a total before more of it is read than the header that announces its
//! size, and waits until there is one: many connections that each send half of a large message would otherwise fill
//! the memory. The share goes back when the message has been handled.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::Config;

/// The total, in bytes.
#[derive(Clone)]
pub(crate) struct LargeMessages {
    total: Arc<Semaphore>,
    /// Up to this size a message takes no share.
    free: usize,
    /// The largest share: that of the largest message.
    largest: usize,
}

/// A share of the total; it goes back with the last clone.
#[derive(Clone)]
pub(crate) struct Share {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Somebody who waits for a share. Made only when there is none.
#[derive(Default)]
pub(crate) struct Waiting(Option<Box<PollSemaphore>>);

impl LargeMessages {
    pub(crate) fn new(config: &Config) -> Self {
        let largest = config.max_payload.min(Semaphore::MAX_PERMITS);
        let total = config.max_large_bytes.clamp(largest, Semaphore::MAX_PERMITS);
        Self { total: Arc::new(Semaphore::new(total)), free: config.max_payload_unestablished, largest }
    }

    /// Whether a message of so many bytes takes a share.
    pub(crate) const fn counts(&self, bytes: usize) -> bool {
        bytes > self.free
    }

    /// The size of the largest message that is ever taken.
    pub(crate) const fn largest(&self) -> usize {
        self.largest
    }

    /// A share for so many bytes, if there is one at once.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        Arc::clone(&self.total).try_acquire_many_owned(self.permits(bytes)).ok().map(Share::new)
    }

    /// A share for so many bytes, as soon as there is one; in the order in which they were asked for.
    pub(crate) fn poll_take(
        &self,
        bytes: usize,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Share>> {
        let waiter = waiting.0.get_or_insert_with(|| Box::new(PollSemaphore::new(Arc::clone(&self.total))));
        let polled = waiter.poll_acquire_many(cx, self.permits(bytes));
        if polled.is_ready() {
            waiting.0 = None;
        }
        polled.map(|permit| permit.map(Share::new))
    }

    /// As [`poll_take`](Self::poll_take).
    pub(crate) async fn take(&self, bytes: usize) -> Option<Share> {
        Arc::clone(&self.total).acquire_many_owned(self.permits(bytes)).await.ok().map(Share::new)
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.largest)).unwrap_or(u32::MAX)
    }
}

impl Share {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Arc::new(permit) }
    }
}

impl Waiting {
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }
}
