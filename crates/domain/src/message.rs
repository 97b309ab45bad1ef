//! Messages.

use crate::id::{MessageId, Role, SessionId, ThreadId, UserId};
use crate::seq::{Modseq, Seq};
use crate::text::{Body, ClientKey, DraftHash};
use crate::time::Timestamp;

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Author {
    /// A member, with the role they had in the thread when they wrote it.
    Member {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// Nobody: the system reports something.
    System,
}

impl Author {
    /// The member who wrote it, if one did.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Self::Member { user, .. } => Some(user),
            Self::System => None,
        }
    }
}

/// Through what a change came. Some dialects do not echo a change to the socket, or to any socket, of its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A REST request, or an embedder's call.
    Request,
    /// A session on a socket.
    Session(SessionId),
    /// The host brought it over from another system. Nobody is told: it is not news.
    Import,
}

/// What a member or the system wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The store's small unique number; grows within its thread.
    pub number: u64,
    /// The thread it is in.
    pub thread: ThreadId,
    /// Its place in the thread.
    pub seq: Seq,
    /// The thread's change counter when this message last changed.
    pub modseq: Modseq,
    /// Who wrote it.
    pub author: Author,
    /// What it says. Emptied of meaning, not of place, once `deleted_at` is set.
    pub body: Body,
    /// The sender's idempotency key, if they gave one.
    pub client_key: Option<ClientKey>,
    /// The fingerprint of what was drafted, compared when the key comes again.
    pub draft: DraftHash,
    /// Through what it came.
    pub origin: Origin,
    /// When it was written. Always later than the message before it in the thread: see
    /// [`Thread::next_message_at`](crate::thread::Thread::next_message_at).
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted; a tombstone keeps its seq.
    pub deleted_at: Option<Timestamp>,
}
