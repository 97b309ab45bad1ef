//! Threads, messages and the feed: writes through a lane, reads on their own connections.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::ContextRef;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{About, MessagePage, PageEnd, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::ports::{ChangeFeed, MessageRepository, SummaryRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;

use crate::queue::{Answer, Request, mismatched};
use crate::rows::{
    MemberRow, MessageRow, SummaryRow, ThreadRow, member_columns, message_columns, signed, summary_columns,
    thread_columns,
};
use crate::{PgStore, about, list};

const THREAD_BY_ID: &str = concat!("select ", thread_columns!(), " from thread t where t.id = $1");
const THREAD_BY_KEY: &str = concat!("select ", thread_columns!(), " from thread t where t.key = $1");

const MEMBERS: &str = concat!("select ", member_columns!(), " from member m where m.thread_id = $1");

/// A thread's members are few and are looked through; its messages have an index.
const MEMBER_CHANGES: &str = concat!(
    "select ",
    member_columns!(),
    " from member m where m.thread_id = $1 and m.modseq > $2 limit $3",
);

const MESSAGE_CHANGES: &str = concat!(
    "select ",
    message_columns!(),
    " from message x where x.thread_id = $1 and x.modseq > $2 order by x.modseq limit $3",
);

const SUMMARY_CHANGES: &str = concat!(
    "select ",
    summary_columns!(),
    " from summary s where s.thread_id = $1 and s.modseq > $2 order by s.modseq limit $3",
);

const SUMMARIES: &str = concat!(
    "select ",
    summary_columns!(),
    " from summary s where s.thread_id = $1 order by s.modseq desc limit $2",
);

const MESSAGE: &str = concat!("select ", message_columns!(), " from message x where x.id = $1");

/// A page of messages from one end: arguments are the thread, the bounds, how many rows, and how many bytes of text.
/// Large texts are kept apart from their rows, and what is left out is not read.
macro_rules! page {
    ($order:literal) => {
        concat!(
            "select ",
            message_columns!(),
            " from (select x.*, sum(octet_length(x.body)) over (order by x.seq ",
            $order,
            " rows between unbounded preceding and 1 preceding) as above",
            " from (select * from message x where x.thread_id = $1 and x.seq > $2 and x.seq < $3",
            " order by x.seq ",
            $order,
            " limit $4) x) x where coalesce(x.above, 0) < $5 order by x.seq ",
            $order,
        )
    };
}

const NEWEST: &str = page!("desc");
const OLDEST: &str = page!("asc");

/// Halves the range of seqs until one is left: times never run backwards within a thread. The limit keeps the planner
/// from reading the whole thread for one join.
const LAST_BEFORE: &str = "\
with recursive half (low, high) as ( \
  select 0::bigint, last_seq from thread where id = $1 \
  union all \
  select case when x.created_at < $2 then x.seq else h.low end, \
    case when x.created_at < $2 then h.high else x.seq - 1 end \
  from half h, lateral (select seq, created_at from message \
    where thread_id = $1 and seq = (h.low + h.high + 1) / 2 limit 1) x \
  where h.low < h.high \
) select low from half where low = high";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    THREAD_BY_ID,
    THREAD_BY_KEY,
    MEMBERS,
    MEMBER_CHANGES,
    MESSAGE_CHANGES,
    SUMMARY_CHANGES,
    SUMMARIES,
    MESSAGE,
    NEWEST,
    OLDEST,
    LAST_BEFORE,
];

/// Members in the order they came in.
pub(crate) fn by_arrival(mut rows: Vec<MemberRow>) -> Result<Vec<Member>, StoreError> {
    rows.sort_unstable_by_key(|row| row.joined_modseq);
    rows.iter().map(MemberRow::member).collect()
}

