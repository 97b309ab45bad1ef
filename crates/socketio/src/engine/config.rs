//! The settings and limits of an Engine.IO server.

use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, USER_AGENT};

/// The settings and limits of an Engine.IO server. Every limit is checked before memory is taken.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The path it answers at, with or without the slash at its end; other paths get 404. Empty: any path,
    /// for a router that strips prefixes. Default `/engine.io/`.
    pub path: String,
    /// Whether sessions may begin with, and use, HTTP long-polling. Default true.
    pub polling: bool,
    /// How long after opening, and after each pong, a ping is sent. Default 25 s.
    pub ping_interval: Duration,
    /// How long the client may take for the pong. Default 20 s.
    pub ping_timeout: Duration,
    /// Largest message and largest polling request in bytes; told to clients. Default 1,000,000.
    pub max_payload: usize,
    /// The same before the connection is [established](super::Connection::set_established), and most bytes
    /// that wait to be handled then. Default 16 KiB.
    pub max_payload_unestablished: usize,
    /// Most bytes of messages and polling requests larger than `max_payload_unestablished` that are being received or
    /// wait to be handled, of all connections together; the next such message is not read on until there is room for
    /// it. No less than `max_payload`. Default 256 MiB.
    pub max_large_bytes: usize,
    /// How long a message may wait for that room; then its connection is closed. Default 30 s.
    pub large_wait: Duration,
    /// How many bytes a second of a message that has been given room must come; otherwise its connection is closed.
    /// Default 16 KiB.
    pub large_rate: usize,
    /// How long after it has been given room a message may be behind that rate. Default 10 s.
    pub large_grace: Duration,
    /// How long a connection may go without being established. `None`, the default: for ever; connections
    /// then count as established from the start.
    pub connect_timeout: Option<Duration>,
    /// How long moving a session to a WebSocket may take. Default 10 s.
    pub upgrade_timeout: Duration,
    /// How long a close by the server waits for the answers to what it has begun for the client. Default 5 s.
    pub finish_timeout: Duration,
    /// How long a closed connection may take to take leave: to fetch its last packets, to close its side.
    /// Default 2 s.
    pub close_timeout: Duration,
    /// Most sessions at once; more are answered 503. Default 100,000.
    pub max_sessions: usize,
    /// Most messages that wait to be handled, per connection; then reading pauses. Default 64.
    pub inbox_messages: usize,
    /// Most bytes of messages that wait to be handled, per connection; then reading pauses. One message may
    /// go over it. Default 1 MiB.
    pub inbox_bytes: usize,
    /// How much a client may send at once, in units; then reading pauses, so that the client has to wait. A message
    /// counts as one unit, and every 4 KiB as one more; so does every time that a part of one comes alone. What carries no event counts as 16: control frames, heartbeats,
    /// requests to enter or leave a namespace, and a polling client's HTTP request, whatever is in it. Default 2,400.
    pub burst: u32,
    /// How long it takes until as much may come again; part of it after part of that time. Zero: there is no limit,
    /// nor that of [`burst_unestablished`](Self::burst_unestablished). Default 40 s.
    pub burst_refill: Duration,
    /// How many units may come before the connection is first established; one more closes it. Until then every
    /// packet counts as 16; a part of one does not. Default 256.
    pub burst_unestablished: u32,
    /// How long a client may go on without a pause sending more than it may; then it is closed. Default 2 minutes.
    pub flood_timeout: Duration,
    /// Most attempts to move one session to a WebSocket. Default 8.
    pub max_upgrades: u32,
    /// Most messages whose [remainders](super::Remainder) go on at once, per connection; of messages of more than
    /// `inbox_bytes` together none is begun. Default 64.
    pub max_overlapping: usize,
    /// Most frames that wait to be sent, per connection. Default 4,096.
    pub outbox_frames: usize,
    /// Most bytes that wait to be sent, per connection. A single larger frame passes. Default 4 MiB.
    pub outbox_bytes: usize,
    /// Largest handshake (query and kept headers) in bytes; larger ones are refused. Default 8 KiB.
    pub max_handshake: usize,
    /// The request headers that [`Handshake`](super::Handshake) keeps.
    /// Default `authorization`, `cookie`, `origin`, `user-agent`, `x-forwarded-for`.
    pub kept_headers: Vec<HeaderName>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/engine.io/".to_owned(),
            polling: true,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            max_payload_unestablished: 16 * 1024,
            max_large_bytes: 256 * 1024 * 1024,
            large_wait: Duration::from_secs(30),
            large_rate: 16 * 1024,
            large_grace: Duration::from_secs(10),
            connect_timeout: None,
            upgrade_timeout: Duration::from_secs(10),
            finish_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            max_sessions: 100_000,
            inbox_messages: 64,
            inbox_bytes: 1024 * 1024,
            burst: 2400,
            burst_refill: Duration::from_secs(40),
            burst_unestablished: 256,
            flood_timeout: Duration::from_mins(2),
            max_upgrades: 8,
            max_overlapping: 64,
            outbox_frames: 4096,
            outbox_bytes: 4 * 1024 * 1024,
            max_handshake: 8 * 1024,
            kept_headers: vec![
                AUTHORIZATION,
                COOKIE,
                ORIGIN,
                USER_AGENT,
                HeaderName::from_static("x-forwarded-for"),
            ],
        }
    }
}

impl Config {
    /// The largest message that may be received now.
    pub(crate) fn payload_limit(&self, established: bool) -> usize {
        if established { self.max_payload } else { self.max_payload.min(self.max_payload_unestablished) }
    }
}
