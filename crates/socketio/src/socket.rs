//! The handle on one client in one namespace.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::codec::socket::Kind;
use crate::engine::{Connection, Frame, Sent, Transport};
use crate::event::Args;
use crate::{EncodeError, Encoded, Id, Reason};

/// One client in one namespace. Cloning it copies a pointer.
///
/// Nothing here blocks: every method may be called from any thread, by a handler or by somebody else. After
/// the socket is gone they do nothing. Sending a shared [`Encoded`] to many sockets costs each a short lock,
/// and a wake-up only where the connection's task sleeps.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: Id,
    namespace: Arc<str>,
    client: Arc<Client>,
    phase: AtomicU8,
    /// What was sent while `connect` had not returned.
    early: Mutex<Vec<Frame>>,
}

/// The client is asking to enter.
const ENTERING: u8 = 0;
const INSIDE: u8 = 1;
/// The client has left, was taken out or was refused.
const OUTSIDE: u8 = 2;

/// What all sockets of one connection share.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) max_early: usize,
    max_acks: usize,
    next_ack: AtomicU64,
    acks: Mutex<Acks>,
}

/// Boxed because few connections ever wait for an ack.
type Acks = Option<Box<HashMap<u64, (Id, oneshot::Sender<Args>)>>>;

impl Client {
    pub(crate) fn new(connection: Connection, max_early: usize, max_acks: usize) -> Self {
        Self { connection, max_early, max_acks, next_ack: AtomicU64::new(0), acks: Mutex::new(None) }
    }

    /// The client's answer to one of the server's questions. Answers to nothing are ignored.
    pub(crate) fn answer(&self, id: u64, args: Args) {
        if let Some((_, asker)) = self.forget(id) {
            // The asker may have stopped waiting.
            drop(asker.send(args));
        }
    }

    fn forget(&self, id: u64) -> Option<(Id, oneshot::Sender<Args>)> {
        let mut acks = self.acks.lock();
        let found = acks.as_mut()?.remove(&id);
        if acks.as_ref().is_some_and(|acks| acks.is_empty()) {
            *acks = None;
        }
        found
    }

    /// Nobody will answer any question any more.
    pub(crate) fn abandon_all(&self) {
        *self.acks.lock() = None;
    }

    /// Nobody will answer the questions asked through `socket` any more.
    fn abandon(&self, socket: Id) {
        let mut acks = self.acks.lock();
        if let Some(waiting) = acks.as_mut() {
            waiting.retain(|_, (asked, _)| *asked != socket);
            if waiting.is_empty() {
                *acks = None;
            }
        }
    }
}

impl Socket {
    pub(crate) fn new(id: Id, namespace: Arc<str>, client: Arc<Client>) -> Self {
        let phase = AtomicU8::new(ENTERING);
        Self(Arc::new(Inner { id, namespace, client, phase, early: Mutex::new(Vec::new()) }))
    }

