//! Paging a thread's messages, both ways.

use std::collections::HashMap;
use std::sync::Arc;

use super::reading_on::{Extent, MessagesRest, PIECE_TEXT_BYTES};
use super::{MessageView, MessagesView, Messaging, ReadError};
use crate::id::{ThreadId, UserId};
use crate::member::Member;
use crate::message::Message;
use crate::page::{MessagePage, PageEnd, PageLimit};
use crate::seq::Seq;
use crate::thread::Thread;
use crate::time::Timestamp;
use crate::user::{Actor, User};

/// Asks for messages of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMessages {
    /// Which thread.
    pub thread: ThreadId,
    /// Only messages above this seq.
    pub after: Option<Seq>,
    /// Only messages before this point.
    pub before: Option<Before>,
    /// Which end to take when there are more than `limit`.
    pub from: PageEnd,
    /// How many messages to pass over first, from the end that is taken: for dialects that count pages.
    pub skip: u64,
    /// How many.
    pub limit: PageLimit,
    /// Whether the answer may end before the page does.
    pub extent: Extent,
}

/// An upper bound for a page of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Below this seq.
    Seq(Seq),
    /// Written before this moment.
    Time(Timestamp),
}

impl Messaging {
    /// Messages that the caller may see, by seq upwards. Messages are numbered without gaps, so passing over a page
    /// is arithmetic and costs nothing.
    ///
    /// Of a page with long texts this is the first piece, from the end that is taken; the view's `rest` leads to the
    /// others. So a page of large messages is never in memory as a whole.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page_messages(&self, actor: &Actor, ask: PageMessages) -> Result<MessagesView, ReadError> {
        let (thread, member, members) = self.seen_by(actor, ask.thread).await?;
        let end = Seq::new(thread.last_seq.get().saturating_add(1));
        let mut after = ask.after.unwrap_or_default().max(member.visible_from);
        let mut before = match ask.before {
            None => end,
            Some(Before::Seq(seq)) => seq.min(end),
            Some(Before::Time(at)) => self.deps().messages.last_before(thread.id, at).await?.next().min(end),
        };
        match ask.from {
            PageEnd::Newest => before = Seq::new(before.get().saturating_sub(ask.skip)),
            PageEnd::Oldest => after = Seq::new(after.get().saturating_add(ask.skip)),
        }
        let page = MessagePage { after, before: Some(before), from: ask.from, limit: ask.limit };
        self.piece(thread, &member, MessagesRest { thread: ask.thread, page, extent: ask.extent, members })
            .await
    }

    /// The next piece of a page. Membership is looked at again: whoever was removed meanwhile sees no more. Read marks
    /// are those of the beginning, so that the pieces agree.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) async fn more_messages(
        &self,
        actor: &Actor,
        mut rest: MessagesRest,
    ) -> Result<MessagesView, ReadError> {
        let (thread, member, _) = self.seen_by(actor, rest.thread).await?;
        rest.page.after = rest.page.after.max(member.visible_from);
        self.piece(thread, &member, rest).await
    }

    async fn piece(
        &self,
        thread: Thread,
        viewer: &Member,
        mut rest: MessagesRest,
    ) -> Result<MessagesView, ReadError> {
        let page = &mut rest.page;
        let before = page.before.unwrap_or_else(|| thread.last_seq.next());
        let is_empty = |page: &MessagePage| page.before.is_some_and(|before| before <= page.after.next());
        let found = if is_empty(page) {
            Vec::new()
        } else {
            let limit = page.limit.with_text_bytes(PIECE_TEXT_BYTES);
            self.deps().messages.page(thread.id, &MessagePage { limit, ..*page }).await?
        };
        let read = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let left = page.limit.get().saturating_sub(read);
        if let (Some(oldest), Some(newest)) = (found.first(), found.last()) {
            match page.from {
                PageEnd::Newest => page.before = Some(oldest.seq),
                PageEnd::Oldest => page.after = newest.seq,
            }
        }
        let is_last = found.is_empty() || left == 0 || is_empty(page);
        page.limit = PageLimit::clamped(left);
        let first = found.first().map_or(before, |message| message.seq);
        let has_older = first > viewer.visible_from.next();
        let senders = self.senders(&found).await?;
        let messages = found
            .into_iter()
            .map(|message| {
                let sender = message.author.user().and_then(|user| senders.get(user)).map(Arc::clone);
                MessageView::of(message, sender, &rest.members)
            })
            .collect();
        Ok(MessagesView { thread, messages, has_older, rest: (!is_last).then_some(rest) })
    }

    async fn senders(&self, messages: &[Message]) -> Result<HashMap<UserId, Arc<User>>, ReadError> {
        let mut users: Vec<UserId> =
            messages.iter().filter_map(|message| message.author.user().cloned()).collect();
        users.sort_unstable();
        users.dedup();
        let profiles = self.profiles(&users).await?;
        Ok(users.into_iter().zip(profiles).collect())
    }
}
