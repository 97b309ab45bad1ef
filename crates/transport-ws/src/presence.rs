//! Who is here, for whoever must not tell them twice.

use std::time::Duration;

use parking_lot::Mutex;
use tidings_domain::id::{SessionId, UserId};
use tidings_domain::job::Waiting;
use tidings_domain::presence::{PresenceBoard, PresenceChange};
use tidings_domain::time::Timestamp;
use tokio::time::Instant;

use crate::waiting::WaitingNotices;

/// The board of this node's users. Written by the hub's task alone, and asked by anybody.
#[derive(Debug)]
pub(crate) struct Presence {
    now: Mutex<Now>,
    /// A monotonic clock never jumps: the board counts from here.
    started: Instant,
}

#[derive(Debug)]
struct Now {
    board: PresenceBoard,
    waiting: WaitingNotices,
}

impl Presence {
    pub(crate) fn new(grace: Duration) -> Self {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let now = Now { board: PresenceBoard::new(grace_ms), waiting: WaitingNotices::default() };
        Self { now: Mutex::new(now), started: Instant::now() }
    }

    pub(crate) fn came(&self, user: &UserId, session: SessionId, now: Instant) -> Option<PresenceChange> {
        self.now.lock().board.came(user, session, self.stamp(now))
    }

    pub(crate) fn went(&self, user: &UserId, session: SessionId, now: Instant) {
        self.now.lock().board.went(user, session, self.stamp(now));
    }

    pub(crate) fn expire(&self, now: Instant) -> Vec<PresenceChange> {
        let mut guard = self.now.lock();
        let changes = guard.board.expire(self.stamp(now));
        for change in &changes {
            guard.waiting.went(&change.user);
        }
        changes
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let next = self.now.lock().board.next_deadline()?;
        Some(self.started + Duration::from_millis(u64::try_from(next.as_millis()).unwrap_or_default()))
    }

    pub(crate) fn is_here(&self, user: &UserId) -> bool {
        self.now.lock().board.is_online(user)
    }

    /// Remembers a notice until its user is gone. They may have gone since they were seen.
    pub(crate) fn waits(&self, waiting: Waiting) {
        let mut now = self.now.lock();
        let user = waiting.user.clone();
        now.waiting.add(waiting);
        if !now.board.is_online(&user) {
            now.waiting.went(&user);
        }
    }

    /// Up to `limit` of the notices whose users are gone.
    pub(crate) fn gone(&self, limit: usize) -> Vec<Waiting> {
        self.now.lock().waiting.take_gone(limit)
    }

    fn stamp(&self, now: Instant) -> Timestamp {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
