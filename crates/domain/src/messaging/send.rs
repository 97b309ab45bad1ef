//! Sending a message.

use std::sync::Arc;

use super::{MessageView, Messaging};
use crate::change::Change;
use crate::decision::{Decided, Decision, transact};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{JobId, MessageId, ThreadId};
use crate::job::{Job, Work};
use crate::member::{MarkedVia, Member};
use crate::message::{Author, Message, Origin};
use crate::ports::{Budget, Denied, Policy, TooMany};
use crate::seq::Modseq;
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::text::{Body, ClientKey, DraftHash};
use crate::thread::Thread;
use crate::time::Timestamp;
use crate::user::{Actor, User};

/// By how much a notice may be overdue and still cover new messages, in milliseconds. Whatever may have become of its job,
/// the next message has another one then.
const OVERDUE_MAX_MS: i64 = 10 * 60_000;

/// What a sender asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// Where to.
    pub thread: ThreadId,
    /// What.
    pub body: Body,
    /// The sender's idempotency key: the same one again gives the first message.
    pub client_key: Option<ClientKey>,
}

/// A message that is stored, durably.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The message as its sender sees it.
    pub message: MessageView,
    /// Whether the client key had been used for it before; nothing new was stored then.
    pub duplicate: bool,
    /// The thread's change counter after it. Whoever has heard the thread up to here has heard the message.
    pub modseq: Modseq,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No such thread.
    #[error("no such thread")]
    UnknownThread,
    /// The sender takes no part in it.
    #[error("the sender is not a member of the thread")]
    NotAMember,
    /// The policy does not let them write.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The sender has sent too much in too short a time.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The client key was used for another text.
    #[error("the client key was already used for another message")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for SendError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownThread => ErrorKind::NotFound,
            Self::NotAMember => ErrorKind::Forbidden,
            Self::Denied(denied) => denied.kind(),
            Self::TooMany(_) => ErrorKind::LimitExceeded,
            Self::KeyReused => ErrorKind::Conflict,
            Self::Store(error) => error.kind(),
            Self::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread => "thread-not-found",
            Self::NotAMember => "not-a-member",
            Self::Denied(denied) => denied.code(),
            Self::TooMany(_) => "rate-limited",
            Self::KeyReused => "client-key-reused",
            Self::Store(error) => error.code(),
            Self::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Stores a message and moves its sender's read marker to it, in one commit.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, actor: &Actor, send: SendMessage) -> Result<Sent, SendError> {
        // Before anything is stored: a directory that fails must not make a stored message look refused.
        let sender = self.profiles(std::slice::from_ref(&actor.user)).await?.pop();
        self.send_shown_as(actor, sender, send).await
    }

    /// [`send`](Self::send) for whoever has the sender's profile at hand: nothing is waited for before the store has
    /// the decision, so messages to one thread get their places in the order in which these futures are first polled.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_shown_as(
        &self,
        actor: &Actor,
        sender: Option<Arc<User>>,
        send: SendMessage,
    ) -> Result<Sent, SendError> {
        self.deps().limiter.take(Budget::Sends(&actor.user))?;
        let at = self.deps().clock.now();
        let decision = Send {
            actor: actor.clone(),
            id: MessageId::from_uuid(self.deps().ids.uuid_v7(at)),
            draft: DraftHash::of_body(&send.body),
            request: send,
            at,
            notice_after_ms: self.deps().settings.notice_after_ms,
            policy: Arc::clone(&self.deps().policy),
        };
        let (message, modseq, duplicate) = transact(self.deps().threads.as_ref(), decision).await??;
        // A fresh message is read by nobody else; only a repeated one needs the others' markers.
        let view = if duplicate {
            let members = self.roster(message.thread).await?.map(|(_, members)| members).unwrap_or_default();
            MessageView::of(message, sender, &members)
        } else {
            MessageView::fresh(message, sender)
        };
        Ok(Sent { message: view, duplicate, modseq })
    }
}

