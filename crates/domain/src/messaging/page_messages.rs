//! Paging a thread's messages, both ways.

use std::collections::HashMap;
use std::sync::Arc;

use super::{MessageView, MessagesView, Messaging, ReadError};
use crate::error::StoreError;
use crate::id::{ThreadId, UserId};
use crate::message::Message;
use crate::page::{MessagePage, PageEnd, PageLimit};
use crate::seq::Seq;
use crate::time::Timestamp;
use crate::user::{Actor, User};

/// A page is cut short once its texts have so many bytes; its reader asks on from where it ends.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many messages are read at once.
const PIECE_ROWS: u32 = 100;

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
        let found = self.bounded(thread.id, page).await?;
        let first = found.first().map_or(before, |message| message.seq);
        let has_older = first > member.visible_from.next();
        let senders = self.senders(&found).await?;
        let messages = found
            .into_iter()
            .map(|message| {
                let sender = message.author.user().and_then(|user| senders.get(user)).map(Arc::clone);
                MessageView::of(message, sender, &members)
            })
            .collect();
        Ok(MessagesView { thread, messages, has_older })
    }

    /// The messages of a page, up to [`PAGE_BYTES_MAX`], read in pieces so that no page of large messages is ever in
    /// memory as a whole.
    async fn bounded(&self, thread: ThreadId, mut page: MessagePage) -> Result<Vec<Message>, StoreError> {
        let mut pieces: Vec<Vec<Message>> = Vec::new();
        let (mut left, mut bytes) = (page.limit.get(), 0);
        while left > 0
            && bytes < PAGE_BYTES_MAX
            && page.before.is_none_or(|before| before > page.after.next())
        {
            page.limit = PageLimit::clamped(left.min(PIECE_ROWS));
            let piece = self.deps().messages.page(thread, &page).await?;
            let (Some(oldest), Some(newest)) = (piece.first(), piece.last()) else { break };
            match page.from {
                PageEnd::Newest => page.before = Some(oldest.seq),
                PageEnd::Oldest => page.after = newest.seq,
            }
            bytes += piece.iter().map(|message| message.body.as_str().len()).sum::<usize>();
            left = left.saturating_sub(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            pieces.push(piece);
        }
        if page.from == PageEnd::Newest {
            pieces.reverse();
        }
        Ok(pieces.into_iter().flatten().collect())
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
