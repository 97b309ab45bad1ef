//! Who is here, for whoever must not tell them twice.

use std::time::Duration;

use parking_lot::Mutex;
use tidings_domain::id::{SessionId, UserId};
use tidings_domain::presence::{PresenceBoard, PresenceChange};
use tidings_domain::time::Timestamp;
use tokio::time::Instant;

/// The board of this node's users. Written by the hub's task alone, and asked by anybody.
#[derive(Debug)]
pub(crate) struct Presence {
    board: Mutex<PresenceBoard>,
    /// A monotonic clock never jumps: the board counts from here.
    started: Instant,
}

impl Presence {
    pub(crate) fn new(grace: Duration) -> Self {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        Self { board: Mutex::new(PresenceBoard::new(grace_ms)), started: Instant::now() }
    }

    pub(crate) fn came(&self, user: &UserId, session: SessionId, now: Instant) -> Option<PresenceChange> {
        self.board.lock().came(user, session, self.stamp(now))
    }

    pub(crate) fn went(&self, user: &UserId, session: SessionId, now: Instant) {
        self.board.lock().went(user, session, self.stamp(now));
    }

    pub(crate) fn expire(&self, now: Instant) -> Vec<PresenceChange> {
        self.board.lock().expire(self.stamp(now))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let next = self.board.lock().next_deadline()?;
        Some(self.started + Duration::from_millis(u64::try_from(next.as_millis()).unwrap_or_default()))
    }

    pub(crate) fn is_here(&self, user: &UserId) -> bool {
        self.board.lock().is_online(user)
    }

    fn stamp(&self, now: Instant) -> Timestamp {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
