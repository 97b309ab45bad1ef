//! Who is there, over all their devices: a state machine without a clock and without tasks. Never stored.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// A user came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who.
    pub user: UserId,
    /// Whether they are there now.
    pub online: bool,
    /// When they were last there: the moment their last session ended, for one who went.
    pub at: Timestamp,
}

/// Everyone who is there on this node.
///
/// A user is there while any of their sessions is, and for a short grace after
/// the last one ended, so that a reconnect is no coming and going.
#[derive(Debug)]
pub struct PresenceBoard {
    grace_ms: i64,
    sessions: HashMap<UserId, HashSet<SessionId>>,
    leaving: HashMap<UserId, Timestamp>,
    deadlines: BTreeSet<(Timestamp, UserId)>,
}

impl PresenceBoard {
    /// A board on which a user without sessions stays for `grace_ms` milliseconds.
    #[must_use]
    pub fn new(grace_ms: i64) -> Self {
        Self { grace_ms, sessions: HashMap::new(), leaving: HashMap::new(), deadlines: BTreeSet::new() }
    }

    /// A session began. Told when the user was not there.
    pub fn came(&mut self, user: &UserId, session: SessionId, now: Timestamp) -> Option<PresenceChange> {
        let sessions = self.sessions.entry(user.clone()).or_default();
        let first = sessions.is_empty();
        sessions.insert(session);
        if let Some(left) = self.leaving.remove(user) {
            self.deadlines.remove(&(left.plus_millis(self.grace_ms), user.clone()));
            return None;
        }
        first.then(|| PresenceChange { user: user.clone(), online: true, at: now })
    }

    /// A session ended. Nothing is told yet: see [`expire`](Self::expire).
    pub fn went(&mut self, user: &UserId, session: SessionId, now: Timestamp) {
        let Some(sessions) = self.sessions.get_mut(user) else { return };
        sessions.remove(&session);
        if sessions.is_empty() {
            self.sessions.remove(user);
            self.leaving.insert(user.clone(), now);
            self.deadlines.insert((now.plus_millis(self.grace_ms), user.clone()));
        }
    }

    /// Those whose grace has passed by `now` are gone.
    pub fn expire(&mut self, now: Timestamp) -> Vec<PresenceChange> {
        let mut changes = Vec::new();
        while let Some((deadline, _)) = self.deadlines.first() {
            if *deadline > now {
                break;
            }
            let Some((_, user)) = self.deadlines.pop_first() else { break };
            if let Some(at) = self.leaving.remove(&user) {
                changes.push(PresenceChange { user, online: false, at });
            }
        }
        changes
    }

    /// When [`expire`](Self::expire) has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a user counts as being there.
    #[must_use]
    pub fn is_online(&self, user: &UserId) -> bool {
        self.sessions.contains_key(user) || self.leaving.contains_key(user)
    }
}
