//! Moving a read marker.

use super::Messaging;
use crate::change::Change;
use crate::decision::{Decided, Decision, transact};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{MessageId, ThreadId};
use crate::member::{MarkedVia, Member};
use crate::message::Origin;
use crate::seq::{Modseq, Seq};
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::time::Timestamp;
use crate::user::Actor;

/// What a reader asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRead {
    /// How far.
    pub target: MarkTarget,
    /// What to do when the message is the reader's own.
    pub own: OwnMessage,
}

/// How far a reader has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkTarget {
    /// Everything in the thread.
    Thread(ThreadId),
    /// Up to this message.
    Message(MessageId),
}

/// Whether marking one's own message as read is a mistake. Some dialects' servers refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnMessage {
    /// Refuse.
    Refuse,
    /// Take it as any other.
    Allow,
}

/// A marker after marking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The reader's membership as it is now.
    pub member: Member,
    /// Whether anything moved; if not, nobody hears of it.
    pub moved: bool,
    /// The thread's change counter after it.
    pub modseq: Modseq,
}

/// Why a marker was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkError {
    /// No such thread.
    #[error("no such thread")]
    UnknownThread,
    /// No such message.
    #[error("no such message")]
    UnknownMessage,
    /// The reader takes no part in the thread.
    #[error("the reader is not a member of the thread")]
    NotAMember,
    /// The message is the reader's own, and that was to be refused.
    #[error("one's own messages cannot be marked as read")]
    OwnMessage,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for MarkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownThread | Self::UnknownMessage => ErrorKind::NotFound,
            Self::NotAMember => ErrorKind::Forbidden,
            Self::OwnMessage => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
            Self::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread => "thread-not-found",
            Self::UnknownMessage => "message-not-found",
            Self::NotAMember => "not-a-member",
            Self::OwnMessage => "own-message",
            Self::Store(error) => error.code(),
            Self::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Moves the actor's read marker forward; a mark behind it changes nothing and is not an error.
    ///
    /// # Errors
    /// [`MarkError`].
    pub async fn mark_read(&self, actor: &Actor, mark: MarkRead) -> Result<Marked, MarkError> {
        let at = self.deps().clock.now();
        let (thread, up_to) = match mark.target {
            MarkTarget::Thread(thread) => (thread, None),
            MarkTarget::Message(id) => {
                // A message never changes its thread, so this may be read before the lock.
                let message = self.deps().messages.message(id).await?.ok_or(MarkError::UnknownMessage)?;
                (message.thread, Some(id))
            }
        };
        let decision = Mark { actor: actor.clone(), thread, up_to, own: mark.own, at };
        transact(self.deps().threads.as_ref(), decision).await?
    }
}

/// The decision behind [`Messaging::mark_read`].
#[derive(Debug)]
pub struct Mark {
    /// Who has read.
    pub actor: Actor,
    /// In which thread.
    pub thread: ThreadId,
    /// Up to which message; the whole thread when `None`.
    pub up_to: Option<MessageId>,
    /// What to do when the message is their own.
    pub own: OwnMessage,
    /// When.
    pub at: Timestamp,
}

impl Decision for Mark {
    type Output = Marked;
    type Rejection = MarkError;

    fn scope(&self) -> Scope {
        let scope = Scope::thread(self.thread).member(self.actor.user.clone());
        match self.up_to {
            Some(id) => scope.message(id),
            None => scope,
        }
    }

    fn origin(&self) -> Origin {
        self.actor.origin
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<Marked>, MarkError> {
        let unknown = match self.up_to {
            None => MarkError::UnknownThread,
            // Whose thread does not exist for the reader does not exist either.
            Some(_) => MarkError::UnknownMessage,
        };
        let thread = found.thread().filter(|thread| self.actor.reaches(thread)).ok_or(unknown)?;
        let member = found
            .member(&self.actor.user)?
            .filter(|member| member.takes_part())
            .ok_or(MarkError::NotAMember)?;
        let (seq, via) = match self.up_to {
            None => (thread.last_seq, MarkedVia::Thread),
            Some(id) => {
                let message = found
                    .message(id)?
                    .filter(|message| member.sees(message.seq))
                    .ok_or(MarkError::UnknownMessage)?;
                if self.own == OwnMessage::Refuse && message.author.user() == Some(&self.actor.user) {
                    return Err(MarkError::OwnMessage);
                }
                (message.seq, MarkedVia::Message(id))
            }
        };
        // Clocks of several nodes differ; nothing is read before it was written.
        let at = self.at.max(thread.last_message_at);
        // Marking an empty thread says nothing to anybody.
        let moved = if seq > Seq::ZERO { member.marked(seq, at, via, thread.modseq.next()) } else { None };
        let Some(member) = moved else {
            let output = Marked { member: member.clone(), moved: false, modseq: thread.modseq };
            return Ok(Decided { changes: Vec::new(), output });
        };
        let output = Marked { member: member.clone(), moved: true, modseq: member.modseq };
        Ok(Decided { changes: vec![Change::PutMember(member)], output })
    }
}
