//! Bringing over threads from another system, with their original ids and times.

use std::collections::HashSet;

use super::Messaging;
use crate::change::Change;
use crate::context::{ContextRef, Party};
use crate::decision::{Decided, Decision, transact};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{MessageId, Role, ThreadId, UserId};
use crate::member::MarkedVia;
use crate::message::{Author, Message, Origin};
use crate::seq::Seq;
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::text::{Body, DraftHash, Subject};
use crate::thread::{NewThread, Thread, ThreadKey};
use crate::time::Timestamp;

/// How many messages one decision brings over.
const BATCH_MESSAGES: usize = 200;

/// How far the other system's clock may be ahead of ours, in milliseconds.
const CLOCKS_APART_MS: i64 = 5 * 60 * 1_000;

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
    /// Its messages, in any order; their places follow their times.
    pub messages: Vec<ImportMessage>,
}

/// A member to be brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMember {
    /// Who, and as what.
    pub party: Party,
    /// They have read every message written up to this moment.
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
    /// When it was written.
    pub created_at: Timestamp,
}

/// What became of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The thread's id here: the original one, unless its key had a thread already.
    pub thread: ThreadId,
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
    /// A new message is older than one that was brought over before: its place is taken.
    #[error("message {0} is older than what was imported before; import a thread's messages oldest first")]
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
        let mut done = Imported { thread: thread.id, created, added: 0, known: 0 };
        for messages in import.messages.chunks(BATCH_MESSAGES) {
            let append = Append { thread: thread.id, members: parties.clone(), messages: messages.to_vec() };
            let added = match transact(self.deps().threads.as_ref(), append).await {
                Ok(added) => added?,
                // A store keeps message ids unique over all threads; say so instead of "internal".
                Err(error) => return Err(self.foreign(thread.id, messages).await?.unwrap_or(error.into())),
            };
            done.added += added;
            done.known += messages.len() - added;
        }
        self.import_markers(thread.id, &import).await?;
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

    /// Moves the markers, once the messages are there.
    async fn import_markers(&self, thread: ThreadId, import: &ImportThread) -> Result<(), ImportProblem> {
        for member in &import.members {
            let Some(until) = member.read_until else { continue };
            let seq = self.deps().messages.last_before(thread, until.plus_millis(1)).await?;
            let user = member.party.user.clone();
            transact(self.deps().threads.as_ref(), Read { thread, user, seq, at: until }).await??;
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

/// Appends messages to a thread, oldest first, passing over those that are there.
#[derive(Debug)]
struct Append {
    thread: ThreadId,
    members: Vec<Party>,
    messages: Vec<ImportMessage>,
}

impl Decision for Append {
    type Output = usize;
    type Rejection = ImportProblem;

    fn scope(&self) -> Scope {
        let scope = self
            .members
            .iter()
            .fold(Scope::thread(self.thread), |scope, party| scope.member(party.user.clone()));
        self.messages.iter().fold(scope, |scope, message| scope.message(message.id))
    }

    fn origin(&self) -> Origin {
        Origin::Import
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<usize>, ImportProblem> {
        let thread = found.thread().ok_or(ImportProblem::OtherThread)?;
        for party in &self.members {
            found.member(&party.user)?.ok_or(ImportProblem::OtherThread)?;
        }
        let (mut seq, mut modseq) = found.head();
        let mut number = found.next_number();
        let mut changes = Vec::new();
        for message in &self.messages {
            if found.message(message.id)?.is_some() {
                continue;
            }
            if seq > Seq::ZERO && message.created_at < thread.last_message_at {
                return Err(ImportProblem::TooOld(message.id));
            }
            (seq, modseq) = (seq.next(), modseq.next());
            changes.push(Change::AppendMessage(Message {
                id: message.id,
                number,
                thread: thread.id,
                seq,
                modseq,
                author: self.author(message),
                draft: DraftHash::of_body(&message.body),
                body: message.body.clone(),
                client_key: None,
                origin: Origin::Import,
                created_at: message.created_at,
                edited_at: None,
                deleted_at: None,
            }));
            number = number.saturating_add(1);
        }
        let added = changes.len();
        for member in self.members.iter().filter_map(|party| found.member(&party.user).ok().flatten()) {
            // Who writes has read what is above, as with a send.
            let own = changes.iter().rev().find_map(|change| own_message(change, &member.user));
            let marked = own.and_then(|(seq, at)| member.marked(seq, at, MarkedVia::Send, modseq.next()));
            if let Some(member) = marked {
                modseq = modseq.next();
                changes.push(Change::PutMember(member));
            }
        }
        Ok(Decided { output: added, changes })
    }
}

/// The place and time of a message, if a user wrote it.
fn own_message(change: &Change, user: &UserId) -> Option<(Seq, Timestamp)> {
    match change {
        Change::AppendMessage(message) if message.author.user() == Some(user) => {
            Some((message.seq, message.created_at))
        }
        Change::AppendMessage(_)
        | Change::ReplaceMessage(_)
        | Change::PutMember(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_) => None,
    }
}

impl Append {
    fn author(&self, message: &ImportMessage) -> Author {
        let role_of = |user: &UserId| -> Option<Role> {
            self.members.iter().find(|party| party.user == *user).map(|party| party.role.clone())
        };
        match &message.sender {
            Some(user) => {
                role_of(user).map_or(Author::System, |role| Author::Member { user: user.clone(), role })
            }
            None => Author::System,
        }
    }
}

/// Moves a member's marker to where it was in the other system.
#[derive(Debug)]
struct Read {
    thread: ThreadId,
    user: UserId,
    seq: Seq,
    at: Timestamp,
}

impl Decision for Read {
    type Output = ();
    type Rejection = ImportProblem;

    fn scope(&self) -> Scope {
        Scope::thread(self.thread).member(self.user.clone())
    }

    fn origin(&self) -> Origin {
        Origin::Import
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, ImportProblem> {
        let thread = found.thread().ok_or(ImportProblem::OtherThread)?;
        let member = found.member(&self.user)?.ok_or(ImportProblem::OtherThread)?;
        let modseq = thread.modseq.next();
        let marked = member.marked(self.seq, self.at, MarkedVia::Thread, modseq);
        let changes = marked.filter(|_| self.seq > Seq::ZERO).map(Change::PutMember).into_iter().collect();
        Ok(Decided { changes, output: () })
    }
}
