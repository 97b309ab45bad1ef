//! Who is typing, by dialect: each has its own time after which typing ends.

use std::time::Duration;

use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::time::Timestamp;
use tidings_domain::typing::{TypingBoard, TypingChange};
use tidings_wire::Dialect;
use tokio::time::Instant;

use crate::sessions::Session;

/// The dialects that have been seen on this node, each with who is typing in it.
#[derive(Debug)]
pub(crate) struct Typists {
    boards: Vec<(&'static Dialect, TypingBoard)>,
    /// Typing needs no calendar, and a monotonic clock never jumps: the boards count from here.
    started: Instant,
}

impl Typists {
    pub(crate) fn new(started: Instant) -> Self {
        Self { boards: Vec::new(), started }
    }

    /// A session of this dialect is there.
    pub(crate) fn meet(&mut self, dialect: &'static Dialect) {
        if !self.dialects().any(|known| std::ptr::eq(known, dialect)) {
            self.boards.push((dialect, TypingBoard::new(dialect.socket.typing_expires_after_ms)));
        }
    }

    /// The dialects that have been seen.
    pub(crate) fn dialects(&self) -> impl Iterator<Item = &'static Dialect> {
        self.boards.iter().map(|(dialect, _)| *dialect)
    }

    /// A session signals typing. Gives what to tell, and when it ends if nothing more comes.
    pub(crate) fn start(
        &mut self,
        thread: ThreadId,
        session: &Session,
        now: Instant,
    ) -> Option<(TypingChange, Instant)> {
        let at = self.stamp(now);
        let lasts = u64::try_from(session.dialect.socket.typing_expires_after_ms).unwrap_or_default();
        let change = self.board(session)?.start(thread, &session.actor.user, session.id, at)?;
        Some((change, now + Duration::from_millis(lasts)))
    }

    /// A session signals that it stopped.
    pub(crate) fn stop(&mut self, thread: ThreadId, session: &Session) -> Option<TypingChange> {
        self.board(session)?.stop(thread, session.id)
    }

    /// A user types in a thread no more, on whatever session.
    pub(crate) fn end(&mut self, thread: ThreadId, user: &UserId) -> Vec<TypingChange> {
        self.boards.iter_mut().filter_map(|(_, board)| board.sent(thread, user)).collect()
    }

    /// A session is gone.
    pub(crate) fn gone(&mut self, session: SessionId) -> Vec<TypingChange> {
        self.boards.iter_mut().flat_map(|(_, board)| board.gone(session)).collect()
    }

    /// Ends the typing that has lasted its time.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<TypingChange> {
        let now = self.stamp(now);
        self.boards.iter_mut().flat_map(|(_, board)| board.expire(now)).collect()
    }

    /// When [`expire`](Self::expire) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let next = self.boards.iter().filter_map(|(_, board)| board.next_deadline()).min()?;
        Some(self.started + Duration::from_millis(u64::try_from(next.as_millis()).unwrap_or_default()))
    }

    /// Whether a user types in a thread, on whatever session.
    pub(crate) fn is_typing(&self, thread: ThreadId, user: &UserId) -> bool {
        self.boards.iter().any(|(_, board)| board.is_typing(thread, user))
    }

    fn board(&mut self, session: &Session) -> Option<&mut TypingBoard> {
        let of = |dialect: &&Dialect| std::ptr::eq(*dialect, session.dialect);
        self.boards.iter_mut().find(|(dialect, _)| of(dialect)).map(|(_, board)| board)
    }

    fn stamp(&self, now: Instant) -> Timestamp {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
