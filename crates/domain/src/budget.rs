//! What a [`Limiter`](crate::ports::Limiter) keeps count of.

use std::net::IpAddr;

use crate::id::UserId;

/// A budget that a [`Limiter`](crate::ports::Limiter) keeps for each user or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget<'a> {
    /// Messages and summaries of a user.
    Sends(&'a UserId),
    /// Threads that a user opens.
    Opens(&'a UserId),
    /// REST requests of a user.
    Requests(&'a UserId),
    /// REST requests of a service, by the id in its token. No user shares it, whatever their id.
    Service(&'a UserId),
    /// Events of a user on all their sockets together, sends included.
    Events(&'a UserId),
    /// Requests from an address that are refused and that no user pays for: without a valid token, for paths and
    /// sessions that do not exist.
    Strangers(IpAddr),
    /// Sockets opened from an address. Given back when a valid token follows.
    Handshakes(IpAddr),
    /// Requests from an address that need no token: preflights of browsers, probes.
    Preflights(IpAddr),
    /// Sessions that a user begins: one for each namespace that one of their sockets enters.
    Sessions(&'a UserId),
}

/// A budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many; try again in {retry_after_ms} ms")]
pub struct TooMany {
    /// When there is something left again, in milliseconds.
    pub retry_after_ms: u64,
}
