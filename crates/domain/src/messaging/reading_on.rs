//! Answers that are read piece by piece, because they may be larger than what should be in memory at once.

use std::collections::VecDeque;

use super::view::{self, ThreadView};
use super::{Messaging, Outcome, ReadError};
use crate::id::ThreadId;
use crate::member::Member;
use crate::message::Message;
use crate::page::{MessagePage, PageEnd, PageLimit, ThreadEntry};
use crate::seq::Seq;
use crate::thread::Thread;
use crate::user::Actor;

/// A piece ends with the text by which its texts have so many bytes.
pub(super) const PIECE_TEXT_BYTES: u32 = 64 * 1024;
/// A piece of a list has at most so many threads.
const PIECE_THREADS: usize = 100;
/// A list is read at one moment, with last messages up to so many bytes of text; those behind them are read when it is
/// their turn.
pub(super) const LIST_TEXT_BYTES: u32 = 256 * 1024;

/// Whether an answer may end before the page that was asked for does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// It must not: its reader counts pages, and what is left out of one is in no other.
    Whole,
    /// It may, when it is large: its reader asks on from where it ends.
    MayEndEarly,
}

/// What an answer has left to give; [`Messaging::read_on`] reads it.
#[derive(Debug, Clone)]
pub enum Rest {
    /// Of a page of messages.
    Messages(MessagesRest),
    /// Of a page of threads.
    Threads(ThreadsRest),
}

/// What is left of a page of messages.
#[derive(Debug, Clone)]
pub struct MessagesRest {
    pub(super) thread: ThreadId,
    pub(super) page: MessagePage,
    pub(super) extent: Extent,
    /// As they were at the beginning.
    pub(super) members: Vec<Member>,
}

/// What is left of a page of threads, which was read at one moment. Contexts and names, which may be large, are read
/// with each piece.
#[derive(Debug, Clone)]
pub struct ThreadsRest(pub(super) VecDeque<ThreadEntry>);

/// A page of threads.
#[derive(Debug, Clone)]
pub struct ThreadsView {
    /// The threads, by latest activity first.
    pub threads: Vec<ThreadView>,
    /// What is left of the page.
    pub rest: Option<ThreadsRest>,
}

impl Rest {
    /// Whether the answer may end without it.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        match self {
            Self::Messages(rest) => rest.extent,
            Self::Threads(_) => Extent::Whole,
        }
    }

    /// How many bytes of memory it takes, or nearly so, until it is read.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Messages(rest) => bytes_of(&rest.members),
            Self::Threads(ThreadsRest(entries)) => entries.iter().map(entry_bytes).sum(),
        }
    }
}

fn bytes_of(members: &[Member]) -> usize {
    let bytes = |member: &Member| {
        let texts = member.user.as_str().len().saturating_add(member.role.as_str().len());
        size_of::<Member>().saturating_add(texts)
    };
    members.iter().map(bytes).sum()
}

fn entry_bytes(entry: &ThreadEntry) -> usize {
    let text = entry.last_message.as_ref().map_or(0, |message| message.body.as_str().len());
    let subject = entry.thread.subject.as_ref().map_or(0, |subject| subject.as_str().len());
    [text, subject, bytes_of(&entry.members)]
        .into_iter()
        .fold(size_of::<ThreadEntry>(), usize::saturating_add)
}

impl Outcome {
    /// Takes out what the answer has left to give.
    pub fn take_rest(&mut self) -> Option<Rest> {
        match self {
            Self::Messages(view) => view.rest.take().map(Rest::Messages),
            Self::Threads(view) => view.rest.take().map(Rest::Threads),
            Self::Opened(_)
            | Self::Sent(_)
            | Self::Marked(_)
            | Self::Thread(_)
            | Self::Found(_)
            | Self::Unread(_)
            | Self::SummaryAdded(_)
            | Self::Summaries(_) => None,
        }
    }
}

impl Messaging {
    /// The next piece of an answer, of the same kind as the first. Messages come from the end that was taken on, each
    /// piece by seq upwards; what is edited meanwhile comes as it is when it is read.
    ///
    /// # Errors
    /// [`ReadError`]; also when the caller was removed from the thread meanwhile.
    pub async fn read_on(&self, actor: &Actor, rest: Rest) -> Result<Outcome, ReadError> {
        Ok(match rest {
            Rest::Messages(rest) => Outcome::Messages(self.more_messages(actor, rest).await?),
            Rest::Threads(rest) => Outcome::Threads(self.more_threads(actor, rest).await?),
        })
    }

    pub(super) async fn more_threads(
        &self,
        actor: &Actor,
        mut rest: ThreadsRest,
    ) -> Result<ThreadsView, ReadError> {
        let most = usize::try_from(PIECE_TEXT_BYTES).unwrap_or(usize::MAX);
        let (mut entries, mut bytes) = (Vec::with_capacity(rest.0.len().min(PIECE_THREADS)), 0_usize);
        while entries.len() < PIECE_THREADS && bytes < most {
            let Some(mut entry) = rest.0.pop_front() else { break };
            if entry.lacks_last_message() {
                entry.last_message = self.last_message(actor, &entry.thread).await?;
            }
            let last = entry.last_message.as_ref();
            bytes = bytes.saturating_add(last.map_or(0, |last| last.body.as_str().len()));
            entries.push(entry);
        }
        let threads = view::thread_views(self, entries).await?;
        Ok(ThreadsView { threads, rest: (!rest.0.is_empty()).then_some(rest) })
    }

    /// The message that was the last one when the list was read, unless the caller was removed since.
    async fn last_message(&self, actor: &Actor, thread: &Thread) -> Result<Option<Message>, ReadError> {
        match self.seen_by(actor, thread.id).await {
            Err(ReadError::UnknownThread | ReadError::NotAMember) => return Ok(None),
            seen => drop(seen?),
        }
        let last = thread.last_seq;
        let page = MessagePage {
            after: Seq::new(last.get().saturating_sub(1)),
            before: Some(last.next()),
            from: PageEnd::Newest,
            limit: PageLimit::clamped(1),
        };
        Ok(self.deps().messages.page(thread.id, &page).await?.pop())
    }
}
