//! What the hub remembers of each thread.

use std::collections::VecDeque;

use foldhash::{HashMap, HashSet};
use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::seq::Modseq;
use tokio::time::Instant;

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
    /// Whether its roster is being read anew behind its news.
    pub(crate) refreshing: bool,
    /// The inputs that wait, in order.
    pub(crate) waiting: VecDeque<ThreadInput>,
    /// Set when a commit could not even wait: what came after this point must be read. Those before it may be
    /// waiting still, and go first.
    pub(crate) missed_after: Option<Modseq>,
    /// Until when somebody may be shown as typing, which must be ended for everyone who saw it begin.
    pub(crate) typing_until: Option<Instant>,
}

impl ThreadState {
    /// A commit that came after `point` will have to be read; of several points the earliest counts.
    pub(crate) fn miss(&mut self, point: Modseq) {
        self.missed_after = Some(self.missed_after.map_or(point, |before| before.min(point)));
    }

    /// How many of the waiting inputs there are up to the last commit that is not beyond `point`.
    pub(crate) fn waiting_up_to(&self, point: Modseq) -> usize {
        let older =
            |input: &ThreadInput| matches!(input, ThreadInput::Committed(commit) if commit.modseq() <= point);
        self.waiting.iter().rposition(older).map_or(0, |last| last + 1)
    }

    /// The input that is next, unless something must be read first.
    pub(crate) fn next(&mut self) -> Option<ThreadInput> {
        if self.reading { None } else { self.waiting.pop_front() }
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.reading || !self.joined.is_empty() || self.typing_until.is_some_and(|until| until > now)
    }
}

/// The threads that the hub remembers. Each event is looked up here several times; the hash is seeded anew in each
/// process, and nobody can fill this map with ids of their choice: of a thread that does not exist nothing is kept.
#[derive(Debug)]
pub(crate) struct Threads {
    states: HashMap<ThreadId, ThreadState>,
    max: usize,
    /// At this size those that are not in use are forgotten.
    sweep_at: usize,
}

impl Threads {
    pub(crate) fn new(max: usize) -> Self {
        Self { states: HashMap::default(), max, sweep_at: max }
    }

    pub(crate) fn get_mut(&mut self, id: ThreadId) -> Option<&mut ThreadState> {
        self.states.get_mut(&id)
    }

    pub(crate) fn get(&self, id: ThreadId) -> Option<&ThreadState> {
        self.states.get(&id)
    }

    /// The state of a thread, new if it must be. What was delivered is forgotten with a state, and nothing is missed
    /// by that: a commit that does not come is reported as missed, with the point it followed on.
    pub(crate) fn entry(&mut self, id: ThreadId, now: Instant) -> &mut ThreadState {
        if self.states.len() >= self.sweep_at && !self.states.contains_key(&id) {
            self.states.retain(|_, state| state.is_in_use(now));
            // Those that are in use are bounded by the sessions; sweep again only after real growth.
            let used = self.states.len();
            self.sweep_at = self.max.max(used + used / 2 + 1);
        }
        self.states.entry(id).or_default()
    }

    pub(crate) fn forget(&mut self, id: ThreadId) -> Option<ThreadState> {
        self.states.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }
}
