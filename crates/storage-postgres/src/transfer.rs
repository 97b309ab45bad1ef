//! Letting all records out, and another store's in: see [`tidings_domain::transfer`].

mod keep;

use std::str::FromStr;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};
use tidings_domain::error::StoreError;
use tidings_domain::seq::Modseq;
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::{Incoming, Place, Record, RecordKind, RecordPage, Transfer};
use tidings_domain::user::Subject;
use uuid::Uuid;

use crate::PgStore;
use crate::directory::{ContextRow, context_columns, context_key, user_columns};
use crate::jobs::JobRow;
use crate::queue::Errand;
use crate::rows::{
    MemberRow, MessageRow, SummaryRow, ThreadRow, UserRow, member_columns, message_columns, summary_columns,
    thread_columns,
};

pub(crate) use keep::take;

const USERS: &str = concat!(
    "select ",
    user_columns!(),
    ", coalesce((select json_agg(json_build_array(s.issuer, s.sub)) from subject s where s.user_id = u.id), '[]')::text",
    " as subjects from person u where u.number > $1 order by u.number limit $2",
);
const CONTEXTS: &str =
    concat!("select ", context_columns!(), " from context c where c.key > $1 order by c.key limit $2");
const THREADS: &str =
    concat!("select ", thread_columns!(), " from thread t where t.number > $1 order by t.number limit $2");
const MEMBERS: &str = concat!(
    "select ",
    member_columns!(),
    " from member m where (m.thread_id, m.user_id) > ($1, $2) order by m.thread_id, m.user_id limit $3",
);
const MESSAGES: &str = concat!(
    "select ",
    message_columns!(),
    " from message x where (x.thread_id, x.seq) > ($1, $2) order by x.thread_id, x.seq limit $3",
);
const SUMMARIES: &str = concat!(
    "select ",
    summary_columns!(),
    " from summary s where (s.thread_id, s.modseq) > ($1, $2) order by s.thread_id, s.modseq limit $3",
);
const JOBS: &str = "select id, kind, thread_id, upto_seq, failing_users, failures, due_at, attempts, claimable_at \
    from job where id > $1 order by id limit $2";

const HISTORY: &str = "select epoch from meta";
const UNDERWAY: &str = "select source, place from transfer";
const USED: &str = "select exists (select 1 from person) or exists (select 1 from context) \
    or exists (select 1 from thread) or exists (select 1 from job)";
/// The statements of this module that grow with the store, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] =
    &[&[USERS, CONTEXTS, THREADS, MEMBERS, MESSAGES, SUMMARIES, JOBS], keep::STATEMENTS];

/// A step of a copy into this store.
#[derive(Debug)]
pub(crate) enum Step {
    Begin(Uuid),
    Put { records: Vec<Record>, at: Place, next: Place },
    End,
}

#[derive(Debug, FromRow)]
struct UserWithSubjects {
    #[sqlx(flatten)]
    user: UserRow,
    subjects: String,
}

#[derive(Debug, FromRow)]
struct JobWithLease {
    #[sqlx(flatten)]
    job: JobRow,
    claimable_at: i64,
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}

fn parsed<T: FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt("the key of a record"))
}

/// A thread, and what tells its rows apart.
fn within(after: Option<&str>) -> Result<(Uuid, &str), StoreError> {
    let Some(after) = after else { return Ok((Uuid::nil(), "")) };
    let (thread, rest) = after.split_once(' ').ok_or_else(|| corrupt("the key of a record"))?;
    Ok((parsed(thread)?, rest))
}

/// A thread, and a place in it.
fn place_within(after: Option<&str>) -> Result<(Uuid, i64), StoreError> {
    let (thread, place) = within(after)?;
    Ok((thread, if place.is_empty() { 0 } else { parsed(place)? }))
}

type Query<R> = QueryAs<'static, Postgres, R, PgArguments>;

impl PgStore {
    /// The rows of a query as records, with the key of the last.
    async fn page_of<R>(
        &self,
        kind: RecordKind,
        query: Query<R>,
        record: impl Fn(R) -> Result<(String, Record), StoreError>,
    ) -> Result<RecordPage, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let mut reader = self.readers.take().await?;
        let rows = reader.all(query.bind(i64::from(kind.page_max()))).await?;
        reader.done().await;
        let mut page = RecordPage::default();
        for row in rows {
            let (key, record) = record(row)?;
            page.records.push(record);
            page.last = Some(key);
        }
        Ok(page)
    }

    async fn one<R>(&self, query: Query<R>) -> Result<Option<R>, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let mut reader = self.readers.take().await?;
        let row = reader.optional(query).await?;
        reader.done().await;
        Ok(row)
    }

    async fn take_step(&self, step: Step) -> Result<(), StoreError> {
        self.errands.put(Errand::Transfer(step)).await.map(drop)
    }
}

