//! Each user's list of threads, kept in order.

use std::collections::{BTreeSet, HashSet};

use tidings_domain::id::ThreadId;
use tidings_domain::member::{Member, Standing};
use tidings_domain::page::{ENTRY_MEMBERS_MAX, ThreadPlace};
use tidings_domain::thread::Thread;

/// Small threads in order of their activity. Large ones are sorted in when a list is read, so that a message to a
/// thousand members need not touch a thousand lists.
#[derive(Debug, Default)]
pub(crate) struct UserList {
    small: BTreeSet<ThreadPlace>,
    large: HashSet<ThreadId>,
}

pub(crate) const fn is_small(thread: &Thread) -> bool {
    thread.member_count <= ENTRY_MEMBERS_MAX
}

pub(crate) const fn place(thread: &Thread) -> ThreadPlace {
    ThreadPlace { activity_at: thread.last_message_at, thread: thread.id }
}

pub(crate) fn is_listed(member: &Member) -> bool {
    member.standing == Standing::Active
}

impl UserList {
    pub(crate) fn remove(&mut self, thread: &Thread) {
        self.small.remove(&place(thread));
        self.large.remove(&thread.id);
    }

    pub(crate) fn insert(&mut self, thread: &Thread) {
        if is_small(thread) {
            self.small.insert(place(thread));
        } else {
            self.large.insert(thread.id);
        }
    }

    /// All places below one, downwards. `place_of` tells where a large thread stands now.
    pub(crate) fn below<'a>(
        &'a self,
        below: Option<ThreadPlace>,
        place_of: impl Fn(&ThreadId) -> Option<ThreadPlace>,
    ) -> impl Iterator<Item = ThreadPlace> + 'a {
        let is_below = |place: &ThreadPlace| below.is_none_or(|below| *place < below);
        let mut large: Vec<ThreadPlace> = self.large.iter().filter_map(place_of).filter(is_below).collect();
        large.sort_unstable_by(|one, other| other.cmp(one));
        let mut large = large.into_iter().peekable();
        let mut small = match below {
            Some(below) => self.small.range(..below),
            None => self.small.range(..),
        }
        .rev()
        .copied()
        .peekable();
        std::iter::from_fn(move || if small.peek() > large.peek() { small.next() } else { large.next() })
    }
}
