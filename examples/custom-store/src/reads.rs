//! Threads, messages, summaries and the feed (step 8). Nothing here decides anything.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::ContextRef;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::{Member, Standing, unread};
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{
    About, ENTRY_MEMBERS_MAX, MessagePage, PageEnd, PageLimit, ThreadEntry, ThreadPage, ThreadPlace,
};
use tidings_domain::ports::{ChangeFeed, MessageRepository, SummaryRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;

use crate::TableStore;
use crate::tables::Tables;

#[async_trait]
impl ThreadRepository for TableStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        self.decide_and_store(decision.as_ref())
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.create_or_get(new)
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        Ok(self.tables.lock().thread(id).cloned())
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        Ok(self.tables.lock().thread_by_key(&key.to_string()).cloned())
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        let tables = self.tables.lock();
        Ok(tables.thread(id).map(|thread| (thread.clone(), tables.members(id).cloned().collect())))
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        let tables = self.tables.lock();
        let mut rows: Vec<(ThreadPlace, &Thread, &Member)> = tables
            .listed(user)
            .map(|(thread, member)| {
                let place = ThreadPlace { activity_at: thread.last_message_at, thread: thread.id };
                (place, thread, member)
            })
            .filter(|(place, thread, _)| {
                page.below.is_none_or(|below| *place < below)
                    && page.about.as_ref().is_none_or(|about| about.contains(thread))
            })
            .collect();
        rows.sort_unstable_by_key(|(place, ..)| std::cmp::Reverse(*place));
        let rows = rows.into_iter().skip(count(page.skip)).take(count(page.limit.get()));
        let mut room = count(page.limit.text_bytes());
        Ok(rows.map(|(_, thread, member)| tables.entry(thread, member, &mut room)).collect())
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        let tables = self.tables.lock();
        let listed = tables.listed(user).filter(|(thread, _)| {
            thread.member_count <= members_max && about.is_none_or(|about| about.contains(thread))
        });
        Ok(listed.map(|(thread, member)| tables.unread(thread, member)).sum())
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        let tables = self.tables.lock();
        let takes_part = |thread: &Thread, user: &UserId| {
            tables.members(thread.id).any(|member| member.user == *user && member.takes_part())
        };
        let found = tables.listed(user).map(|(thread, _)| thread).filter(|thread| {
            thread.member_count <= members_max
                && thread.context.as_ref() == Some(object)
                && with.iter().all(|user| takes_part(thread, user))
        });
        Ok(found.max_by_key(|thread| (thread.last_message_at, thread.id)).cloned())
    }
}

fn count(rows: u32) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// Whether a page has room for the text of a message; the one that uses up the last of it may be longer.
fn has_room(room: &mut usize, message: &Message) -> bool {
    let is_left = *room > 0;
    *room = room.saturating_sub(message.body.as_str().len());
    is_left
}

impl Tables {
    /// The threads that are in a user's list, in no order.
    fn listed<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = (&'a Thread, &'a Member)> {
        let own = self.members.iter().filter(|row| row.user == *user && row.standing == Standing::Active);
        own.filter_map(|member| Some((self.thread(member.thread)?, member)))
    }

    /// How many messages a member has not read, by the published formula. A store with an index counts the tombstones
    /// above the mark, and nothing else.
    fn unread(&self, thread: &Thread, member: &Member) -> u64 {
        let above = member.unread_above();
        let is_deleted = |message: &Message| message.seq > above && message.deleted_at.is_some();
        let deleted = self.messages(thread.id).filter(|row| is_deleted(&row.message)).count();
        unread(thread.last_seq, above, u64::try_from(deleted).unwrap_or(u64::MAX))
    }

    /// A row of a user's list.
    fn entry(&self, thread: &Thread, member: &Member, room: &mut usize) -> ThreadEntry {
        let everyone = thread.member_count <= ENTRY_MEMBERS_MAX;
        let newest = self.messages(thread.id).next_back().map(|row| &row.message);
        ThreadEntry {
            thread: thread.clone(),
            member: member.clone(),
            members: if everyone { self.members(thread.id).cloned().collect() } else { vec![member.clone()] },
            last_message: newest
                .filter(|message| member.sees(message.seq) && has_room(room, message))
                .cloned(),
            unread: self.unread(thread, member),
        }
    }

    /// Every row of the thread that changed after a mark, by the value of the change counter that it took last.
    fn changed_after(&self, thread: &Thread, after: Modseq) -> Vec<Change> {
        let fields = (thread.fields_modseq > after).then(|| Change::PutThread(thread.clone()));
        let members = self.members(thread.id).filter(|row| row.modseq > after).cloned();
        let messages = self.messages(thread.id).filter(|row| row.message.modseq > after).map(|row| {
            let message = row.message.clone();
            if row.appended > after {
                Change::AppendMessage(message)
            } else {
                Change::ReplaceMessage(message)
            }
        });
        let summaries = self.summaries.iter().filter(|row| row.thread == thread.id && row.modseq > after);
        let mut changes: Vec<Change> = fields
            .into_iter()
            .chain(members.map(Change::PutMember))
            .chain(messages)
            .chain(summaries.cloned().map(Change::AddSummary))
            .collect();
        changes.sort_unstable_by_key(Change::modseq);
        changes
    }
}

#[async_trait]
impl MessageRepository for TableStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        let tables = self.tables.lock();
        let in_range = |message: &&Message| {
            message.seq > page.after && page.before.is_none_or(|before| message.seq < before)
        };
        let range = tables.messages(thread).map(|row| &row.message).filter(in_range);
        let limit = count(page.limit.get());
        let mut room = count(page.limit.text_bytes());
        let fits = |message: &&Message| has_room(&mut room, message);
        let mut rows: Vec<Message> = match page.from {
            PageEnd::Oldest => range.take(limit).take_while(fits).cloned().collect(),
            PageEnd::Newest => range.rev().take(limit).take_while(fits).cloned().collect(),
        };
        // Whichever end they were taken from, they are given by seq upwards.
        rows.sort_unstable_by_key(|message| message.seq);
        Ok(rows)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.tables.lock().message(id).cloned())
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        let tables = self.tables.lock();
        let last = tables.messages(thread).rfind(|row| row.message.created_at < at);
        Ok(last.map_or(Seq::ZERO, |row| row.message.seq))
    }
}

#[async_trait]
impl SummaryRepository for TableStore {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        let tables = self.tables.lock();
        let newest_first = tables.summaries.iter().rev().filter(|row| row.thread == thread);
        Ok(newest_first.take(count(limit.get())).cloned().collect())
    }
}

#[async_trait]
impl ChangeFeed for TableStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        let tables = self.tables.lock();
        let Some(thread) = tables.thread(thread) else { return Ok(None) };
        let changes = tables.changed_after(thread, after);
        // Whole or none: whoever gets none knows that they must read anew.
        let commit =
            Commit { thread: Arc::new(thread.clone()), prev: after, origin: Origin::Request, changes };
        Ok((commit.changes.len() <= limit).then_some(commit))
    }
}
