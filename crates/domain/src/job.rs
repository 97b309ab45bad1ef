//! Jobs: work to do after a commit, stored by it, so that a crash between the two loses nothing.

use crate::id::{JobId, MessageId, ThreadId, UserId};
use crate::seq::Seq;
use crate::time::Timestamp;

/// Work to do at or after a moment, at least once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// When to do it.
    pub due_at: Timestamp,
    /// What to do.
    pub work: Work,
}

/// What a job does. A closed list, so that no store can keep a kind that it cannot give back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Work {
    /// Tell those who are away about the messages of a thread from `from` on that were written before the job was
    /// due, as far as they have not read them by then. A message at or after that moment has a job of its own.
    NotifyUnread {
        /// The thread.
        thread: ThreadId,
        /// The first message.
        from: Seq,
        /// Only these are still to be told; everyone when it is empty.
        only: Vec<UserId>,
    },
}

/// A job that a runner holds for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimedJob {
    /// The job.
    pub job: Job,
    /// How often it was claimed, this time included.
    pub attempts: u32,
}

/// What somebody who is away is told: that there is something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The job behind it: a repeated delivery has the same id and user.
    pub job: JobId,
    /// Whom to tell.
    pub user: UserId,
    /// Where.
    pub thread: ThreadId,
    /// How many messages of others are unread.
    pub unread: u64,
    /// The newest of them.
    pub newest: MessageId,
}
