//! Letting all records out, and another store's in: see [`tidings_domain::transfer`].

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Sqlite, SqliteConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::job::ClaimedJob;
use tidings_domain::seq::Modseq;
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::{Incoming, Place, Record, RecordKind, RecordPage, Transfer};
use tidings_domain::user::Subject;
use uuid::Uuid;

use crate::SqliteStore;
use crate::batch::WrittenMessage;
use crate::directory::{ContextRow, context_columns};
use crate::error::store_error;
use crate::jobs::{JobRow, WorkCode, work_code};
use crate::load::{hex, json};
use crate::queue::Request;
use crate::rows::{
    MemberRow, MessageRow, SummaryRow, ThreadRow, UserRow, member_columns, message_columns, summary_columns,
    thread_columns, user_columns,
};
use crate::write::{
    Changed, WriteError, context_fields, context_key, member_fields, message_fields, summary_fields,
    thread_fields, user_fields,
};

const USERS: &str = concat!(
    "select ",
    user_columns!(),
    ", (select json_group_array(json_array(s.issuer, s.sub)) from subject s where s.user = u.number) as subjects",
    " from user u where u.number > $1 order by u.number limit $2",
);
const CONTEXTS: &str =
    concat!("select ", context_columns!(), " from context c where c.key > $1 order by c.key limit $2");
const THREADS: &str =
    concat!("select ", thread_columns!(), " from thread t where t.number > $1 order by t.number limit $2");
const MEMBERS: &str = concat!(
    "select ",
    member_columns!(),
    " from member m where (m.thread, m.user_id) > ($1, $2) order by m.thread, m.user_id limit $3",
);
const MESSAGES: &str = concat!(
    "select ",
    message_columns!(),
    " from message x cross join thread t on t.number = x.thread where x.number > $1 order by x.number limit $2",
);
const SUMMARIES: &str = concat!(
    "select s.thread, ",
    summary_columns!(),
    " from summary s cross join thread t on t.number = s.thread where (s.thread, s.modseq) > ($1, $2)",
    " order by s.thread, s.modseq limit $3",
);
const JOBS: &str = "select id, kind, thread_id, upto_seq, failing_users, failures, due_at, attempts, claimable_at \
    from job where id > $1 order by id limit $2";

/// The threads that records belong to.
const THREADS_OF: &str = concat!(
    "select ",
    thread_columns!(),
    " from json_each($1) j cross join thread t on t.id = unhex(j.value)"
);
const PUT_JOBS: &str = "insert into job (id, kind, thread_id, upto_seq, failing_users, failures, due_at, \
    claimable_at, attempts) \
    select unhex(v ->> 0), v ->> 1, unhex(v ->> 2), v ->> 3, v ->> 4, v ->> 5, v ->> 6, v ->> 7, v ->> 8 \
    from (select value as v from jsonb_each($1))";

const HISTORY: &str = "select epoch from meta";
const UNDERWAY: &str = "select source, place from transfer";
const USED: &str = "select exists (select 1 from user) or exists (select 1 from context) \
    or exists (select 1 from thread) or exists (select 1 from job)";
const BEGIN: &str = "insert into transfer (only_row, source, place) values (1, $1, $2)";
const MOVE: &str = "update transfer set place = $2 where place = $1";
const END: &str = "delete from transfer";

/// The statements of this module that grow with the store, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[USERS, CONTEXTS, THREADS, MEMBERS, MESSAGES, SUMMARIES, JOBS, THREADS_OF, PUT_JOBS];

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
struct SummaryOfThread {
    thread: i64,
    #[sqlx(flatten)]
    summary: SummaryRow,
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

/// The number of a thread, and what tells its rows apart.
fn within(after: Option<&str>) -> Result<(i64, &str), StoreError> {
    let Some(after) = after else { return Ok((0, "")) };
    let (number, rest) = after.split_once(' ').ok_or_else(|| corrupt("the key of a record"))?;
    Ok((parsed(number)?, rest))
}

type Query<R> = sqlx::query::QueryAs<'static, Sqlite, R, SqliteArguments>;

impl SqliteStore {
    /// The rows of a query as records, with the key of the last.
    async fn page_of<R>(
        &self,
        kind: RecordKind,
        query: Query<R>,
        record: impl Fn(R) -> Result<(String, Record), StoreError>,
    ) -> Result<RecordPage, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, SqliteRow>,
    {
        let query = query.bind(i64::from(kind.page_max()));
        let rows = query.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        let mut page = RecordPage::default();
        for row in rows {
            let (key, record) = record(row)?;
            page.records.push(record);
            page.last = Some(key);
        }
        Ok(page)
    }

