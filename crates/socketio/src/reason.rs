//! Why a connection or a namespace ended.

use std::fmt;

/// Why a connection, or one namespace on it, ended. Handed to `disconnect` and `close`.
///
/// [`as_str`](Reason::as_str) gives the words that the reference server uses, where it has any. A client sees
/// its own words: "io server disconnect" for [`ServerDisconnect`](Reason::ServerDisconnect) (it stays away),
/// "transport close" for every ended transport (it reconnects), "ping timeout" only by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The client left the namespace.
    ClientDisconnect,
    /// The server took the client out of the namespace ([`Socket::disconnect`](crate::Socket::disconnect)).
    ServerDisconnect,
    /// The client closed the connection, or it broke off without an error.
    TransportClose,
    /// The connection broke, a long-poll was cancelled, or requests of one session overlapped.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client sent something that is not a packet, or broke a limit.
    ParseError,
    /// The client sent a message, or a polling request, that is larger than it may be.
    TooLarge,
    /// The client took too long to send a large message, see
    /// [`engine::Config::large_rate`](crate::engine::Config::large_rate).
    TooSlow,
    /// There was no memory for a large message of the client, see
    /// [`engine::Config::large_wait`](crate::engine::Config::large_wait).
    NoRoom,
    /// The client did not read what it was sent, and its outbox is full.
    Slow,
    /// The client was in no namespace for too long.
    ConnectTimeout,
    /// The client sent more than it may, see [`engine::Config::burst`](crate::engine::Config::burst).
    Flood,
    /// The server is going down.
    Shutdown,
    /// The server closed the transport for a reason of its own, in its own words.
    Closed(&'static str),
}

impl Reason {
    /// A short text for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientDisconnect => "client namespace disconnect",
            Self::ServerDisconnect => "server namespace disconnect",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::TooLarge => "message too large",
            Self::TooSlow => "message too slow",
            Self::NoRoom => "no room for a large message",
            Self::Slow => "slow",
            Self::ConnectTimeout => "connect timeout",
            Self::Flood => "too many packets",
            Self::Shutdown => "server shutting down",
            Self::Closed(words) => words,
        }
    }

    /// Whether the server chose this end, so that what the client sent before it is not handled any more.
    pub(crate) const fn is_servers_choice(self) -> bool {
        matches!(
            self,
            Self::ServerDisconnect
                | Self::Slow
                | Self::ConnectTimeout
                | Self::Flood
                | Self::Shutdown
                | Self::Closed(_)
        )
    }
}

impl Reason {
    /// Whether what has been begun for the client is answered before the connection closes.
    pub(crate) const fn finishes(self) -> bool {
        matches!(
            self,
            Self::ServerDisconnect
                | Self::ParseError
                | Self::TooLarge
                | Self::TooSlow
                | Self::NoRoom
                | Self::Flood
                | Self::Shutdown
                | Self::Closed(_)
        )
    }

    /// Whether a client that polls may still fetch what was queued for it, and the closing packet.
    pub(crate) const fn takes_leave(self) -> bool {
        self.is_servers_choice() || matches!(self, Self::TransportClose)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
