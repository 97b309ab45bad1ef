//! `[limits]`: how much of everything there may be.

use std::time::Duration;

use tidings_transport_ws::HubConfig;

use super::key::Key;
use super::source::Source;
use super::value::{count, duration, size};

const SIZE: &str = "a number with a unit: B, kB, KiB, MB, MiB, GB, GiB";
const COUNT: &str = "a number from 1 on";
const TIME: &str = "a number with a unit: ms, s, m, h, d";

static ALL: [Key; 17] = [
    Key::new(
        "limits.frame",
        "\"1MB\"",
        SIZE,
        "The largest message on a socket, and the largest request of a polling client; a larger one closes the \
         connection. Until a socket has shown a valid token its limit is 16 KiB. Clients before Socket.IO 4.5 send all \
         that they have waiting in one request, whatever the limit.",
    ),
    Key::new(
        "limits.large_frames",
        "\"256MiB\"",
        SIZE,
        "Most memory for messages over 16 KiB that are being received or wait to be handled, of all sockets together; \
         the next one is read when there is room for it, or its socket is closed after 30 s. A message \
         that has room must come at 16 KiB a second at least, with 10 s to spare. At least `limits.frame`.",
    ),
    Key::new("limits.sockets", "100000", COUNT, "Most Socket.IO connections at once; more are answered 503."),
    Key::new(
        "limits.sessions_per_user",
        "100",
        COUNT,
        "Most sessions of one user at once: each page or device that is connected is one. One more is refused.",
    ),
    Key::new(
        "limits.http_connections",
        "20000",
        COUNT,
        "Most TCP connections that speak HTTP at once; more wait. A WebSocket is none of them.",
    ),
    Key::new(
        "limits.http_connections_per_address",
        "1000",
        "a number from 1 on, or off",
        "The same of one address, a /64 of IPv6 counting as one. One more takes the place of the oldest that rests \
         between two requests; when all are busy, it is closed at once. A client that uses long-polling keeps one busy. \
         Of `server.trusted_proxies` there may be any number.",
    ),
    Key::new(
        "limits.connect_timeout",
        "\"10s\"",
        TIME,
        "How long a socket may stay without an authenticated session.",
    ),
    Key::new("limits.ping_interval", "\"25s\"", TIME, "How long after a pong the next ping is sent."),
    Key::new("limits.ping_timeout", "\"20s\"", TIME, "How long a client may take for a pong."),
    Key::new(
        "limits.inbox_frames",
        "64",
        COUNT,
        "Most events of a connection that wait; then reading pauses.",
    ),
    Key::new(
        "limits.inbox",
        "\"1MiB\"",
        SIZE,
        "Most bytes of events of a connection that wait; then reading pauses.",
    ),
    Key::new(
        "limits.outbox_frames",
        "4096",
        COUNT,
        "Most frames that wait for a connection that reads too slowly; then it is closed.",
    ),
    Key::new("limits.outbox", "\"4MiB\"", SIZE, "The same in bytes."),
    Key::new(
        "limits.hub_queue",
        "16384",
        COUNT,
        "Most commits and events that wait for the hub; then their makers wait.",
    ),
    Key::new(
        "limits.hub_thread_queue",
        "1024",
        COUNT,
        "The same for one thread whose members are being read.",
    ),
    Key::new("limits.joined_threads", "1000", COUNT, "Most threads that one session may follow."),
    Key::new(
        "limits.drain",
        "\"10s\"",
        TIME,
        "How long connections may take to end when the server is stopped.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// How much of everything there may be.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) frame: usize,
    /// In bytes.
    pub(crate) large_frames: usize,
    pub(crate) sockets: usize,
    pub(crate) sessions_per_user: usize,
    pub(crate) http_connections: usize,
    /// `None`: any number.
    pub(crate) http_connections_per_address: Option<usize>,
    pub(crate) connect_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) inbox_frames: usize,
    /// In bytes.
    pub(crate) inbox: usize,
    pub(crate) outbox_frames: usize,
    /// In bytes.
    pub(crate) outbox: usize,
    pub(crate) hub_queue: usize,
    pub(crate) hub_thread_queue: usize,
    pub(crate) joined_threads: usize,
    pub(crate) drain: Duration,
}

