//! The memory that large messages of all connections take together.
//!
//! What a connection may send at any time is small ([`Config::max_payload_unestablished`](super::Config)). For a
//! larger message its connection takes a share of a total before more of it is read than the header that announces its
//! size, and waits until there is one: many connections that each send half of a large message would otherwise fill
//! the memory. The share goes back when the message has been handled.
//!
//! Neither part of that lasts for ever: the wait for a share has an end, and a message that has one must come at a least
//! rate. Otherwise a few connections that send nothing more than headers would stop the large messages of all others.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::PollSemaphore;

use super::Config;

/// The total. Cloning it copies a pointer.
#[derive(Clone)]
pub(crate) struct LargeMessages(Arc<Total>);

struct Total {
    /// In bytes.
    bytes: Arc<Semaphore>,
    /// Up to this size a message takes no share.
    free: usize,
    /// The largest share: that of the largest message.
    largest: usize,
    /// How long the wait for a share may last.
    wait: Duration,
    /// How many bytes a second must come, but for a time.
    rate: usize,
    grace: Duration,
}

/// A message on its way that has a share.
pub(crate) struct Passing {
    pub(crate) share: Share,
    since: Instant,
    bytes: usize,
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
        Self(Arc::new(Total {
            bytes: Arc::new(Semaphore::new(total)),
            free: config.max_payload_unestablished,
            largest,
            wait: config.large_wait,
            rate: config.large_rate,
            grace: config.large_grace,
        }))
    }

    /// Whether a message of so many bytes takes a share.
    pub(crate) fn counts(&self, bytes: usize) -> bool {
        bytes > self.0.free
    }

    /// The size of the largest message that is ever taken.
    pub(crate) fn largest(&self) -> usize {
        self.0.largest
    }

    /// A share for so many bytes, if there is one at once.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Passing> {
        Arc::clone(&self.0.bytes).try_acquire_many_owned(self.permits(bytes)).ok().map(Passing::new)
    }

    /// A share for so many bytes, as soon as there is one; in the order in which they were asked for.
    pub(crate) fn poll_take(
        &self,
        bytes: usize,
        waiting: &mut Waiting,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Passing>> {
        let waiter = waiting.0.get_or_insert_with(|| Box::new(PollSemaphore::new(Arc::clone(&self.0.bytes))));
        let polled = waiter.poll_acquire_many(cx, self.permits(bytes));
        if polled.is_ready() {
            waiting.0 = None;
        }
        polled.map(|permit| permit.map(Passing::new))
    }

    /// As [`poll_take`](Self::poll_take), and nothing if that takes too long.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Passing> {
        let taking = Arc::clone(&self.0.bytes).acquire_many_owned(self.permits(bytes));
        timeout(self.0.wait, taking).await.ok()?.ok().map(Passing::new)
    }

    /// When a wait for a share ends without one.
    pub(crate) fn wait_ends(&self, since: Instant) -> Instant {
        later(since, self.0.wait)
    }

    /// When more of a message must have come.
    pub(crate) fn due(&self, passing: &Passing) -> Instant {
        let rate = u64::try_from(self.0.rate.max(1)).unwrap_or(u64::MAX);
        let millis = u64::try_from(passing.bytes).unwrap_or(u64::MAX).saturating_mul(1000) / rate;
        later(passing.since, self.0.grace.saturating_add(Duration::from_millis(millis)))
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.0.largest)).unwrap_or(u32::MAX)
    }
}

impl Passing {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { share: Share { _permit: Arc::new(permit) }, since: Instant::now(), bytes: 0 }
    }

    /// More of it has come.
    pub(crate) const fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Nothing of it was read for so long, for which the client is not to blame.
    pub(crate) fn excuse(&mut self, time: Duration) {
        self.since = later(self.since, time);
    }
}

pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    // A time without end is as good as a year.
    instant.checked_add(by).unwrap_or_else(|| instant + Duration::from_hours(365 * 24))
}

impl Waiting {
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }
}