/// The decision behind [`Messaging::send`].
#[derive(Debug)]
pub struct Send {
    /// Who sends.
    pub actor: Actor,
    /// The id the message gets.
    pub id: MessageId,
    /// What is sent.
    pub request: SendMessage,
    /// Its fingerprint.
    pub draft: DraftHash,
    /// When.
    pub at: Timestamp,
    /// After how many milliseconds those who are away are notified; never when `None`.
    pub notice_after_ms: Option<i64>,
    /// Who may.
    pub policy: Arc<dyn Policy>,
}

impl Decision for Send {
    type Output = (Message, Modseq, bool);
    type Rejection = SendError;

    fn scope(&self) -> Scope {
        let scope = Scope::thread(self.request.thread).member(self.actor.user.clone());
        match &self.request.client_key {
            Some(key) => scope.client_key(self.actor.user.clone(), key.clone()),
            None => scope,
        }
    }

    fn origin(&self) -> Origin {
        self.actor.origin
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<Self::Output>, SendError> {
        let thread =
            found.thread().filter(|thread| self.actor.reaches(thread)).ok_or(SendError::UnknownThread)?;
        self.policy.may_send(&self.actor, thread)?;
        let member = found
            .member(&self.actor.user)?
            .filter(|member| member.takes_part())
            .ok_or(SendError::NotAMember)?;
        if let Some(key) = &self.request.client_key
            && let Some(first) = found.keyed(&self.actor.user, key)?
        {
            if first.draft != self.draft {
                return Err(SendError::KeyReused);
            }
            return Ok(Decided { changes: Vec::new(), output: (first.clone(), thread.modseq, true) });
        }
        let message = self.message(thread, member, found.next_number());
        let member = moved_marker(member, &message);
        let output = (message.clone(), member.modseq, false);
        let notice = self.notice(thread, &message);
        let mut changes = vec![Change::AppendMessage(message), Change::PutMember(member)];
        changes.extend(notice.map(Change::EnqueueJob));
        Ok(Decided { changes, output })
    }
}

impl Send {
    /// The job that notifies those who are away, unless the thread's pending window covers this message.
    ///
    /// What is due goes by the clock, never by the message's date, which may be ahead of it.
    fn notice(&self, thread: &Thread, message: &Message) -> Option<Job> {
        let due_at = self.at.plus_millis(self.notice_after_ms?);
        let overdue = self.at.plus_millis(-OVERDUE_MAX_MS);
        // A window that ends later than a new one would was opened by a clock that has been put right since.
        let covered = thread.notice_due.is_some_and(|due| due > overdue && due <= due_at);
        (!covered).then(|| Job {
            // There is at most one job per message, so the message's id serves.
            id: JobId::from_uuid(*message.id.as_uuid()),
            due_at,
            work: Work::NotifyUnread { thread: thread.id },
        })
    }

    fn message(&self, thread: &Thread, member: &Member, number: u64) -> Message {
        Message {
            id: self.id,
            number,
            thread: thread.id,
            seq: thread.last_seq.next(),
            modseq: thread.modseq.next(),
            author: Author::Member { user: member.user.clone(), role: member.role.clone() },
            body: self.request.body.clone(),
            client_key: self.request.client_key.clone(),
            draft: self.draft,
            origin: self.actor.origin,
            created_at: thread.next_message_at(self.at),
            edited_at: None,
            deleted_at: None,
        }
    }
}

/// Who writes has read what is above: the sender's own marker moves with the message.
fn moved_marker(member: &Member, message: &Message) -> Member {
    let modseq = message.modseq.next();
    let marked = member.marked(message.seq, message.created_at, MarkedVia::Send, modseq);
    // A new message is above every marker; only a store that lost its count says otherwise.
    marked.unwrap_or_else(|| Member { modseq, ..member.clone() })
}