    async fn take_step(&self, step: Step) -> Result<(), StoreError> {
        self.queue.put(Request::Transfer(Arc::new(step))).await.map(drop)
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
    Ok((row.number.to_string(), Record::Thread(Box::new(row.thread()?), key)))
}

fn modseq(value: i64) -> Result<Modseq, StoreError> {
    u64::try_from(value).map(Modseq::new).map_err(|_| corrupt("a modseq"))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn member(row: MemberRow) -> Result<(String, Record), StoreError> {
    let member = row.member()?;
    let key = format!("{} {}", row.thread, member.user);
    Ok((key, Record::Member(member, modseq(row.joined_modseq)?)))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn message(row: MessageRow) -> Result<(String, Record), StoreError> {
    let message = row.message()?;
    Ok((message.number.to_string(), Record::Message(Box::new(message), modseq(row.appended_modseq)?)))
}

fn summary(row: SummaryOfThread) -> Result<(String, Record), StoreError> {
    let summary = row.summary.summary()?;
    Ok((format!("{} {}", row.thread, summary.modseq.get()), Record::Summary(summary)))
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over")]
fn job(row: JobWithLease) -> Result<(String, Record), StoreError> {
    let job = row.job.claimed()?;
    Ok((job.job.id.to_string(), Record::Job(job, Timestamp::from_millis(row.claimable_at))))
}

#[async_trait]
impl Transfer for SqliteStore {
    async fn history(&self) -> Result<Uuid, StoreError> {
        let epoch = sqlx::query_scalar::<_, Vec<u8>>(HISTORY).fetch_one(&self.readers).await;
        let epoch = epoch.map_err(|error| store_error(&error))?;
        Uuid::from_slice(&epoch).map_err(|_| corrupt("the epoch"))
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
                let (number, user) = within(after)?;
                let query = sqlx::query_as(MEMBERS).bind(number).bind(user.to_owned());
                self.page_of(kind, query, member).await
            }
            RecordKind::Message => {
                self.page_of(kind, sqlx::query_as(MESSAGES).bind(number()?), message).await
            }
            RecordKind::Summary => {
                let (number, modseq) = within(after)?;
                let modseq: i64 = if modseq.is_empty() { 0 } else { parsed(modseq)? };
                self.page_of(kind, sqlx::query_as(SUMMARIES).bind(number).bind(modseq), summary).await
            }
            RecordKind::Job => {
                let id: Option<Uuid> = after.map(parsed).transpose()?;
                let id = id.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
                self.page_of(kind, sqlx::query_as(JOBS).bind(id), job).await
            }
        }
    }

    async fn incoming(&self) -> Result<Incoming, StoreError> {
        let failed = |error: sqlx::Error| store_error(&error);
        let underway = sqlx::query_as::<_, (Vec<u8>, String)>(UNDERWAY);
        if let Some((source, place)) = underway.fetch_optional(&self.readers).await.map_err(failed)? {
            let from = Uuid::from_slice(&source).map_err(|_| corrupt("the source of a copy"))?;
            return Ok(Incoming::Underway { from, place: place.parse()? });
        }
        let used: bool = sqlx::query_scalar(USED).fetch_one(&self.readers).await.map_err(failed)?;
        Ok(if used { Incoming::Used } else { Incoming::Empty })
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

/// Takes a step, in the transaction that the connection is in, which becomes the commit of this number.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    step: &Step,
    commit_no: u64,
) -> Result<(), WriteError> {
    match step {
        Step::Begin(from) => {
            let query = sqlx::query(BEGIN).bind(from.as_bytes().to_vec()).bind(Place::START.to_string());
            query.execute(connection).await?;
        }
        Step::Put { records, at, next } => {
            let moved = sqlx::query(MOVE).bind(at.to_string()).bind(next.to_string());
            if moved.execute(&mut *connection).await?.rows_affected() != 1 {
                return Err(StoreError::Internal("the copy is not at this place".into()).into());
            }
            keep(connection, records, commit_no).await?;
        }
        Step::End => {
            sqlx::query(END).execute(connection).await?;
        }
    }
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    records: &[Record],
    commit_no: u64,
) -> Result<(), WriteError> {
    let threads = threads_of(connection, records).await?;
    let of = |id: &ThreadId| {
        threads.get(id).ok_or_else(|| StoreError::Internal("a record of a thread that is not there".into()))
    };
    let keys: Vec<Option<String>> = records.iter().map(key).collect();
    let mut changed = Changed::default();
    let mut jobs = Vec::new();
    for (record, key) in records.iter().zip(&keys) {
        match record {
            Record::User(user, subjects) => {
                changed.users.push(user_fields(user));
                let subject = |s| subject_fields(s, user.number);
                changed.subjects.extend(subjects.iter().map(subject));
            }
            Record::Context(context) => changed.contexts.push(context_fields(context)),
            Record::Thread(thread, _) => {
                changed.new_threads.push(thread_fields(thread, key.as_deref(), commit_no));
            }
            Record::Member(member, joined) => {
                changed.members.push(member_fields(of(&member.thread)?, member, *joined, commit_no));
            }
            Record::Message(message, appended) => {
                let written = WrittenMessage { appended: Some(*appended), commit_no };
                changed.new_messages.push(message_fields(of(&message.thread)?, message, written));
            }
            Record::Summary(summary) => {
                changed.summaries.push(summary_fields(of(&summary.thread)?, summary, commit_no));
            }
            Record::Job(job, claimable_at) => jobs.push(job_fields(job, *claimable_at)),
        }
    }
    changed.write(connection, commit_no).await?;
    if !jobs.is_empty() {
        sqlx::query(PUT_JOBS).bind(json(&jobs)?).execute(connection).await?;
    }
    Ok(())
}

fn key(record: &Record) -> Option<String> {
    if let Record::Thread(_, key) = record { key.as_ref().map(ToString::to_string) } else { None }
}

fn subject_fields(subject: &Subject, user: u64) -> (&str, &str, u64) {
    (&subject.issuer, &subject.sub, user)
}

/// Id, kind, thread, last seq, to whom it failed and how often, when it is due and may be claimed, attempts.
type JobFields<'a> = (String, i64, String, u64, Vec<&'a str>, u32, i64, i64, u32);

fn job_fields(job: &ClaimedJob, claimable_at: Timestamp) -> JobFields<'_> {
    let WorkCode { kind, upto, failing, failures } = work_code(&job.job.work);
    let (id, thread) = (hex(job.job.id.as_uuid()), hex(job.job.work.thread().as_uuid()));
    let (due_at, claimable_at) = (job.job.due_at.as_millis(), claimable_at.as_millis());
    (id, kind, thread, upto.get(), failing, failures, due_at, claimable_at, job.attempts)
}

async fn threads_of(
    connection: &mut SqliteConnection,
    records: &[Record],
) -> Result<HashMap<ThreadId, Thread>, WriteError> {
    let named = records.iter().filter_map(|record| match record {
        Record::Member(member, _) => Some(member.thread),
        Record::Message(message, _) => Some(message.thread),
        Record::Summary(summary) => Some(summary.thread),
        Record::User(..) | Record::Context(_) | Record::Thread(..) | Record::Job(..) => None,
    });
    let named: BTreeSet<ThreadId> = named.collect();
    let ids: Vec<String> = named.iter().map(|id| hex(id.as_uuid())).collect();
    let query = sqlx::query_as::<_, ThreadRow>(THREADS_OF).bind(json(&ids)?);
    let rows = query.fetch_all(connection).await?;
    let threads = rows.iter().map(|row| row.thread().map(|thread| (thread.id, thread)));
    Ok(threads.collect::<Result<_, StoreError>>()?)
}
