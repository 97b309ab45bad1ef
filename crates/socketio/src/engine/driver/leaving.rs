//! The end of a session.

use tokio::time::Instant;

use super::super::connection::{State, wake};
use super::Driver;
use crate::Reason;
use crate::engine::Protocol;

/// How many bytes of frames a client may send while it is taken leave of; then its connection is dropped.
const LEAVING_BYTES_MAX: usize = 32 * 1024;

/// How the task ends: what was received is handled, what was queued is sent, both sides take leave.
pub(super) struct Leaving {
    pub(super) reason: Reason,
    pub(super) by: Instant,
    pub(super) late: bool,
    /// What was begun is still to be answered.
    pub(super) finishing: bool,
    /// How much more is read past what the client still sends.
    pub(super) patience: usize,
    pub(super) closed: bool,
    pub(super) close_pushed: bool,
    pub(super) shut_down: bool,
}

impl<P: Protocol> Driver<P> {
    pub(super) fn begin_leaving(&mut self, reason: Reason) {
        let config = &self.engine.config;
        let by =
            Instant::now() + if reason.finishes() { config.finish_timeout } else { config.close_timeout };
        self.leaving = Some(Leaving {
            reason,
            by,
            late: false,
            finishing: reason.finishes(),
            patience: if reason == Reason::Flood { 0 } else { LEAVING_BYTES_MAX },
            closed: false,
            close_pushed: false,
            shut_down: false,
        });
        self.engine.protocol.ending(&mut self.receiver);
        if reason.is_servers_choice() {
            self.inbox.clear();
            self.overlap.next_waits = false;
            self.inbox_bytes = 0;
        }
        if reason == Reason::Slow {
            self.batch.clear();
        }
        if let Some(socket) = &mut self.socket {
            socket.abandon();
        }
        let may_return = reason.takes_leave() || reason.finishes();
        if self.connection.lock().polling.is_none() || !may_return {
            self.engine.forget(self.connection.id());
        }
        if reason == Reason::TooLarge
            && let Some(count) = self.engine.too_large.happened()
        {
            let limit = self.engine.config.payload_limit(self.established);
            tracing::warn!(
                count,
                limit,
                "a client has sent a message of more bytes than the limit, and is closed"
            );
        }
        tracing::debug!(%reason, "closing a session");
    }

    /// Whether what was begun has been answered, or there was no more time for it, or nobody is left to hear it: then the
    /// connection closes.
    pub(super) fn finish(&mut self) -> bool {
        if !self.leaving.as_ref().is_some_and(|leaving| leaving.finishing) {
            return false;
        }
        let now = Instant::now();
        let mut state = self.connection.lock();
        let is_answered = self.has_answered(&state);
        let Some(leaving) = &mut self.leaving else { return false };
        let is_gone = self.socket.is_none() && state.polling.is_none();
        if state.finishing && !is_answered && !is_gone && now < leaving.by {
            return false;
        }
        leaving.finishing = false;
        leaving.by = now + self.engine.config.close_timeout;
        state.finishing = false;
        let waiting = state.polling.as_mut().map(|polling| [polling.poll.wake(), polling.post.wake()]);
        drop(state);
        waiting.into_iter().flatten().for_each(wake);
        true
    }

    /// Whether everything that the client has asked has been answered.
    pub(super) fn has_answered(&self, state: &State) -> bool {
        let is_idle = self.running.is_none() && self.overlap.is_empty();
        is_idle && self.inbox.is_empty() && self.urgent.is_none() && !self.connection.owes(state)
    }

    pub(super) fn is_done(&self) -> bool {
        let Some(leaving) = &self.leaving else { return false };
        if !leaving.closed || self.socket.is_some() {
            return false;
        }
        let state = self.connection.lock();
        match &state.polling {
            Some(polling) => polling.left || !leaving.reason.takes_leave() || Instant::now() >= leaving.by,
            None => true,
        }
    }
}
