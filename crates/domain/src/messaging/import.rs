//! Bringing over threads from another system, with their original ids and times.

mod decisions;

use std::collections::{BTreeMap, HashSet};

use self::decisions::{Append, Read};
use super::Messaging;
use crate::context::{ContextRef, Party};
use crate::decision::transact;
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{MessageId, ThreadId, UserId};
use crate::seq::Seq;
use crate::snapshot::NotInScope;
use crate::text::{Body, Subject};
use crate::thread::{NewThread, Thread, ThreadKey};
use crate::time::Timestamp;

/// How many messages one decision brings over.
const BATCH_MESSAGES: usize = 200;

/// How far the other system's clock may be ahead of ours, in milliseconds.
const CLOCKS_APART_MS: i64 = 5 * 60 * 1_000;

/// By how much a message may be dated later than it was written, in milliseconds. The dates of a thread's messages rise
/// strictly, so those of one moment, or that come late, are moved behind the message before them.
const MOVED_MAX_MS: i64 = 5 * 60 * 1_000;

/// A thread to be brought over. Doing it again changes nothing; messages that have come since may be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportThread {
    /// Its original id.
    pub id: ThreadId,
    /// What it is unique by here.
    pub key: Option<ThreadKey>,
    /// What it is about.
    pub context: Option<ContextRef>,
    /// Its subject.
    pub subject: Option<Subject>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Who is in it, each with the moment up to which they have read it.
    pub members: Vec<ImportMember>,
    /// Its messages, in any order; their places follow their times, and between equal times their ids.
    pub messages: Vec<ImportMessage>,
}

/// A member to be brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMember {
    /// Who, and as what.
    pub party: Party,
    /// They have read every message written up to this moment, by the times in the import.
    pub read_until: Option<Timestamp>,
}

/// A message to be brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMessage {
    /// Its original id.
    pub id: MessageId,
    /// Who wrote it; nobody is the system.
    pub sender: Option<UserId>,
    /// What it says.
    pub body: Body,
    /// When it was written. It is dated up to five minutes later where that keeps the dates of the thread rising.
    pub created_at: Timestamp,
}

/// What became of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The thread before its messages were added. Its id is the original one, unless its key had a thread already.
    pub thread: Thread,
    /// Whether it was created now.
    pub created: bool,
    /// How many messages were added now.
    pub added: usize,
    /// How many were there already.
    pub known: usize,
}

/// Why a thread was not brought over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("thread {thread}: {problem}")]
pub struct ImportError {
    /// Which thread.
    pub thread: ThreadId,
    /// What is wrong with it.
    pub problem: ImportProblem,
}

