//! The part of a session that others may touch: its outbox, its state, its wakers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::outbox::{Limits, Outbox};
use super::polling::{Large, Polling};
use super::{Frame, Sent, Transport};
use crate::{Id, Reason};

/// A handle on one session. Cloning it copies a pointer.
///
/// Nothing here blocks or waits: every method may be called from any thread, by a handler or by somebody
/// else. After the session has ended they do nothing.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    id: Id,
    limits: Limits,
    established: AtomicBool,
    /// How many answers are owed. Taken from under the lock, so that who sees none left sees them all queued.
    owed: AtomicUsize,
    state: Mutex<State>,
}

/// Guarded by the connection's lock, which is held for a few instructions only.
pub(crate) struct State {
    /// Why the session ends, once it does.
    pub(crate) ending: Option<Reason>,
    /// The session ends, but what it has begun is answered first: answers still pass.
    pub(crate) finishing: bool,
    pub(crate) outbox: Outbox,
    /// The session's task, while it sleeps and wants to hear of news.
    pub(crate) sleeper: Option<Waker>,
    pub(crate) nudged: bool,
    /// The sleeping task waits for its socket to take more.
    pub(crate) blocked: bool,
    /// When the answer to the last ping is due, as long as it is missing.
    pub(crate) pong_due: Option<Instant>,
    /// How often the session was asked to move to a WebSocket.
    pub(crate) upgrades: u32,
    /// Present as long as the session has not moved to a WebSocket.
    pub(crate) polling: Option<Box<Polling>>,
}

impl State {
    /// Who must be told that there is something to write. Nobody, if the socket takes no more at the moment:
    /// it will say when it does.
    fn writer(&mut self) -> Option<Waker> {
        match &mut self.polling {
            Some(polling) => polling.poll.wake(),
            None if self.blocked => None,
            None => self.sleeper.take(),
        }
    }

    /// Whether a POST waits for the server, and the client's pong behind it.
    pub(crate) fn keeps_post_waiting(&self) -> bool {
        let Some(polling) = &self.polling else { return false };
        polling.body.is_some() || polling.large == Some(Large::Waits)
    }

    /// Everybody who waits for something.
    fn everybody(&mut self) -> [Option<Waker>; 4] {
        let sleeper = self.sleeper.take();
        match &mut self.polling {
            Some(polling) => [sleeper, polling.poll.wake(), polling.post.wake(), polling.prober.take()],
            None => [sleeper, None, None, None],
        }
    }
}

impl Connection {
    pub(crate) fn new(id: Id, limits: Limits, established: bool, polling: Option<Box<Polling>>) -> Self {
        let state = State {
            ending: None,
            finishing: false,
            outbox: Outbox::default(),
            sleeper: None,
            nudged: false,
            blocked: false,
            pong_due: None,
            upgrades: 0,
            polling,
        };
        Self(Arc::new(Shared {
            id,
            limits,
            established: AtomicBool::new(established),
            owed: AtomicUsize::new(0),
            state: Mutex::new(state),
        }))
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// How packets travel at this moment.
    #[must_use]
    pub fn transport(&self) -> Transport {
        if self.lock().polling.is_some() { Transport::Polling } else { Transport::WebSocket }
    }

    /// Whether the session has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().ending.is_none()
    }

    /// Queues a frame. Costs a short lock and, when the session's task sleeps, a wake-up.
    ///
    /// A full outbox drops ephemeral frames, the oldest first; if that does not make room, the session is
    /// closed with [`Reason::Slow`].
    #[expect(clippy::must_use_candidate, reason = "whoever sends may leave it at that")]
    pub fn send(&self, frame: &Frame) -> Sent {
        self.send_all(std::slice::from_ref(frame))
    }

    /// Queues frames with nothing between them, as [`send`](Self::send) does with one. Returns what became of
    /// the last.
    #[expect(clippy::must_use_candidate, reason = "whoever sends may leave it at that")]
    pub fn send_all(&self, frames: &[Frame]) -> Sent {
        let mut state = self.lock();
        let mut sent = Sent::Queued;
        for frame in frames {
            if state.ending.is_some() {
                return Sent::Closed;
            }
            sent = state.outbox.push(frame.clone(), self.0.limits);
            if sent == Sent::Closed {
                Self::end(state, Reason::Slow);
                return Sent::Closed;
            }
        }
        let waker = state.writer();
        drop(state);
        wake(waker);
        sent
    }

    /// An answer to the client is owed.
    pub(crate) fn owe(&self) {
        self.0.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether answers are owed; looked at with the state locked.
    pub(crate) fn owes(&self, _: &State) -> bool {
        self.0.owed.load(Ordering::Relaxed) > 0
    }

    /// An answer that was owed, or none, because it will not come.
    pub(crate) fn settle(&self, answer: Option<&Frame>) {
        let mut state = self.lock();
        self.0.owed.fetch_sub(1, Ordering::Relaxed);
        if let Some(frame) = answer
            && (state.ending.is_none() || state.finishing)
            && state.outbox.push(frame.clone(), self.0.limits) == Sent::Closed
        {
            return Self::end(state, Reason::Slow);
        }
        let waker = if state.finishing { state.sleeper.take() } else { None };
        let writer = if answer.is_some() { state.writer() } else { None };
        drop(state);
        wake(waker);
        wake(writer);
    }

    /// Closes the transport. The client sees "transport close" and, if it is a stock one, reconnects.
    ///
    /// What was queued before is still sent, unless `reason` is [`Reason::Slow`], and so are answers to what the client
    /// has asked before, if they come within [`Config::finish_timeout`](super::Config::finish_timeout).
    pub fn close(&self, reason: Reason) {
        Self::end(self.lock(), reason);
    }

    /// Says whether the other side has proven that it may be here: this lifts
    /// [`Config::max_payload_unestablished`](super::Config::max_payload_unestablished) and stops the clock of
    /// [`Config::connect_timeout`](super::Config::connect_timeout). Called from a handler.
    pub fn set_established(&self, established: bool) {
        self.0.established.store(established, Ordering::Relaxed);
    }

    /// Whether the connection is [established](Self::set_established).
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.0.established.load(Ordering::Relaxed)
    }

    /// Has the session's task call [`Protocol::nudged`](super::Protocol::nudged).
    pub fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        let waker = state.sleeper.take();
        drop(state);
        wake(waker);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Takes what waits to be written.
    pub(crate) fn take(&self, empty: &mut VecDeque<Frame>) {
        self.lock().outbox.take(empty);
    }

    /// Ends the session for the first reason given, and tells its task.
    fn end(mut state: MutexGuard<'_, State>, reason: Reason) {
        if state.ending.is_none() {
            state.ending = Some(reason);
            state.finishing = reason.finishes();
        }
        if reason == Reason::Slow {
            state.finishing = false;
            state.outbox.clear();
        }
        let wakers = state.everybody();
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows a polling session's id can speak for it.
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
