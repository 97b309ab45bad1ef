//! Threads.

use std::fmt;
use std::str::FromStr;

use crate::context::{ContextRef, Party};
use crate::id::{InvalidId, ThreadId, UserId};
use crate::seq::{Modseq, Seq};
use crate::text::{ClientKey, Subject};
use crate::time::Timestamp;

/// The most members a thread may have.
pub const MEMBERS_MAX: usize = 1_000;

/// What makes a thread the one and only of its sort. Fixed at creation.
///
/// Opening a thread with a key that exists gives the existing thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ThreadKey {
    /// Between two users, about nothing in particular. Sorted.
    Direct(UserId, UserId),
    /// Between two users about one object (a campaign). Users sorted.
    Pair(ContextRef, UserId, UserId),
    /// Everybody of one object (a contract, or one of its milestones).
    Context(ContextRef),
    /// By the key that the host gave its request: for threads that are unique by nothing else.
    Request(ClientKey),
}

impl ThreadKey {
    /// The key of a direct thread, whichever of the two opens it.
    #[must_use]
    pub fn direct(one: UserId, other: UserId) -> Self {
        let (low, high) = sorted(one, other);
        Self::Direct(low, high)
    }

    /// The key of a thread of two about an object, whichever of the two opens it.
    #[must_use]
    pub fn pair(context: ContextRef, one: UserId, other: UserId) -> Self {
        let (low, high) = sorted(one, other);
        Self::Pair(context, low, high)
    }
}

fn sorted(one: UserId, other: UserId) -> (UserId, UserId) {
    if one <= other { (one, other) } else { (other, one) }
}

impl fmt::Display for ThreadKey {
    /// The canonical text that a store makes unique. Ids hold no spaces, so a space separates without doubt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = |f: &mut fmt::Formatter<'_>, c: &ContextRef| {
            if let Some((kind, id)) = &c.parent {
                write!(f, " {kind} {id} /")?;
            }
            write!(f, " {} {}", c.kind, c.id)
        };
        match self {
            Self::Direct(low, high) => write!(f, "direct {low} {high}"),
            Self::Pair(of, low, high) => {
                f.write_str("pair")?;
                context(f, of)?;
                write!(f, " : {low} {high}")
            }
            Self::Context(of) => {
                f.write_str("context")?;
                context(f, of)
            }
            // Last, because the host's key may hold spaces.
            Self::Request(key) => write!(f, "request {}", key.as_str()),
        }
    }
}

impl FromStr for ThreadKey {
    type Err = InvalidId;

    /// Reads the canonical text.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (sort, rest) = text.split_once(' ').ok_or(InvalidId::NotOpaque)?;
        if sort == "request" {
            return ClientKey::parse(rest).map(Self::Request).map_err(|_| InvalidId::NotOpaque);
        }
        // An id may be a mark itself, so that the marks alone do not tell; together with the count of words they do.
        let words: Vec<&str> = rest.split(' ').collect();
        let object = |words: &[&str]| match words {
            [kind, id] => Ok(ContextRef::new(kind.parse()?, id.parse()?)),
            [of, parent, "/", kind, id] => {
                let parent = Some((of.parse()?, parent.parse()?));
                Ok(ContextRef { parent, ..ContextRef::new(kind.parse()?, id.parse()?) })
            }
            _ => Err(InvalidId::NotOpaque),
        };
        match (sort, words.as_slice()) {
            ("direct", [low, high]) => Ok(Self::Direct(low.parse()?, high.parse()?)),
            ("pair", [of @ .., ":", low, high]) => Ok(Self::Pair(object(of)?, low.parse()?, high.parse()?)),
            ("context", of) => object(of).map(Self::Context),
            _ => Err(InvalidId::NotOpaque),
        }
    }
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// The store's small unique number.
    pub number: u64,
    /// What it is about, if anything.
    pub context: Option<ContextRef>,
    /// Its subject, for people.
    pub subject: Option<Subject>,
    /// How many members take part.
    pub member_count: u32,
    /// The seq of its newest message; 0 when there is none.
    pub last_seq: Seq,
    /// When its newest message was written; its creation when there is none.
    pub last_message_at: Timestamp,
    /// Its change counter: the value that the last change of anything in it took.
    pub modseq: Modseq,
    /// The change counter when its own fields (subject, context) last changed.
    pub fields_modseq: Modseq,
    /// When the pending notice window ends; `None` when there is none. A message is covered by the pending window and
    /// opens one otherwise.
    pub notice_due: Option<Timestamp>,
    /// Up to which message notice windows have ended. Who has something unread up to here is to be notified, now or as
    /// soon as they are away.
    pub notice_upto: Seq,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its own fields last changed.
    pub updated_at: Timestamp,
}

impl Thread {
    /// When a message is dated that is written at `at`: then, but always later than the message before it.
    ///
    /// Clocks of several nodes differ, clocks are set back, and many messages are written in one millisecond. The dates
    /// of a thread's messages rise strictly all the same, so that a date names a place in the thread.
    #[must_use]
    pub fn next_message_at(&self, at: Timestamp) -> Timestamp {
        let earliest = match self.last_seq {
            Seq::ZERO => self.created_at,
            _ => self.last_message_at.plus_millis(1),
        };
        at.max(earliest)
    }
}

/// A thread to be created, unless its key exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewThread {
    /// The id it gets if it is created.
    pub id: ThreadId,
    /// What it is unique by; `None` for a group, which is never found again.
    pub key: Option<ThreadKey>,
    /// What it is about.
    pub context: Option<ContextRef>,
    /// Its subject.
    pub subject: Option<Subject>,
    /// Who is in it from the start: 1 to [`MEMBERS_MAX`], each once.
    pub founders: Vec<Party>,
    /// When.
    pub created_at: Timestamp,
}
