//! Pages: what is asked of a list, and what a list row holds.

use crate::context::ContextRef;
use crate::id::{ContextKind, ThreadId};
use crate::member::Member;
use crate::message::Message;
use crate::seq::Seq;
use crate::thread::Thread;
use crate::time::Timestamp;

/// The most rows that any page holds.
pub const PAGE_ROWS_MAX: u32 = 500;

/// How much is wanted: 1 to [`PAGE_ROWS_MAX`] rows, and perhaps only so many bytes of message text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageLimit {
    rows: u32,
    text_bytes: u32,
}

impl PageLimit {
    /// The largest page.
    pub const MAX: Self = Self { rows: PAGE_ROWS_MAX, text_bytes: u32::MAX };

    /// A limit of at least 1 row, cut to [`PAGE_ROWS_MAX`], whatever the size of the texts.
    #[must_use]
    pub const fn clamped(rows: u32) -> Self {
        let rows = match rows {
            0 => 1,
            1..=PAGE_ROWS_MAX => rows,
            _ => PAGE_ROWS_MAX,
        };
        Self { rows, text_bytes: u32::MAX }
    }

    /// The same number of rows, with message texts only up to a size: see [`text_bytes`](Self::text_bytes).
    #[must_use]
    pub const fn with_text_bytes(self, bytes: u32) -> Self {
        Self { text_bytes: bytes, ..self }
    }

    /// The number of rows.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.rows
    }

    /// How many bytes of message text are read, at least: the text that reaches this number is the last one that is
    /// read, so that there is always one, unless the number is 0. What happens to the rows behind it is said by the page
    /// that has the limit. [`u32::MAX`] when there is no such limit.
    #[must_use]
    pub const fn text_bytes(self) -> u32 {
        self.text_bytes
    }
}

/// A page of a thread's messages: those with seq above `after` and below `before`, at most `limit` of them, taken
/// from the newest or the oldest end.
///
/// It ends with the message by which the texts reach `limit.text_bytes()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePage {
    /// Only messages above this seq; 0 for no bound. A member's `visible_from` goes in here.
    pub after: Seq,
    /// Only messages below this seq.
    pub before: Option<Seq>,
    /// Which end to take when there are more than `limit`.
    pub from: PageEnd,
    /// How many.
    pub limit: PageLimit,
}

/// An end of a range of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageEnd {
    /// The newest messages of the range.
    Newest,
    /// The oldest.
    Oldest,
}

/// A page of a user's threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadPage {
    /// Only threads about this.
    pub about: Option<About>,
    /// Only threads below this place in the list (keyset paging).
    pub below: Option<ThreadPlace>,
    /// How many threads to pass over first, for dialects that count pages. A store passes over them in its index,
    /// without reading what their rows show; that is cheap, but its cost grows with the number.
    pub skip: u32,
    /// How many. Behind the thread by whose last message the texts reach `limit.text_bytes()`, threads come without
    /// their last messages.
    pub limit: PageLimit,
}

/// What the threads of a list are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Any object of this kind: all that a dialect made for one kind can say.
    Kind(ContextKind),
    /// This very object.
    Object(ContextRef),
}

impl About {
    /// Whether a thread is among them.
    #[must_use]
    pub fn contains(&self, thread: &Thread) -> bool {
        thread.context.as_ref().is_some_and(|context| match self {
            Self::Kind(kind) => context.kind == *kind,
            Self::Object(object) => context == object,
        })
    }
}

/// A place in a user's list of threads: its activity and, between equals, its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadPlace {
    /// When the thread was last written in, or opened.
    pub activity_at: Timestamp,
    /// The thread.
    pub thread: ThreadId,
}

/// A row in a user's list of threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadEntry {
    /// The thread.
    pub thread: Thread,
    /// The user's own membership.
    pub member: Member,
    /// Every member when there are at most [`ENTRY_MEMBERS_MAX`] taking part, else the user's own alone.
    pub members: Vec<Member>,
    /// The newest message that the user may see, tombstone or not; `None` too where the limit of the page left it out:
    /// see [`lacks_last_message`](Self::lacks_last_message).
    pub last_message: Option<Message>,
    /// How many messages are unread: see [`unread`](crate::member::unread).
    pub unread: u64,
}

impl ThreadEntry {
    /// Whether there is a last message that the user may see, and the limit of the page left it out.
    #[must_use]
    pub fn lacks_last_message(&self) -> bool {
        self.last_message.is_none() && self.member.sees(self.thread.last_seq)
    }
}

/// Threads of up to this many members come with all of them in a list, and keep their activity on each member row.
pub const ENTRY_MEMBERS_MAX: u32 = 16;