    /// The socket's id, which the client knows as `socket.id`. Not a secret.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The namespace, with its leading slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// How packets travel at this moment.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.client.connection.transport()
    }

    /// Whether the client is in the namespace or about to be.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) != OUTSIDE && self.0.client.connection.is_open()
    }

    /// Queues a packet, which must have been encoded for this namespace.
    ///
    /// A full outbox drops ephemeral packets, the oldest first; if that does not make room, the connection is
    /// closed with [`Reason::Slow`].
    #[expect(clippy::must_use_candidate, reason = "whoever sends may leave it at that")]
    pub fn send(&self, packet: &Encoded) -> Sent {
        match self.0.phase.load(Ordering::Acquire) {
            INSIDE => self.0.client.connection.send(&packet.0),
            ENTERING => self.send_early(packet),
            _ => Sent::Closed,
        }
    }

    /// An answer is owed to the client.
    pub(crate) fn owe(&self) {
        self.0.client.connection.owe();
    }

    /// One that was owed will not come.
    pub(crate) fn settle(&self) {
        self.0.client.connection.settle(None);
    }

    /// Queues an answer that was owed; it passes where a connection that ends lets nothing else pass.
    pub(crate) fn answer(&self, packet: &Encoded) {
        let is_inside = self.0.phase.load(Ordering::Acquire) == INSIDE;
        self.0.client.connection.settle(Some(&packet.0).filter(|_| is_inside));
    }

    /// Encodes and queues an event for this client alone. `args` as for [`Encoded::event`].
    ///
    /// # Errors
    /// When `args` cannot be written as a JSON array.
    pub fn emit(&self, name: &str, args: &impl Serialize) -> Result<Sent, EncodeError> {
        Ok(self.send(&Encoded::event(&self.0.namespace, name, args)?))
    }

    /// Emits an event to which the client's callback answers. Wait for it with [`PendingAck::within`].
    ///
    /// # Errors
    /// [`AckError::Encode`], and [`AckError::TooMany`] when the connection owes
    /// [`Config::max_pending_acks`](crate::Config::max_pending_acks) answers already.
    pub fn emit_with_ack(&self, name: &str, args: &impl Serialize) -> Result<PendingAck, AckError> {
        let client = &self.0.client;
        let id = client.next_ack.fetch_add(1, Ordering::Relaxed);
        let packet = Encoded::question(&self.0.namespace, name, args, id)?;
        let (asker, answer) = oneshot::channel();
        {
            let mut acks = client.acks.lock();
            let waiting = acks.get_or_insert_default();
            if waiting.len() >= client.max_acks {
                return Err(AckError::TooMany);
            }
            waiting.insert(id, (self.0.id, asker));
        }
        let pending = PendingAck { id, answer, client: Arc::clone(client) };
        if self.send(&packet) == Sent::Closed {
            return Err(AckError::Gone);
        }
        Ok(pending)
    }

    /// Takes the client out of the namespace. It sees "io server disconnect" and does not come back by itself.
    /// What was sent before is delivered; the connection stays for its other namespaces.
    pub fn disconnect(&self) {
        // One that is still entering is let go of when it has entered.
        if self.0.phase.swap(OUTSIDE, Ordering::AcqRel) == INSIDE {
            self.send_leave();
            self.0.client.connection.nudge();
        }
    }

    /// Closes the connection under all its namespaces. The client sees "transport close" and, if it is a stock
    /// one, reconnects.
    pub fn close(&self, reason: Reason) {
        self.0.client.connection.close(reason);
    }

    /// Sends the acceptance, then `frames`, then what was sent meanwhile, and lets everything else follow.
    /// False when the socket was disconnected before it was accepted; it has been told so.
    pub(crate) fn enter(&self, acceptance: Encoded, frames: Vec<Encoded>) -> bool {
        let mut early = self.0.early.lock();
        let mut all = Vec::with_capacity(1 + frames.len() + early.len());
        all.push(acceptance.0);
        all.extend(frames.into_iter().map(|encoded| encoded.0));
        all.append(&mut early);
        *early = Vec::new();
        self.0.client.connection.send_all(&all);
        let entered =
            self.0.phase.compare_exchange(ENTERING, INSIDE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        drop(early);
        if !entered {
            self.send_leave();
        }
        entered
    }

    /// Marks the socket as gone.
    pub(crate) fn leave(&self) {
        self.0.phase.store(OUTSIDE, Ordering::Release);
        *self.0.early.lock() = Vec::new();
        self.0.client.abandon(self.0.id);
    }

    /// Whether [`disconnect`](Self::disconnect) was called.
    pub(crate) fn is_outside(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == OUTSIDE
    }

    fn send_early(&self, packet: &Encoded) -> Sent {
        let mut early = self.0.early.lock();
        // It may have been accepted before the lock was ours.
        match self.0.phase.load(Ordering::Acquire) {
            ENTERING if early.len() < self.0.client.max_early => {
                early.push(packet.0.clone());
                Sent::Queued
            }
            ENTERING if packet.is_ephemeral() => Sent::Dropped,
            ENTERING => {
                drop(early);
                self.close(Reason::Slow);
                Sent::Closed
            }
            INSIDE => {
                drop(early);
                self.0.client.connection.send(&packet.0)
            }
            _ => Sent::Closed,
        }
    }

    fn send_leave(&self) {
        let packet = Encoded::control(Kind::Disconnect, &self.0.namespace, "");
        self.0.client.connection.send(&packet.0);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.0.id).field("namespace", &self.0.namespace).finish()
    }
}

/// An answer that a client owes. Dropping it gives the answer up.
#[derive(Debug)]
#[must_use = "the answer is given up when this is dropped"]
pub struct PendingAck {
    id: u64,
    answer: oneshot::Receiver<Args>,
    client: Arc<Client>,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The connection owes too many answers already.
    #[error("too many acks are pending")]
    TooMany,
    /// Not within the time given.
    #[error("the client did not answer in time")]
    TimedOut,
    /// The socket is gone.
    #[error("the socket is gone")]
    Gone,
}

impl PendingAck {
    /// Waits for the answer. It may be awaited inside a handler: answers do not queue behind events.
    ///
    /// # Errors
    /// [`AckError::TimedOut`] and [`AckError::Gone`].
    pub async fn within(mut self, limit: Duration) -> Result<Args, AckError> {
        match tokio::time::timeout(limit, &mut self.answer).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Gone),
            Err(_) => Err(AckError::TimedOut),
        }
    }
}

impl Drop for PendingAck {
    fn drop(&mut self) {
        self.client.forget(self.id);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.connection).finish()
    }
}
