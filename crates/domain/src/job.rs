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
    /// A thread's notice window ends: notify everyone who has not read it all and is away.
    NotifyUnread {
        /// The thread.
        thread: ThreadId,
    },
    /// Not everyone could be notified when a window ended: some were present, or a delivery failed. Try again.
    NotifyAgain {
        /// The thread.
        thread: ThreadId,
        /// Notify those who have something unread up to here. Later messages have a window of their own. A job whose
        /// seq is not the thread's [`notice_upto`](crate::thread::Thread::notice_upto) was replaced by a later one.
        upto: Seq,
        /// To whom a delivery failed at the last try. A list of its own, because presence is no failure.
        failing: Vec<UserId>,
        /// At how many tries in a row a delivery failed to them.
        failures: u32,
    },
}

impl Work {
    /// Whether it is done only when no window has ended: see
    /// [`claim_jobs`](crate::ports::JobRepository::claim_jobs).
    #[must_use]
    pub const fn is_repeated(&self) -> bool {
        matches!(self, Self::NotifyAgain { .. })
    }

    /// The thread that it is about.
    #[must_use]
    pub const fn thread(&self) -> ThreadId {
        match self {
            Self::NotifyUnread { thread } | Self::NotifyAgain { thread, .. } => *thread,
        }
    }
}

/// A job that a runner holds for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimedJob {
    /// The job.
    pub job: Job,
    /// How often it was claimed, this time included.
    pub attempts: u32,
}

/// What a look at a thread's unread messages leaves behind, stored in one commit. Not a change that anyone hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticesSettled {
    /// The thread.
    pub thread: ThreadId,
    /// When its pending window ends: [`Thread::notice_due`](crate::thread::Thread::notice_due).
    pub due: Option<Timestamp>,
    /// Up to where windows have ended: [`Thread::notice_upto`](crate::thread::Thread::notice_upto).
    pub upto: Seq,
    /// Who was notified, and up to which message: [`Member::notified`](crate::member::Member::notified).
    pub notified: Vec<(UserId, Seq)>,
}

/// A notice that waits because its user is present and may read any moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub user: UserId,
    /// Where.
    pub thread: ThreadId,
    /// The job that looks again, perhaps hours later.
    pub job: JobId,
}

/// What somebody who is away is notified of: that there is something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The job behind it. A delivery that is repeated after a crash has the same job, user and newest message.
    pub job: JobId,
    /// Whom to notify.
    pub user: UserId,
    /// Where.
    pub thread: ThreadId,
    /// How many messages of others are unread that no earlier notice was about; at most 500 are counted.
    pub unread: u64,
    /// The newest of them.
    pub newest: MessageId,
}
