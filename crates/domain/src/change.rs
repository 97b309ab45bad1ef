//! What a decision changes, and the commit that tells about it.

use std::sync::Arc;

use crate::job::{Job, NoticesSettled};
use crate::member::Member;
use crate::message::{Message, Origin};
use crate::seq::Modseq;
use crate::summary::Summary;
use crate::thread::Thread;

/// One change to a thread's rows. Each but the last two takes the thread's next [`Modseq`], which the changed row carries.
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
    /// A summary was added.
    AddSummary(Summary),
    /// Work to do after the commit. Not a change to the thread: it takes no modseq, and nobody hears of it.
    EnqueueJob(Job),
    /// Who was notified, and which windows have ended. It takes no modseq, and nobody hears of it.
    SettleNotices(NoticesSettled),
}

impl Change {
    /// The value of the change counter that this change took; `None` for what nobody hears of, which took none.
    #[must_use]
    pub const fn modseq(&self) -> Option<Modseq> {
        match self {
            Self::AppendMessage(message) | Self::ReplaceMessage(message) => Some(message.modseq),
            Self::PutMember(member) => Some(member.modseq),
            Self::PutThread(thread) => Some(thread.fields_modseq),
            Self::AddSummary(summary) => Some(summary.modseq),
            Self::EnqueueJob(_) | Self::SettleNotices(_) => None,
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
    /// The changes that took a modseq. When the commit is heard live, those are `prev + 1` to `thread.modseq`; when it
    /// was read from a feed, intermediate states of a row have collapsed into its last.
    pub changes: Vec<Change>,
}

impl Commit {
    /// What to tell of a decision's changes, which led from `prev` to `thread`; `None` when nobody hears of them.
    #[must_use]
    pub fn of(thread: Thread, prev: Modseq, origin: Origin, mut changes: Vec<Change>) -> Option<Self> {
        changes.retain(|change| change.modseq().is_some());
        (!changes.is_empty()).then(|| Self { thread: Arc::new(thread), prev, origin, changes })
    }

    /// The thread's change counter after the commit.
    #[must_use]
    pub fn modseq(&self) -> Modseq {
        self.thread.modseq
    }
}