#[async_trait]
impl ThreadRepository for PgStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        let scope = decision.scope();
        match self.lane(scope.thread)?.put(Request::Decide { decision, scope }).await? {
            Answer::Decided => Ok(()),
            Answer::Created(..) => Err(mismatched()),
        }
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        match self.lane(new.id)?.put(Request::Create(new)).await? {
            Answer::Created(thread, created) => Ok((thread, created)),
            Answer::Decided => Err(mismatched()),
        }
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        let mut reader = self.readers.take().await?;
        let query = sqlx::query_as::<_, ThreadRow>(THREAD_BY_ID).bind(*id.as_uuid());
        let row = reader.optional(query).await?;
        reader.done().await;
        row.map(|row| row.thread()).transpose()
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        let mut reader = self.readers.take().await?;
        let query = sqlx::query_as::<_, ThreadRow>(THREAD_BY_KEY).bind(key.to_string());
        let row = reader.optional(query).await?;
        reader.done().await;
        row.map(|row| row.thread()).transpose()
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        let mut reader = self.readers.take().await?;
        reader.moment().await?;
        let query = sqlx::query_as::<_, ThreadRow>(THREAD_BY_ID).bind(*id.as_uuid());
        let thread = reader.optional(query).await?;
        let members = reader.all(sqlx::query_as::<_, MemberRow>(MEMBERS).bind(*id.as_uuid())).await?;
        reader.done().await;
        let Some(thread) = thread else { return Ok(None) };
        Ok(Some((thread.thread()?, by_arrival(members)?)))
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        let mut reader = self.readers.take().await?;
        reader.moment().await?;
        let entries = list::threads_of(&mut reader, user, page).await?;
        reader.done().await;
        Ok(entries)
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        about::unread_of(self, user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        about::latest_about(self, user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for PgStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        let sql = match page.from {
            PageEnd::Newest => NEWEST,
            PageEnd::Oldest => OLDEST,
        };
        let query = sqlx::query_as::<_, MessageRow>(sql)
            .bind(*thread.as_uuid())
            .bind(signed(page.after.get()))
            .bind(page.before.map_or(i64::MAX, |before| signed(before.get())))
            .bind(i64::from(page.limit.get()))
            .bind(i64::from(page.limit.text_bytes()));
        let mut reader = self.readers.take().await?;
        let mut rows = reader.all(query).await?;
        reader.done().await;
        if page.from == PageEnd::Newest {
            rows.reverse();
        }
        rows.iter().map(MessageRow::message).collect()
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let mut reader = self.readers.take().await?;
        let row = reader.optional(sqlx::query_as::<_, MessageRow>(MESSAGE).bind(*id.as_uuid())).await?;
        reader.done().await;
        row.map(|row| row.message()).transpose()
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        let query = sqlx::query_as::<_, (i64,)>(LAST_BEFORE).bind(*thread.as_uuid()).bind(at.as_millis());
        let mut reader = self.readers.take().await?;
        let seq = reader.optional(query).await?;
        reader.done().await;
        Ok(Seq::new(seq.and_then(|(seq,)| u64::try_from(seq).ok()).unwrap_or(0)))
    }
}

#[async_trait]
impl SummaryRepository for PgStore {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        let query =
            sqlx::query_as::<_, SummaryRow>(SUMMARIES).bind(*thread.as_uuid()).bind(i64::from(limit.get()));
        let mut reader = self.readers.take().await?;
        let rows = reader.all(query).await?;
        reader.done().await;
        rows.into_iter().map(SummaryRow::summary).collect()
    }
}

#[async_trait]
impl ChangeFeed for PgStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        let (id, above) = (*thread.as_uuid(), signed(after.get()));
        // One more than wanted shows that there are too many.
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut reader = self.readers.take().await?;
        reader.moment().await?;
        let found = reader.optional(sqlx::query_as::<_, ThreadRow>(THREAD_BY_ID).bind(id)).await?;
        let members = sqlx::query_as::<_, MemberRow>(MEMBER_CHANGES).bind(id).bind(above).bind(rows);
        let members = reader.all(members).await?;
        let messages = sqlx::query_as::<_, MessageRow>(MESSAGE_CHANGES).bind(id).bind(above).bind(rows);
        let messages = reader.all(messages).await?;
        let summaries = sqlx::query_as::<_, SummaryRow>(SUMMARY_CHANGES).bind(id).bind(above).bind(rows);
        let summaries = reader.all(summaries).await?;
        reader.done().await;
        let Some(found) = found else { return Ok(None) };
        let thread = found.thread()?;
        let mut changes = Vec::with_capacity(members.len() + messages.len() + summaries.len() + 1);
        for row in members {
            changes.push(Change::PutMember(row.member()?));
        }
        for row in messages {
            let message = row.message()?;
            let is_new = row.appended_modseq > above;
            changes.push(if is_new {
                Change::AppendMessage(message)
            } else {
                Change::ReplaceMessage(message)
            });
        }
        for row in summaries {
            changes.push(Change::AddSummary(row.summary()?));
        }
        if thread.fields_modseq > after {
            changes.push(Change::PutThread(thread.clone()));
        }
        if changes.len() > limit {
            return Ok(None);
        }
        changes.sort_unstable_by_key(Change::modseq);
        Ok(Some(Commit { thread: Arc::new(thread), prev: after, origin: Origin::Request, changes }))
    }
}
