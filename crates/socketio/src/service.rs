//! What a user of Socket.IO implements, and what it is given and gives back.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::codec::Text;
use crate::engine::{Begun, Body, Handshake};
use crate::{EncodeError, Encoded, Event, Reason, Socket};

/// What happens in the namespaces. One value serves all connections.
///
/// The calls of one connection keep the order in which the client sent its packets, whatever the namespace, and
/// never overlap, but for the events that [`begin`](Self::begin) takes. While one is running, the connection goes on writing and answering heartbeats.
pub trait Service: Send + Sync + 'static {
    /// What is remembered about one socket: one client in one namespace.
    /// If a handler panics, it is dropped without `disconnect`.
    type Session: Send + 'static;

    /// Whether there is such a namespace (with its leading slash). Others are refused with
    /// "Invalid namespace". Default: only `/`.
    fn has_namespace(&self, namespace: &str) -> bool {
        namespace == "/"
    }

    /// Looks at every HTTP request before anything is done for it; the place for Origin checks
    /// ([`Origins`](crate::Origins) does them) and limits. The headers it returns are added to the response. It may
    /// have the request wait.
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

    /// A client asks to enter a namespace. What is sent to `socket` meanwhile is delivered after the
    /// acceptance, or dropped with the refusal.
    fn connect(
        &self,
        request: Connect,
        socket: Socket,
    ) -> impl Future<Output = Result<Accepted<Self::Session>, Refused>> + Send;

    /// A client has sent an event that may overlap with others, such as one whose order another place keeps. What is
    /// given back goes on while later events of that kind are begun; each is polled to where it first waits before
    /// the next is begun, so that what it does until then is in the client's order. Everything else that the client
    /// sends waits until all of them are done. A socket that the server disconnects may be
    /// [let go of](Self::disconnect) before.
    /// By default every event waits, and is [handled](Self::event) alone.
    fn begin(&self, session: &mut Self::Session, event: Event) -> Begun<Event> {
        let _ = session;
        Begun::Waits(event)
    }

    /// A client has sent an event.
    fn event(&self, session: &mut Self::Session, event: Event) -> impl Future<Output = ()> + Send;

    /// A socket is gone. Called once for each accepted one. Events that the client sent before are handled
    /// first, unless it was the server that ended it.
    fn disconnect(&self, session: Self::Session, reason: Reason) -> impl Future<Output = ()> + Send;
}

/// A client's wish to enter a namespace.
#[derive(Clone)]
#[non_exhaustive]
pub struct Connect {
    pub(crate) namespace: Arc<str>,
    pub(crate) auth: Option<Text>,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) is_first: bool,
}

/// Without the auth payload: it is a secret.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("namespace", &self.namespace)
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}

/// What a reconnecting client says about where it was (connection state recovery).
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The private id that [`Accepted::pid`] gave it.
    pub pid: String,
    /// The offset of the last event it saw: the last argument of that event, if it was a string.
    pub offset: Option<String>,
}

/// Without the private id.
impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Connect {
    /// The namespace, with its leading slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The auth payload: a JSON object as the client wrote it, `pid` and `offset` included; `None` when the
    /// client gave none.
    #[must_use]
    pub fn auth(&self) -> Option<&str> {
        self.auth.as_deref()
    }

    /// Decodes the auth payload; an absent one as `{}`.
    ///
    /// # Errors
    /// When the payload has not the shape of `T`.
    pub fn decode_auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.auth().unwrap_or("{}"))
    }

    /// What is kept of the HTTP request that opened the connection.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Whether the client has not been in any namespace on this connection yet.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.is_first
    }

    /// Where the client was before, if it says so. It is the client's word: check it.
    #[must_use]
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }
}

/// A client may enter.
pub struct Accepted<S> {
    pub(crate) session: S,
    pub(crate) pid: Option<String>,
    pub(crate) frames: Vec<Encoded>,
}

/// Without the private id.
impl<S: fmt::Debug> fmt::Debug for Accepted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("session", &self.session)
            .field("frames", &self.frames.len())
            .finish_non_exhaustive()
    }
}

impl<S> Accepted<S> {
    /// Accepts, remembering `session`.
    #[must_use]
    pub fn new(session: S) -> Self {
        Self { session, pid: None, frames: Vec::new() }
    }

    /// Gives the client a private id to come back with (connection state recovery).
    #[must_use]
    pub fn pid(mut self, pid: impl Into<String>) -> Self {
        self.pid = Some(pid.into());
        self
    }

    /// Sends these right behind the acceptance, before anything that was sent to the socket meanwhile.
    #[must_use]
    pub fn frames(mut self, frames: Vec<Encoded>) -> Self {
        self.frames = frames;
        self
    }
}

/// A client may not enter: it gets a `connect_error` and stays away from this namespace.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

impl Refused {
    /// Refuses with a message, which the client finds as `error.message`.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds what the client finds as `error.data`.
    ///
    /// # Errors
    /// When `data` cannot be written as JSON.
    pub fn with_data(mut self, data: &impl Serialize) -> Result<Self, EncodeError> {
        self.data = Some(serde_json::value::to_raw_value(data)?);
        Ok(self)
    }
}
