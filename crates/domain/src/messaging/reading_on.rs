//! Answers that are read piece by piece, because they may be larger than what should be in memory at once.

use std::collections::VecDeque;

use super::view::{MessageView, ThreadView};
use super::{Messaging, Outcome, ReadError};
use crate::id::ThreadId;
use crate::member::Member;
use crate::page::{MessagePage, PageEnd, PageLimit};
use crate::seq::Seq;
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

/// What is left of a page of threads, which was read at one moment.
#[derive(Debug, Clone)]
pub struct ThreadsRest(pub(super) VecDeque<ListRow>);

/// A row of a list that is not given yet.
#[derive(Debug, Clone)]
pub(super) struct ListRow {
    pub(super) view: ThreadView,
    /// Whether its last message has to be read.
    pub(super) lacks_last_message: bool,
}

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
        let (mut threads, mut bytes) = (Vec::with_capacity(rest.0.len().min(PIECE_THREADS)), 0_usize);
        while threads.len() < PIECE_THREADS && bytes < most {
            let Some(mut row) = rest.0.pop_front() else { break };
            if row.lacks_last_message {
                self.add_last_message(actor, &mut row.view).await?;
            }
            let last = row.view.listed.as_ref().and_then(|listed| listed.last_message.as_ref());
            bytes = bytes.saturating_add(last.map_or(0, |last| last.message.body.as_str().len()));
            threads.push(row.view);
        }
        Ok(ThreadsView { threads, rest: (!rest.0.is_empty()).then_some(rest) })
    }

    /// Reads the message that was the last one when the list was read, unless the caller was removed since.
    async fn add_last_message(&self, actor: &Actor, view: &mut ThreadView) -> Result<(), ReadError> {
        match self.seen_by(actor, view.thread.id).await {
            Err(ReadError::UnknownThread | ReadError::NotAMember) => return Ok(()),
            seen => drop(seen?),
        }
        let last = view.thread.last_seq;
        let page = MessagePage {
            after: Seq::new(last.get().saturating_sub(1)),
            before: Some(last.next()),
            from: PageEnd::Newest,
            limit: PageLimit::clamped(1),
        };
        let message = self.deps().messages.page(view.thread.id, &page).await?.pop();
        let (Some(listed), Some(message)) = (&mut view.listed, message) else { return Ok(()) };
        let sender = match message.author.user() {
            Some(user) => self.profiles(std::slice::from_ref(user)).await?.pop(),
            None => None,
        };
        let members: Vec<Member> = view.members.iter().map(|(member, _)| member.clone()).collect();
        listed.last_message = Some(MessageView::of(message, sender, &members));
        Ok(())
    }
}
