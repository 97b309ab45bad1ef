//! What goes on while later jobs are begun.

use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::Driver;
use crate::engine::{Protocol, Remainder};

/// The remainders of a session.
#[derive(Default)]
pub(super) struct Overlap {
    /// `None` when there are none: an idle connection keeps nothing that it does not need.
    going: Option<FuturesUnordered<Remainder>>,
    /// The next job has been asked for and is to wait until none is left.
    pub(super) next_waits: bool,
}

impl Overlap {
    pub(super) const fn is_empty(&self) -> bool {
        self.going.is_none()
    }

    fn count(&self) -> usize {
        self.going.as_ref().map_or(0, FuturesUnordered::len)
    }

    /// Takes a remainder to where it first waits, and keeps it from there.
    fn take(&mut self, mut remainder: Remainder, cx: &mut Context<'_>) {
        if remainder.as_mut().poll(cx).is_pending() {
            self.going.get_or_insert_default().push(remainder);
        }
    }

    /// Drives what goes on; whether anything was done with.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(going) = &mut self.going else { return false };
        let mut progress = false;
        loop {
            match going.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => progress = true,
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
        while !self.overlap.next_waits && self.overlap.count() < self.engine.config.max_overlapping {
            let Some(session) = &mut self.session else { break };
            let Some((job, weight)) = self.inbox.pop_front() else { break };
            match self.engine.protocol.begin(session, job) {
                Ok(remainder) => {
                    self.inbox_bytes -= weight;
                    self.overlap.take(remainder, cx);
                    progress = true;
                }
                Err(job) => {
                    self.inbox.push_front((job, weight));
                    self.overlap.next_waits = true;
                }
            }
        }
        progress
    }
}
