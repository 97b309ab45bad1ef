//! The settings and limits of a Socket.IO server.

use std::time::Duration;

use crate::engine;

/// The settings and limits of a Socket.IO server. Every limit is checked before memory is taken.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Transports, heartbeats, queues. Differs from [`engine::Config::default`] in `path`, `/socket.io/`, and in
    /// `connect_timeout`, 10 s: so long may a connection be in no namespace.
    pub engine: engine::Config,
    /// Most namespaces that a connection may be in at once. One more closes it. Default 8.
    pub max_namespaces: usize,
    /// Longest namespace in bytes. A longer one closes the connection. Default 128.
    pub max_namespace: usize,
    /// Most binary attachments of one packet. 0 refuses binary packets as stock servers refuse malformed ones:
    /// the connection is closed with [`Reason::ParseError`](crate::Reason::ParseError). Default 10.
    pub max_attachments: usize,
    /// Most bytes of all attachments of one packet; more close the connection. Default 1,000,000.
    pub max_attachment_bytes: usize,
    /// Deepest nesting of arrays and objects in an event's arguments, whose array counts as one. Deeper ones
    /// are withheld with a [`Fault`](crate::Fault). Default 64.
    pub max_depth: usize,
    /// Most arguments of an event. More are withheld with a [`Fault`](crate::Fault). Default 64.
    pub max_args: usize,
    /// Most acks that the server waits for, per connection. Default 64.
    pub max_pending_acks: usize,
    /// Most times in a row that a connection may be refused a namespace; once more closes it. Default 16.
    pub max_refusals: usize,
    /// Most frames sent to a socket while its `connect` has not returned. Default 256.
    pub max_early_frames: usize,
}

impl Default for Config {
    fn default() -> Self {
        let engine = engine::Config {
            path: "/socket.io/".to_owned(),
            connect_timeout: Some(Duration::from_secs(10)),
            ..engine::Config::default()
        };
        Self {
            engine,
            max_namespaces: 8,
            max_namespace: 128,
            max_attachments: 10,
            max_attachment_bytes: 1_000_000,
            max_depth: 64,
            max_args: 64,
            max_pending_acks: 64,
            max_refusals: 16,
            max_early_frames: 256,
        }
    }
}
