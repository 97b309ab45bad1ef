//! The tables (step 2), and how rows are found in them.

use tidings_domain::context::Context;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::job::Job;
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::seq::Modseq;
use tidings_domain::summary::Summary;
use tidings_domain::text::ClientKey;
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};

/// Threads, members, messages and summaries are only ever added or replaced, so that their order in a table is the
/// order in which they came.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) threads: Vec<ThreadRow>,
    pub(crate) members: Vec<Member>,
    pub(crate) messages: Vec<MessageRow>,
    pub(crate) summaries: Vec<Summary>,
    pub(crate) jobs: Vec<JobRow>,
    pub(crate) users: Vec<User>,
    pub(crate) subjects: Vec<(Subject, UserId)>,
    pub(crate) contexts: Vec<Context>,
}

pub(crate) struct ThreadRow {
    pub(crate) thread: Thread,
    /// The canonical text of its key, unique.
    pub(crate) key: Option<String>,
}

pub(crate) struct MessageRow {
    pub(crate) message: Message,
    /// The thread's change counter when it was new: whether a hearer that stands before it has heard of it.
    pub(crate) appended: Modseq,
}

pub(crate) struct JobRow {
    pub(crate) job: Job,
    /// When it is due, or comes back from whoever holds it.
    pub(crate) claimable_at: Timestamp,
    pub(crate) attempts: u32,
}

/// The number for the row that comes next in a table whose rows are never deleted.
pub(crate) fn next_number<T>(table: &[T]) -> u64 {
    u64::try_from(table.len()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Tables {
    pub(crate) fn thread(&self, id: ThreadId) -> Option<&Thread> {
        self.threads.iter().map(|row| &row.thread).find(|thread| thread.id == id)
    }

    pub(crate) fn thread_by_key(&self, key: &str) -> Option<&Thread> {
        self.threads.iter().find(|row| row.key.as_deref() == Some(key)).map(|row| &row.thread)
    }

    pub(crate) fn members(&self, thread: ThreadId) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.thread == thread)
    }

    pub(crate) fn member(&self, thread: ThreadId, user: &UserId) -> Option<&Member> {
        self.members(thread).find(|member| member.user == *user)
    }

    /// In order of seq, which is the order in which they came.
    pub(crate) fn messages(&self, thread: ThreadId) -> impl DoubleEndedIterator<Item = &MessageRow> {
        self.messages.iter().filter(move |row| row.message.thread == thread)
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.iter().map(|row| &row.message).find(|message| message.id == id)
    }

    /// The message that the sender gave this key in this thread.
    pub(crate) fn keyed(&self, thread: ThreadId, sender: &UserId, key: &ClientKey) -> Option<&Message> {
        let has_key = |message: &&Message| {
            message.author.user() == Some(sender) && message.client_key.as_ref() == Some(key)
        };
        self.messages(thread).map(|row| &row.message).find(has_key)
    }
}
