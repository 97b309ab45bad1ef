//! What a decision changes, and the commit that tells about it.

use std::sync::Arc;

use crate::member::Member;
use crate::message::{Message, Origin};
use crate::seq::Modseq;
use crate::thread::Thread;

/// One change to a thread's rows. Each takes the thread's next [`Modseq`], which the changed row carries.
///
/// A closed list: [`Snapshot::apply`](crate::snapshot::Snapshot::apply) says what each does, every store writes what
/// it left, and the [`Commit`] made of them is all that anyone hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new message at the thread's next seq.
    AppendMessage(Message),
    /// A message edited, or deleted to a tombstone. Never moves.
    ReplaceMessage(Message),
    /// A member added, or changed in standing, marker, role or flags.
    PutMember(Member),
    /// The thread's own fields changed (subject). Counters in it are not taken over.
    PutThread(Thread),
}

impl Change {
    /// The value of the change counter that this change took.
    #[must_use]
    pub const fn modseq(&self) -> Modseq {
        match self {
            Self::AppendMessage(message) | Self::ReplaceMessage(message) => message.modseq,
            Self::PutMember(member) => member.modseq,
            Self::PutThread(thread) => thread.fields_modseq,
        }
    }
}

/// The durable changes that one decision made to one thread, in order: what a store hands to its
/// [`Notifier`](crate::ports::Notifier), and what a [`ChangeFeed`](crate::ports::ChangeFeed) can give again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The thread after the changes.
    pub thread: Arc<Thread>,
    /// The thread's change counter before them. A hearer that stands elsewhere has missed something.
    pub prev: Modseq,
    /// Through what the changes came.
    pub origin: Origin,
    /// The changes. Their modseqs are `prev + 1` to `thread.modseq` when the commit is heard live; when it was read
    /// from a feed, intermediate states of a row have collapsed into its last.
    pub changes: Vec<Change>,
}

impl Commit {
    /// The thread's change counter after the commit.
    #[must_use]
    pub fn modseq(&self) -> Modseq {
        self.thread.modseq
    }
}
