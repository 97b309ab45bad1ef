//! Engine.IO v4 alone: sessions over HTTP long-polling and WebSocket, heartbeats, upgrades, bounded queues.
//!
//! [`EngineIo`] answers HTTP requests and runs one task per session; what the messages mean is the business
//! of a [`Protocol`]. [`crate::SocketIo`] is one such protocol.

mod config;
mod connection;
mod driver;
mod frame;
mod framing;
mod gate;
mod handshake;
mod large;
mod outbox;
mod polling;
mod posts;
mod requests;
mod seldom;
mod server;
mod upgrade;
mod websocket;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};
use http_body_util::Full;

pub use config::Config;
pub use connection::Connection;
pub use frame::Frame;
pub use handshake::{Handshake, Transport};
pub use outbox::Sent;
pub use requests::{Peer, Refusal};
pub use server::EngineIo;

pub(crate) use self::driver::CHATTER;

use crate::Reason;
use crate::codec::Text;

/// The body of every response.
pub type Body = Full<Bytes>;

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text, without Engine.IO's type digit.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What remains to be done about a job while those after it are begun.
pub type Remainder = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What came of an attempt to begin something out of turn.
pub enum Begun<T> {
    /// It goes on beside what comes after it.
    GoesOn(Remainder),
    /// It is given back, to be done when all before it is done.
    Waits(T),
}

impl<T> fmt::Debug for Begun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoesOn(_) => "GoesOn",
            Self::Waits(_) => "Waits",
        })
    }
}

/// What is spoken over Engine.IO sessions.
///
/// For one session, [`receive`](Self::receive) takes messages apart as they arrive and
/// [`handle`](Self::handle) works through what it made of them, one at a time and in order, but for what
/// [`begin`](Self::begin) lets overlap. While a job is being handled the session goes on writing, answering heartbeats and, as long as the inbox has room,
/// receiving.
pub trait Protocol: Send + Sync + 'static {
    /// What a session's `receive` needs to remember.
    type Receiver: Send + 'static;
    /// What a session's `handle` needs to remember. If `handle` panics, it is dropped without `close`.
    type Session: Send + 'static;
    /// What is waiting to be handled.
    type Job: Send + 'static;

    /// Looks at every HTTP request before anything is done for it; the place for Origin checks and limits.
    /// The headers it returns are added to the response. It may have the request wait.
    ///
    /// # Errors
    /// The response that is sent instead; a preflight's answer too.
    fn admit(
        &self,
        request: &Parts,
        peer: Option<SocketAddr>,
    ) -> impl Future<Output = Result<HeaderMap, Box<Response<Body>>>> + Send {
        let _ = (request, peer);
        std::future::ready(Ok(HeaderMap::new()))
    }

    /// A session begins.
    fn open(&self, handshake: Handshake, connection: Connection) -> (Self::Receiver, Self::Session);

    /// How many units of [`Config::burst`] a message costs, besides those for its bytes. Default 1.
    fn cost(&self, message: &Message) -> u32 {
        let _ = message;
        1
    }

    /// A message has arrived. Returns the job that it completes, if any.
    ///
    /// # Errors
    /// The reason for which the session is to be closed.
    fn receive(&self, receiver: &mut Self::Receiver, message: Message) -> Result<Option<Self::Job>, Reason>;

    /// [`Connection::nudge`] was called, once or more. The job that it returns is handled next.
    fn nudged(&self, receiver: &mut Self::Receiver) -> Option<Self::Job> {
        let _ = receiver;
        None
    }

    /// The session is about to end: nothing more will be received. What the running handler waits for may never
    /// come.
    fn ending(&self, receiver: &mut Self::Receiver) {
        let _ = receiver;
    }

    /// Begins a job that need not wait until everything before it is done. Asked once for each job, when it is its
    /// turn; a job that is given back is [handled](Self::handle) as soon as no remainder is left.
    ///
    /// A remainder is polled once before the next job is begun, so remainders reach their first wait in the order of
    /// their jobs. They go on side by side then, at most [`Config::max_overlapping`] of a session. What a
    /// [`Connection::nudge`] brings does not wait for them; the end of the session does.
    /// By default every job waits.
    fn begin(&self, session: &mut Self::Session, job: Self::Job) -> Begun<Self::Job> {
        let _ = session;
        Begun::Waits(job)
    }

    /// Does a job.
    fn handle(&self, session: &mut Self::Session, job: Self::Job) -> impl Future<Output = ()> + Send;

    /// The session has ended; nothing more will be handled. Called once.
    ///
    /// What the client had sent before is handled first, unless it was the server that ended the session.
    fn close(&self, session: Self::Session, reason: Reason) -> impl Future<Output = ()> + Send;
}
