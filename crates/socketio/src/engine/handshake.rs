//! What is kept of the request that opened a session.

use std::fmt;
use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::Config;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

/// What is kept of the request that opened a session: small, and a copy, so that the request's buffers go.
#[derive(Clone)]
pub struct Handshake {
    peer: Option<SocketAddr>,
    transport: Transport,
    query: Box<str>,
    headers: Box<[(HeaderName, HeaderValue)]>,
}

/// Without the query and the headers: they may hold secrets.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("peer", &self.peer)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// The query and the kept headers are larger than [`Config::max_handshake`].
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Handshake {
    pub(crate) fn new(
        request: &Parts,
        peer: Option<SocketAddr>,
        transport: Transport,
        config: &Config,
    ) -> Result<Self, TooLarge> {
        let query = request.uri.query().unwrap_or_default();
        let kept = || {
            config
                .kept_headers
                .iter()
                .flat_map(|name| request.headers.get_all(name).iter().map(move |value| (name, value)))
        };
        let size = query.len() + kept().map(|(_, value)| value.len()).sum::<usize>();
        if size > config.max_handshake {
            return Err(TooLarge);
        }
        let headers = kept()
            .filter_map(|(name, value)| {
                let copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
                Some((name.clone(), copy))
            })
            .collect();
        Ok(Self { peer, transport, query: query.into(), headers })
    }

    /// The address at the other end of the TCP connection, where the server was told.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The transport on which the session began.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The request's query, percent-encoded as it came; Engine.IO's own parameters included.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The first header of this name, if it is among [`Config::kept_headers`].
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(kept, _)| kept == name).map(|(_, value)| value)
    }
}