fn user(row: UserWithSubjects) -> Result<(String, Record), StoreError> {
    let pairs: Vec<(String, String)> =
        serde_json::from_str(&row.subjects).map_err(|_| corrupt("the subjects of a user"))?;
    let mut subjects: Vec<Subject> = pairs.into_iter().map(|(issuer, sub)| Subject { issuer, sub }).collect();
    subjects.sort_unstable();
    let user = row.user.user()?;
    Ok((user.number.to_string(), Record::User(Box::new(user), subjects)))
}

fn context(row: ContextRow) -> Result<(String, Record), StoreError> {
    let context = row.context()?;
    Ok((context_key(&context.reference), Record::Context(context)))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn thread(row: ThreadRow) -> Result<(String, Record), StoreError> {
    let key = row.key.as_deref().map(|key| key.parse().map_err(|_| corrupt("a thread's key"))).transpose()?;
    let thread = row.thread()?;
    Ok((thread.number.to_string(), Record::Thread(Box::new(thread), key)))
}

fn modseq(value: i64) -> Result<Modseq, StoreError> {
    u64::try_from(value).map(Modseq::new).map_err(|_| corrupt("a modseq"))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn member(row: MemberRow) -> Result<(String, Record), StoreError> {
    let member = row.member()?;
    let key = format!("{} {}", member.thread, member.user);
    Ok((key, Record::Member(member, modseq(row.joined_modseq)?)))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn message(row: MessageRow) -> Result<(String, Record), StoreError> {
    let message = row.message()?;
    let key = format!("{} {}", message.thread, message.seq.get());
    Ok((key, Record::Message(Box::new(message), modseq(row.appended_modseq)?)))
}

fn summary(row: SummaryRow) -> Result<(String, Record), StoreError> {
    let summary = row.summary()?;
    Ok((format!("{} {}", summary.thread, summary.modseq.get()), Record::Summary(summary)))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn job(row: JobWithLease) -> Result<(String, Record), StoreError> {
    let job = row.job.claimed().map_err(|error| corrupt(&error.to_string()))?;
    Ok((job.job.id.to_string(), Record::Job(job, Timestamp::from_millis(row.claimable_at))))
}

#[async_trait]
impl Transfer for PgStore {
    async fn history(&self) -> Result<Uuid, StoreError> {
        let epoch = self.one(sqlx::query_as::<_, (Uuid,)>(HISTORY)).await?;
        epoch.map(|(epoch,)| epoch).ok_or_else(|| corrupt("the epoch"))
    }

    async fn records(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let number = || after.map_or(Ok(0), parsed::<i64>);
        match kind {
            RecordKind::User => self.page_of(kind, sqlx::query_as(USERS).bind(number()?), user).await,
            RecordKind::Context => {
                let key = after.unwrap_or_default().to_owned();
                self.page_of(kind, sqlx::query_as(CONTEXTS).bind(key), context).await
            }
            RecordKind::Thread => self.page_of(kind, sqlx::query_as(THREADS).bind(number()?), thread).await,
            RecordKind::Member => {
                let (id, user) = within(after)?;
                self.page_of(kind, sqlx::query_as(MEMBERS).bind(id).bind(user.to_owned()), member).await
            }
            RecordKind::Message => {
                let (id, seq) = place_within(after)?;
                self.page_of(kind, sqlx::query_as(MESSAGES).bind(id).bind(seq), message).await
            }
            RecordKind::Summary => {
                let (id, modseq) = place_within(after)?;
                self.page_of(kind, sqlx::query_as(SUMMARIES).bind(id).bind(modseq), summary).await
            }
            RecordKind::Job => {
                let id: Uuid = after.map_or(Ok(Uuid::nil()), parsed)?;
                self.page_of(kind, sqlx::query_as(JOBS).bind(id), job).await
            }
        }
    }

    async fn incoming(&self) -> Result<Incoming, StoreError> {
        if let Some((from, place)) = self.one(sqlx::query_as::<_, (Uuid, String)>(UNDERWAY)).await? {
            return Ok(Incoming::Underway { from, place: place.parse()? });
        }
        let used = self.one(sqlx::query_as::<_, (bool,)>(USED)).await?;
        Ok(if used == Some((false,)) { Incoming::Empty } else { Incoming::Used })
    }

    async fn begin(&self, from: Uuid) -> Result<(), StoreError> {
        if self.incoming().await? != Incoming::Empty {
            return Err(StoreError::Internal("a copy into a store that is not empty".into()));
        }
        self.take_step(Step::Begin(from)).await
    }

    async fn put(&self, records: Vec<Record>, at: &Place, next: &Place) -> Result<(), StoreError> {
        self.take_step(Step::Put { records, at: at.clone(), next: next.clone() }).await
    }

    async fn end(&self) -> Result<(), StoreError> {
        self.take_step(Step::End).await
    }
}
