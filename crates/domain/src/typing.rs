//! Who is typing: a state machine without a clock and without tasks. Never stored.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::id::{SessionId, ThreadId, UserId};
use crate::time::Timestamp;

/// In how many threads one session may be typing at once. A further one is not shown.
pub const TYPING_THREADS_PER_SESSION_MAX: usize = 16;

/// Somebody began, went on or stopped typing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypingChange {
    /// Where.
    pub thread: ThreadId,
    /// Who.
    pub user: UserId,
    /// Whether they type now.
    pub typing: bool,
}

type Key = (ThreadId, SessionId);

/// Everyone who is typing on this node.
///
/// A user types in a thread while any of their sessions does; each session's typing ends when it says so, when its user sends there, when it is gone, or by itself after a while.
#[derive(Debug)]
pub struct TypingBoard {
    expires_after_ms: i64,
    typing: HashMap<Key, (UserId, Timestamp)>,
    deadlines: BTreeSet<(Timestamp, Key)>,
    by_session: HashMap<SessionId, HashSet<ThreadId>>,
    by_user: HashMap<(ThreadId, UserId), HashSet<SessionId>>,
}

impl TypingBoard {
    /// A board on which typing lasts `expires_after_ms` milliseconds after its last sign.
    #[must_use]
    pub fn new(expires_after_ms: i64) -> Self {
        Self {
            expires_after_ms,
            typing: HashMap::new(),
            deadlines: BTreeSet::new(),
            by_session: HashMap::new(),
            by_user: HashMap::new(),
        }
    }

    /// A session signals typing. Told on each sign, not only on the first: clients let the mark fade by themselves.
    pub fn start(
        &mut self,
        thread: ThreadId,
        user: &UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Option<TypingChange> {
        let key = (thread, session);
        let threads = self.by_session.entry(session).or_default();
        if !threads.contains(&thread) && threads.len() >= TYPING_THREADS_PER_SESSION_MAX {
            return None;
        }
        threads.insert(thread);
        let deadline = now.plus_millis(self.expires_after_ms);
        if let Some((_, before)) = self.typing.insert(key, (user.clone(), deadline)) {
            self.deadlines.remove(&(before, key));
        }
        self.deadlines.insert((deadline, key));
        self.by_user.entry((thread, user.clone())).or_default().insert(session);
        Some(TypingChange { thread, user: user.clone(), typing: true })
    }

    /// A session signals that it stopped. Told when it was the user's last.
    pub fn stop(&mut self, thread: ThreadId, session: SessionId) -> Option<TypingChange> {
        self.remove((thread, session))
    }

    /// A user sent a message: they type there on no session any more.
    pub fn sent(&mut self, thread: ThreadId, user: &UserId) -> Option<TypingChange> {
        let sessions = self.by_user.get(&(thread, user.clone()))?.clone();
        sessions.into_iter().filter_map(|session| self.remove((thread, session))).last()
    }

    /// A session is gone.
    pub fn gone(&mut self, session: SessionId) -> Vec<TypingChange> {
        let threads = self.by_session.get(&session).cloned().unwrap_or_default();
        threads.into_iter().filter_map(|thread| self.remove((thread, session))).collect()
    }

    /// Ends what has lasted until `now`.
    pub fn expire(&mut self, now: Timestamp) -> Vec<TypingChange> {
        let mut changes = Vec::new();
        while let Some(&(deadline, key)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            // Taken out first, so that the loop ends whatever is found under the key.
            self.deadlines.pop_first();
            changes.extend(self.remove(key));
        }
        changes
    }

    /// When [`expire`](Self::expire) has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a user types in a thread.
    #[must_use]
    pub fn is_typing(&self, thread: ThreadId, user: &UserId) -> bool {
        self.by_user.contains_key(&(thread, user.clone()))
    }

    fn remove(&mut self, key: Key) -> Option<TypingChange> {
        let (thread, session) = key;
        let (user, deadline) = self.typing.remove(&key)?;
        self.deadlines.remove(&(deadline, key));
        if let Some(threads) = self.by_session.get_mut(&session) {
            threads.remove(&thread);
            if threads.is_empty() {
                self.by_session.remove(&session);
            }
        }
        let of_user = (thread, user);
        let sessions = self.by_user.get_mut(&of_user)?;
        sessions.remove(&session);
        if !sessions.is_empty() {
            return None;
        }
        self.by_user.remove(&of_user);
        Some(TypingChange { thread, user: of_user.1, typing: false })
    }
}