/// What is wrong with a thread that is to be brought over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// Somebody wrote a message who is no member.
    #[error("message {0} was written by somebody who is not among the members")]
    UnknownSender(MessageId),
    /// Two messages have one id.
    #[error("message {0} occurs twice")]
    Twice(MessageId),
    /// A new message is much older than one that is there: its place is taken.
    #[error(
        "message {0} is more than five minutes older than what the thread has already; import a thread's messages \
         oldest first"
    )]
    TooOld(MessageId),
    /// Another thread has a message with this id.
    #[error("message {0} is already in another thread")]
    InOtherThread(MessageId),
    /// The id or the key belongs to a thread about something else or with other members.
    #[error("the thread is already there about something else or with other members")]
    OtherThread,
    /// Something is dated later than now.
    #[error("a time in it is later than now")]
    InFuture,
    /// No members, too many, or one of them twice.
    #[error("a thread has 1 to 1000 members, each once")]
    Members,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for ImportError {
    fn kind(&self) -> ErrorKind {
        match &self.problem {
            ImportProblem::UnknownSender(_)
            | ImportProblem::Twice(_)
            | ImportProblem::InFuture
            | ImportProblem::Members => ErrorKind::Invalid,
            ImportProblem::TooOld(_) | ImportProblem::InOtherThread(_) | ImportProblem::OtherThread => {
                ErrorKind::Conflict
            }
            ImportProblem::Store(error) => error.kind(),
            ImportProblem::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match &self.problem {
            ImportProblem::UnknownSender(_) => "import-unknown-sender",
            ImportProblem::Twice(_) => "import-message-twice",
            ImportProblem::TooOld(_) => "import-message-too-old",
            ImportProblem::InOtherThread(_) => "import-message-in-other-thread",
            ImportProblem::OtherThread => "import-other-thread",
            ImportProblem::InFuture => "import-in-future",
            ImportProblem::Members => "import-members",
            ImportProblem::Store(error) => error.code(),
            ImportProblem::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Brings over threads, one after the other. Nobody is told: it is not news.
    pub(super) async fn import(&self, threads: Vec<ImportThread>) -> Result<Vec<Imported>, ImportError> {
        let mut imported = Vec::with_capacity(threads.len());
        for thread in threads {
            let id = thread.id;
            let done = self.import_thread(thread).await;
            imported.push(done.map_err(|problem| ImportError { thread: id, problem })?);
        }
        Ok(imported)
    }

    async fn import_thread(&self, mut import: ImportThread) -> Result<Imported, ImportProblem> {
        checked(&import, self.deps().clock.now())?;
        import.messages.sort_by_key(|message| (message.created_at, message.id));
        let new = NewThread {
            id: import.id,
            key: import.key.clone(),
            context: import.context.clone(),
            subject: import.subject.clone(),
            founders: import.members.iter().map(|member| member.party.clone()).collect(),
            created_at: import.created_at,
        };
        let there = self.deps().threads.thread(import.id).await?;
        let (thread, created) = match there {
            Some(thread) => (thread, false),
            None => self.deps().threads.create(new).await?,
        };
        if !created && !self.is_same(&thread, &import).await? {
            return Err(ImportProblem::OtherThread);
        }
        let parties: Vec<Party> = import.members.iter().map(|member| member.party.clone()).collect();
        let id = thread.id;
        let mut done = Imported { thread, created, added: 0, known: 0 };
        let mut places = BTreeMap::new();
        for messages in import.messages.chunks(BATCH_MESSAGES) {
            let append = Append { thread: id, members: parties.clone(), messages: messages.to_vec() };
            let appended = match transact(self.deps().threads.as_ref(), append).await {
                Ok(appended) => appended?,
                // A store keeps message ids unique over all threads; say so instead of "internal".
                Err(error) => return Err(self.foreign(id, messages).await?.unwrap_or(error.into())),
            };
            done.added += appended.added;
            done.known += messages.len() - appended.added;
            places.extend(appended.places.into_iter().zip(messages.iter().map(|message| message.created_at)));
        }
        self.import_markers(id, &import.members, &places).await?;
        Ok(done)
    }

    /// Whether a thread that was there is the one to be brought over.
    async fn is_same(&self, thread: &Thread, import: &ImportThread) -> Result<bool, StoreError> {
        let members = self.roster(thread.id).await?.map(|(_, members)| members).unwrap_or_default();
        let there: HashSet<&UserId> = members.iter().map(|member| &member.user).collect();
        let is_in = |member: &ImportMember| there.contains(&member.party.user);
        Ok(thread.context == import.context && import.members.iter().all(is_in))
    }

    /// The message among these whose id another thread has.
    async fn foreign(
        &self,
        thread: ThreadId,
        messages: &[ImportMessage],
    ) -> Result<Option<ImportProblem>, StoreError> {
        for message in messages {
            let there = self.deps().messages.message(message.id).await?;
            if there.is_some_and(|there| there.thread != thread) {
                return Ok(Some(ImportProblem::InOtherThread(message.id)));
            }
        }
        Ok(None)
    }

    /// Moves the markers, once the messages are there. `written` says when the messages at these places were written,
    /// which may be earlier than they are dated.
    async fn import_markers(
        &self,
        thread: ThreadId,
        members: &[ImportMember],
        written: &BTreeMap<Seq, Timestamp>,
    ) -> Result<(), ImportProblem> {
        for member in members {
            let Some(until) = member.read_until else { continue };
            let dated = self.deps().messages.last_before(thread, until.plus_millis(1)).await?;
            let read = written.iter().filter(|(_, at)| **at <= until).map(|(seq, _)| *seq).collect();
            let user = member.party.user.clone();
            transact(self.deps().threads.as_ref(), Read { thread, user, dated, read, at: until }).await??;
        }
        Ok(())
    }
}

fn checked(import: &ImportThread, now: Timestamp) -> Result<(), ImportProblem> {
    let times = import.messages.iter().map(|message| message.created_at);
    let marks = import.members.iter().filter_map(|member| member.read_until);
    // Time never runs back within a thread: what comes from the future would hold it there.
    if times.chain(marks).chain([import.created_at]).any(|at| at > now.plus_millis(CLOCKS_APART_MS)) {
        return Err(ImportProblem::InFuture);
    }
    let members: HashSet<&UserId> = import.members.iter().map(|member| &member.party.user).collect();
    if members.len() != import.members.len()
        || members.is_empty()
        || members.len() > crate::thread::MEMBERS_MAX
    {
        return Err(ImportProblem::Members);
    }
    let mut seen = HashSet::new();
    for message in &import.messages {
        if message.sender.as_ref().is_some_and(|sender| !members.contains(sender)) {
            return Err(ImportProblem::UnknownSender(message.id));
        }
        if !seen.insert(message.id) {
            return Err(ImportProblem::Twice(message.id));
        }
    }
    Ok(())
}
