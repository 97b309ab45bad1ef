//! The hub's limits.

use std::time::Duration;

/// The limits of a [`Hub`](crate::Hub).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// Most inputs that wait for the hub. A session that has one more to give waits; a commit that finds no room is
    /// noted as missed and read from the store's feed. Default 16,384.
    pub queue_inputs: usize,
    /// Most inputs that wait for one thread while something about it is being read; a commit that finds no room is
    /// noted as missed and read from the store's feed. What sessions say and are told waits besides, bounded by
    /// `session_events`. Default 1,024.
    pub thread_queue_inputs: usize,
    /// Most events of one session that the hub has not answered yet; the session's further ones wait. Default 16.
    pub session_events: usize,
    /// Most sessions of one user at once; one more is refused. Default 100.
    pub user_sessions: usize,
    /// Most threads whose rosters are remembered; those that a session follows or types in are, besides.
    /// Default 100,000.
    pub threads: usize,
    /// Most threads that one session may follow. Default 1,000.
    pub joined_threads: usize,
    /// How long a user counts as being here after their last session ended, so that a reconnect is no coming and
    /// going. Default 10 s.
    pub presence_grace: Duration,
    /// How long a roster with its names is believed before it is read again. Default 60 s.
    pub roster_believed: Duration,
    /// Most changed rows that are read to close a gap; a longer gap closes the sessions it concerns, which reconnect
    /// and read anew. Default 1,000.
    pub gap_rows: usize,
    /// Most threads that are read at once. Default 64.
    pub reads_at_once: usize,
    /// How long one read of a thread may take before it counts as failed and is tried again. Default 10 s.
    pub read_timeout: Duration,
    /// How long an open socket may outlive its token, in dialects whose sockets
    /// [do](tidings_wire::Socket::outlives_token); those of the others are closed when their tokens end.
    /// Default 24 h.
    pub sockets_outlive_tokens: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            queue_inputs: 16_384,
            thread_queue_inputs: 1_024,
            session_events: 16,
            user_sessions: 100,
            threads: 100_000,
            joined_threads: 1_000,
            presence_grace: Duration::from_secs(10),
            roster_believed: Duration::from_secs(60),
            gap_rows: 1_000,
            reads_at_once: 64,
            read_timeout: Duration::from_secs(10),
            sockets_outlive_tokens: Duration::from_hours(24),
        }
    }
}
