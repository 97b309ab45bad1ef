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

/// How many rows are wanted: 1 to [`PAGE_ROWS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageLimit(u32);

impl PageLimit {
    /// The largest page.
    pub const MAX: Self = Self(PAGE_ROWS_MAX);

    /// A limit of at least 1, cut to [`PAGE_ROWS_MAX`].
    #[must_use]
    pub const fn clamped(rows: u32) -> Self {
        match rows {
            0 => Self(1),
            1..=PAGE_ROWS_MAX => Self(rows),
            _ => Self::MAX,
        }
    }

    /// The number of rows.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A page of a thread's messages: those with seq above `after` and below `before`, at most `limit` of them, taken
/// from the newest or the oldest end.
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
    /// How many threads to pass over first, for dialects that count pages. Its cost grows with it.
    pub skip: u32,
    /// How many.
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
    /// The newest message that the user may see, tombstone or not.
    pub last_message: Option<Message>,
    /// How many messages are unread: see [`unread`](crate::member::unread).
    pub unread: u64,
}

/// Threads of up to this many members come with all of them in a list, and keep their activity on each member row.
pub const ENTRY_MEMBERS_MAX: u32 = 16;