impl Limits {
    /// Those of the sockets.
    pub(crate) fn sockets(&self) -> tidings_socketio::Config {
        let mut config = tidings_socketio::Config::default();
        config.engine.max_payload = self.frame;
        config.engine.max_large_bytes = self.large_frames;
        config.engine.max_sessions = self.sockets;
        config.engine.connect_timeout = Some(self.connect_timeout);
        config.engine.ping_interval = self.ping_interval;
        config.engine.ping_timeout = self.ping_timeout;
        config.engine.inbox_messages = self.inbox_frames;
        config.engine.inbox_bytes = self.inbox;
        config.engine.outbox_frames = self.outbox_frames;
        config.engine.outbox_bytes = self.outbox;
        // No dialect sends or takes binary.
        config.max_attachments = 0;
        config
    }

    /// Those of the hub.
    pub(crate) fn hub(&self) -> HubConfig {
        let mut config = HubConfig::default();
        config.queue_inputs = self.hub_queue;
        config.thread_queue_inputs = self.hub_thread_queue;
        config.joined_threads = self.joined_threads;
        config.user_sessions = self.sessions_per_user;
        config
    }
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Limits> {
    let [
        frame,
        large,
        sockets,
        sessions,
        http,
        http_each,
        connect,
        interval,
        timeout,
        inbox_frames,
        inbox,
        outbox_frames,
        outbox,
        hub,
        thread,
        joined,
        drain,
    ] = &ALL;
    // All are read before any is missed, so that every mistake is reported.
    let [frame, large, inbox, outbox] = [frame, large, inbox, outbox].map(|key| source.read(key, size));
    let [connect, interval, timeout, drain] =
        [connect, interval, timeout, drain].map(|key| source.read(key, duration));
    let [sockets, sessions, http, inbox_frames, outbox_frames, hub, thread, joined] =
        [sockets, sessions, http, inbox_frames, outbox_frames, hub, thread, joined]
            .map(|key| source.read(key, count));
    if let (Some(frame), Some(large)) = (frame, large)
        && large < frame
    {
        source.wrong(
            "limits.large_frames",
            &format!("{large} bytes, less than the {frame} bytes of limits.frame"),
            "room for at least one message of the largest size",
            "raise limits.large_frames or lower limits.frame",
        );
    }
    let http_each = source.read(http_each, |value| match value.as_str() {
        Some("off") => Ok(None),
        _ => count(value).map(Some),
    });
    Some(Limits {
        frame: frame?,
        large_frames: large?,
        sockets: sockets?,
        sessions_per_user: sessions?,
        http_connections: http?,
        http_connections_per_address: http_each?,
        connect_timeout: connect?,
        ping_interval: interval?,
        ping_timeout: timeout?,
        inbox_frames: inbox_frames?,
        inbox: inbox?,
        outbox_frames: outbox_frames?,
        outbox: outbox?,
        hub_queue: hub?,
        hub_thread_queue: thread?,
        joined_threads: joined?,
        drain: drain?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    /// What an operator reads as a default is what the parts would do by themselves.
    #[test]
    fn the_defaults_are_those_of_the_parts() {
        let (flags, env) = (Flags::new(), Environment::default());
        let limits = read(&mut Source::new(&flags, &env, toml::Table::new())).unwrap();
        assert_eq!(format!("{:?}", limits.hub()), format!("{:?}", HubConfig::default()));
        let mut parts = tidings_socketio::Config::default();
        // This one is Tidings' own.
        parts.max_attachments = 0;
        assert_eq!(format!("{:?}", limits.sockets()), format!("{parts:?}"));
    }
}
