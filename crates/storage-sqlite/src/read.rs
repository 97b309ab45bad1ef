//! Threads, messages and the feed: writes through the queue, reads on their own connections.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Either, FromRow, SqliteConnection};
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::ContextRef;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{About, MessagePage, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::ports::{ChangeFeed, MessageRepository, SummaryRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;

use crate::error::store_error;
use crate::queue::{Answer, Request, mismatched};
use crate::rows::{
    MemberRow, MessageRow, SummaryRow, ThreadRow, member_columns, message_columns, signed, summary_columns,
    thread_columns,
};
use crate::{SqliteStore, about, list, pages};

const THREAD_BY_ID: &str = concat!("select ", thread_columns!(), " from thread t where t.id = $1");
const THREAD_BY_KEY: &str = concat!("select ", thread_columns!(), " from thread t where t.key = $1");

/// A thread, then all its members.
const ROSTER: &str = concat!(
    "select ",
    thread_columns!(),
    " from thread t where t.id = $1;",
    "select ",
    member_columns!(),
    " from thread t cross join member m on m.thread = t.number where t.id = $1;",
);

/// A thread, then its members changed after a mark, then its messages, then its summaries. A thread's members are few and are looked
/// through; its messages have an index.
const CHANGES: &str = concat!(
    "select ",
    thread_columns!(),
    " from thread t where t.id = $1;",
    "select ",
    member_columns!(),
    " from thread t cross join member m on m.thread = t.number where t.id = $1 and m.modseq > $2 limit $3;",
    "select ",
    message_columns!(),
    " from thread t cross join message x on x.thread = t.number where t.id = $1 and x.modseq > $2",
    " order by x.modseq limit $3;",
    "select ",
    summary_columns!(),
    " from thread t cross join summary s on s.thread = t.number where t.id = $1 and s.modseq > $2",
    " order by s.modseq limit $3;",
);

const SUMMARIES: &str = concat!(
    "select ",
    summary_columns!(),
    " from thread t cross join summary s on s.thread = t.number where t.id = $1",
    " order by s.modseq desc limit $2",
);

const MESSAGE: &str = concat!(
    "select ",
    message_columns!(),
    " from message x cross join thread t on t.number = x.thread where x.id = $1",
);

/// Halves the range of seqs until one is left: times never run backwards within a thread.
const LAST_BEFORE: &str = "\
with recursive half (thread, low, high) as ( \
  select number, 0, last_seq from thread where id = $1 \
  union all \
  select h.thread, iif(x.created_at < $2, x.seq, h.low), iif(x.created_at < $2, h.high, x.seq - 1) \
  from half h cross join message x on x.thread = h.thread and x.seq = (h.low + h.high + 1) / 2 \
  where h.low < h.high \
) select low from half where low = high";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[THREAD_BY_ID, THREAD_BY_KEY, ROSTER, CHANGES, SUMMARIES, MESSAGE, LAST_BEFORE];

pub(crate) fn id_bytes(id: &uuid::Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

impl SqliteStore {
    /// Opens a moment that all statements until its end see together.
    pub(crate) async fn moment(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        self.readers.begin().await.map_err(|error| store_error(&error))
    }

    pub(crate) async fn one_thread(
        &self,
        query: sqlx::query::QueryAs<'_, sqlx::Sqlite, ThreadRow, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Option<Thread>, StoreError> {
        let row = query.fetch_optional(&self.readers).await.map_err(|error| store_error(&error))?;
        row.map(|row| row.thread()).transpose()
    }
}

/// How many rows are made something of before other tasks have their turn.
const ROWS_AT_ONCE: usize = 32;

/// Lets other tasks have their turn, now and then: many rows that are there already would be taken in one go.
pub(crate) async fn give_way(rows: usize) {
    if rows.is_multiple_of(ROWS_AT_ONCE) {
        tokio::task::yield_now().await;
    }
}

/// Runs a script of selects, handing over each row with the number of its statement.
pub(crate) async fn script<'q>(
    connection: &mut SqliteConnection,
    query: sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    mut take: impl FnMut(usize, &SqliteRow) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    #[expect(deprecated, reason = "one script is one round trip; `raw_sql` takes no arguments")]
    let mut rows = query.fetch_many(connection);
    let (mut statement, mut count): (usize, usize) = (0, 0);
    while let Some(item) = rows.try_next().await.map_err(|error| store_error(&error))? {
        count = count.saturating_add(1);
        give_way(count).await;
        match item {
            Either::Left(_) => statement = statement.saturating_add(1),
            Either::Right(row) => take(statement, &row)?,
        }
    }
    Ok(())
}

/// A row in the shape of its table.
pub(crate) fn shaped<'r, R: FromRow<'r, SqliteRow>>(row: &'r SqliteRow) -> Result<R, StoreError> {
    R::from_row(row).map_err(|error| store_error(&error))
}

/// Members in the order they came in.
pub(crate) fn by_arrival(mut rows: Vec<MemberRow>) -> Result<Vec<Member>, StoreError> {
    rows.sort_unstable_by_key(|row| row.joined_modseq);
    rows.iter().map(MemberRow::member).collect()
}

#[async_trait]
impl ThreadRepository for SqliteStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        let scope = decision.scope();
        match self.queue.put(Request::Decide { decision, scope }).await? {
            Answer::Done => Ok(()),
            Answer::Created(..) | Answer::User(_) | Answer::Claimed(_) => Err(mismatched()),
        }
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        match self.queue.put(Request::Create(new)).await? {
            Answer::Created(thread, created) => Ok((thread, created)),
            Answer::Done | Answer::User(_) | Answer::Claimed(_) => Err(mismatched()),
        }
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.one_thread(sqlx::query_as(THREAD_BY_ID).bind(id_bytes(id.as_uuid()))).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.one_thread(sqlx::query_as(THREAD_BY_KEY).bind(key.to_string())).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        let mut moment = self.moment().await?;
        let mut thread = None;
        let mut members = Vec::new();
        script(&mut moment, sqlx::query(ROSTER).bind(id_bytes(id.as_uuid())), |statement, row| {
            if statement == 0 {
                thread = Some(shaped::<ThreadRow>(row)?.thread()?);
            } else {
                members.push(shaped(row)?);
            }
            Ok(())
        })
        .await?;
        let Some(thread) = thread else { return Ok(None) };
        Ok(Some((thread, by_arrival(members)?)))
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        list::threads_of(self, user, page).await
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
impl MessageRepository for SqliteStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        pages::page(self, thread, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let query = sqlx::query_as::<_, MessageRow>(MESSAGE).bind(id_bytes(id.as_uuid()));
        let row = query.fetch_optional(&self.readers).await.map_err(|error| store_error(&error))?;
        row.map(|row| row.message()).transpose()
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        let query =
            sqlx::query_scalar::<_, i64>(LAST_BEFORE).bind(id_bytes(thread.as_uuid())).bind(at.as_millis());
        let seq = query.fetch_optional(&self.readers).await.map_err(|error| store_error(&error))?;
        Ok(Seq::new(u64::try_from(seq.unwrap_or(0)).unwrap_or(0)))
    }
}

#[async_trait]
impl SummaryRepository for SqliteStore {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        let query = sqlx::query_as::<_, SummaryRow>(SUMMARIES)
            .bind(id_bytes(thread.as_uuid()))
            .bind(i64::from(limit.get()));
        let rows = query.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        rows.into_iter().map(SummaryRow::summary).collect()
    }
}

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        let mut moment = self.moment().await?;
        let query = sqlx::query(CHANGES)
            .bind(id_bytes(thread.as_uuid()))
            .bind(signed(after.get()))
            // One more than wanted shows that there are too many.
            .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let mut found = None;
        let mut changes = Vec::new();
        script(&mut moment, query, |statement, row| {
            match statement {
                0 => found = Some(shaped::<ThreadRow>(row)?.thread()?),
                1 => changes.push(Change::PutMember(shaped::<MemberRow>(row)?.member()?)),
                3 => changes.push(Change::AddSummary(shaped::<SummaryRow>(row)?.summary()?)),
                _ => {
                    let row: MessageRow = shaped(row)?;
                    let message = row.message()?;
                    let is_new = row.appended_modseq > signed(after.get());
                    changes.push(if is_new {
                        Change::AppendMessage(message)
                    } else {
                        Change::ReplaceMessage(message)
                    });
                }
            }
            Ok(())
        })
        .await?;
        let Some(thread) = found else { return Ok(None) };
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
