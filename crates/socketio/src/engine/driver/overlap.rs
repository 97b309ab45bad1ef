//! What goes on while later jobs are begun.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{Driver, Received};
use crate::engine::large::Share;
use crate::engine::{Begun, Config, Protocol, Remainder};

/// The remainders of a session.
#[derive(Default)]
pub(super) struct Overlap {
    /// `None` when there are none: an idle connection keeps nothing that it does not need.
    going: Option<FuturesUnordered<Weighed>>,
    /// The sizes of the messages that they came from, together.
    bytes: usize,
    /// The next job has been asked for and is to wait until none is left.
    pub(super) next_waits: bool,
}

/// A remainder and the size of the message that it came from.
struct Weighed {
    remainder: Remainder,
    weight: usize,
    /// Held until it is done.
    _share: Option<Share>,
}

impl Future for Weighed {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        self.remainder.as_mut().poll(cx).map(|()| self.weight)
    }
}

impl Overlap {
    pub(super) const fn is_empty(&self) -> bool {
        self.going.is_none()
    }

    fn has_room(&self, config: &Config) -> bool {
        let Some(going) = &self.going else { return true };
        going.len() < config.max_overlapping && self.bytes < config.inbox_bytes
    }

    /// Takes a remainder to where it first waits, and keeps it from there.
    fn take(&mut self, mut remainder: Remainder, weight: usize, share: Option<Share>, cx: &mut Context<'_>) {
        if remainder.as_mut().poll(cx).is_pending() {
            self.bytes += weight;
            self.going.get_or_insert_default().push(Weighed { remainder, weight, _share: share });
        }
    }

    /// Drives what goes on; whether anything was done with.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(going) = &mut self.going else { return false };
        let mut progress = false;
        loop {
            match going.poll_next_unpin(cx) {
                Poll::Ready(Some(weight)) => {
                    self.bytes -= weight;
                    progress = true;
                }
                Poll::Ready(None) => {
                    self.going = None;
                    return true;
                }
                Poll::Pending => return progress,
            }
        }
    }
}

impl<P: Protocol> Driver<P> {
    /// Begins what is next, as long as it need not wait for what goes on; whether anything was begun.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !self.overlap.next_waits && self.overlap.has_room(&self.engine.config) {
            let Some(session) = &mut self.session else { break };
            let Some(Received { job, weight, share }) = self.inbox.pop_front() else { break };
            match self.engine.protocol.begin(session, job) {
                Begun::GoesOn(remainder) => {
                    self.inbox_bytes -= weight;
                    self.overlap.take(remainder, weight, share, cx);
                    progress = true;
                }
                Begun::Waits(job) => {
                    self.inbox.push_front(Received { job, weight, share });
                    self.overlap.next_waits = true;
                }
            }
        }
        progress
    }
}
