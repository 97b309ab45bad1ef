//! Who is typing: a state machine without a clock and without tasks. Never stored.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

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
/// A user types in a thread while any of their sessions does; each session's typing ends when it says so, when its
/// user sends there, when it is gone, or by itself after a while.
#[derive(Debug)]
pub struct TypingBoard {
    expires_after_ms: i64,
    /// A list for each thread: however many members it has, few of them type at once.
    typists: HashMap<ThreadId, Vec<Typist>>,
    threads: HashMap<SessionId, Vec<ThreadId>>,
    deadlines: BTreeSet<(Timestamp, Key)>,
}

/// A session that types in a thread.
#[derive(Debug)]
struct Typist {
    session: SessionId,
    user: UserId,
    until: Timestamp,
}

impl TypingBoard {
    /// A board on which typing lasts `expires_after_ms` milliseconds after its last sign.
    #[must_use]
    pub fn new(expires_after_ms: i64) -> Self {
        Self {
            expires_after_ms,
            typists: HashMap::new(),
            threads: HashMap::new(),
            deadlines: BTreeSet::new(),
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
        let threads = self.threads.entry(session).or_default();
        if !threads.contains(&thread) {
            if threads.len() >= TYPING_THREADS_PER_SESSION_MAX {
                return None;
            }
            threads.push(thread);
        }
        let (key, until) = ((thread, session), now.plus_millis(self.expires_after_ms));
        let typists = self.typists.entry(thread).or_default();
        match typists.iter_mut().find(|typist| typist.session == session) {
            Some(typist) => {
                self.deadlines.remove(&(typist.until, key));
                typist.until = until;
            }
            None => typists.push(Typist { session, user: user.clone(), until }),
        }
        self.deadlines.insert((until, key));
        Some(TypingChange { thread, user: user.clone(), typing: true })
    }

    /// A session signals that it stopped. Told when it was the user's last.
    pub fn stop(&mut self, thread: ThreadId, session: SessionId) -> Option<TypingChange> {
        self.remove((thread, session))
    }

    /// A user sent a message: they type there on no session any more.
    pub fn sent(&mut self, thread: ThreadId, user: &UserId) -> Option<TypingChange> {
        let theirs = self.typists.get(&thread)?.iter().filter(|typist| typist.user == *user);
        let sessions: Vec<SessionId> = theirs.map(|typist| typist.session).collect();
        sessions.into_iter().filter_map(|session| self.remove((thread, session))).last()
    }

    /// A session is gone.
    pub fn gone(&mut self, session: SessionId) -> Vec<TypingChange> {
        let threads = self.threads.get(&session).cloned().unwrap_or_default();
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
        self.typists.get(&thread).is_some_and(|typists| typists.iter().any(|typist| typist.user == *user))
    }

    fn remove(&mut self, key: Key) -> Option<TypingChange> {
        let (thread, session) = key;
        let Entry::Occupied(mut typists) = self.typists.entry(thread) else { return None };
        let at = typists.get().iter().position(|typist| typist.session == session)?;
        let Typist { user, until, .. } = typists.get_mut().swap_remove(at);
        let goes_on = typists.get().iter().any(|typist| typist.user == user);
        if typists.get().is_empty() {
            typists.remove();
        }
        self.deadlines.remove(&(until, key));
        if let Entry::Occupied(mut threads) = self.threads.entry(session) {
            threads.get_mut().retain(|other| *other != thread);
            if threads.get().is_empty() {
                threads.remove();
            }
        }
        (!goes_on).then_some(TypingChange { thread, user, typing: false })
    }
}
