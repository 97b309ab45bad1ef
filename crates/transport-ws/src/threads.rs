//! What the hub remembers of each thread.

use std::collections::{HashMap, HashSet, VecDeque};

use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::seq::Modseq;

use crate::input::ThreadInput;
use crate::roster::Roster;

/// What the hub remembers of one thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadState {
    /// Who takes part; `None` until it was read.
    pub(crate) roster: Option<Roster>,
    /// Up to where its commits were delivered; `None` until the first one.
    pub(crate) delivered: Option<Modseq>,
    /// The sessions that follow it.
    pub(crate) joined: HashSet<SessionId>,
    /// Whether something about it is being read, and its inputs wait.
    pub(crate) reading: bool,
    /// The inputs that wait, in order.
    pub(crate) waiting: VecDeque<ThreadInput>,
    /// Set when a commit could not even wait: what came after this point must be read.
    pub(crate) missed_after: Option<Modseq>,
}

/// The threads that the hub remembers.
#[derive(Debug)]
pub(crate) struct Threads {
    states: HashMap<ThreadId, ThreadState>,
    max: usize,
    /// At this size those that nobody follows are forgotten.
    sweep_at: usize,
}

impl Threads {
    pub(crate) fn new(max: usize) -> Self {
        Self { states: HashMap::new(), max, sweep_at: max }
    }

    pub(crate) fn get_mut(&mut self, id: ThreadId) -> Option<&mut ThreadState> {
        self.states.get_mut(&id)
    }

    pub(crate) fn get(&self, id: ThreadId) -> Option<&ThreadState> {
        self.states.get(&id)
    }

    /// The state of a thread, new if it must be.
    pub(crate) fn entry(&mut self, id: ThreadId) -> &mut ThreadState {
        if self.states.len() >= self.sweep_at {
            self.states.retain(|_, state| state.reading || !state.joined.is_empty());
            // Those that are followed are bounded by the sessions; sweep again only after real growth.
            self.sweep_at = self.max.max(self.states.len().saturating_mul(2));
        }
        self.states.entry(id).or_default()
    }

    pub(crate) fn forget(&mut self, id: ThreadId) {
        self.states.remove(&id);
    }
}
