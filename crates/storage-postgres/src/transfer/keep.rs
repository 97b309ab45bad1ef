//! Keeping another store's records as they are, with all that this store derives from them.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use tidings_domain::id::ThreadId;
use tidings_domain::job::ClaimedJob;
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::{Place, Record};
use tidings_domain::user::{Subject, User};
use uuid::Uuid;

use super::Step;
use crate::directory::put_context;
use crate::jobs::{count, work_code};
use crate::rows::{ThreadRow, signed, thread_columns};
use crate::write::{Changed, Made, WriteError};

/// The threads that records belong to.
const THREADS_OF: &str = concat!("select ", thread_columns!(), " from thread t where t.id = any($1)");

const PUT_USERS: &str = "insert into person \
    (number, id, name, username, email, told, avatar_url, role, updated_at, as_of) \
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], \
    $8::text[], $9::bigint[], $10::bigint[])";
const PUT_SUBJECTS: &str = "insert into subject (issuer, sub, user_id) \
    select * from unnest($1::text[], $2::text[], $3::text[])";
const PUT_JOBS: &str = "insert into job (id, kind, thread_id, upto_seq, failing_users, failures, due_at, \
    claimable_at, attempts) \
    select j.id, j.kind, j.thread_id, j.upto_seq, coalesce(string_to_array(nullif(j.failing, ''), ' '), '{}'), \
    j.failures, j.due_at, j.claimable_at, j.attempts \
    from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::text[], $6::int[], $7::bigint[], \
    $8::bigint[], $9::int[]) \
    j (id, kind, thread_id, upto_seq, failing, failures, due_at, claimable_at, attempts)";
const LAST_NUMBERS: &str = "update thread t set last_number = greatest(t.last_number, c.number) \
    from unnest($1::uuid[], $2::bigint[]) c (id, number) where t.id = c.id";

/// The next value is above the one given. A message's is the first of a block.
const USER_NUMBER: &str =
    "select setval('user_number', greatest((select last_value from user_number), $1::bigint))";
const THREAD_NUMBER: &str =
    "select setval('thread_number', greatest((select last_value from thread_number), $1::bigint))";
const MESSAGE_NUMBER: &str = "select setval('message_number', greatest((select last_value from message_number), $1::bigint + 1), false)";

const BEGIN: &str = "insert into transfer (source, place) values ($1, $2)";
const MOVE: &str = "update transfer set place = $2 where place = $1";
const END: &str = "delete from transfer";

/// The statements of this module that grow with the store, for the test that looks at their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[THREADS_OF, PUT_USERS, PUT_SUBJECTS, PUT_JOBS, LAST_NUMBERS];

/// What keeps the rows from being written, as a failure of the transaction.
fn refused(why: &str) -> sqlx::Error {
    sqlx::Error::Decode(why.into())
}

/// Takes a step, in the transaction that the connection is in.
pub(crate) async fn take(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    match step {
        Step::Begin(from) => {
            let query = sqlx::query(BEGIN).bind(*from).bind(Place::START.to_string());
            query.execute(connection).await?;
        }
        Step::Put { records, at, next } => {
            let moved = sqlx::query(MOVE).bind(at.to_string()).bind(next.to_string());
            if moved.execute(&mut *connection).await?.rows_affected() != 1 {
                return Err(refused("the copy is not at this place"));
            }
            keep(connection, records).await?;
        }
        Step::End => {
            sqlx::query(END).execute(connection).await?;
        }
    }
    Ok(())
}

async fn keep(connection: &mut PgConnection, records: &[Record]) -> Result<(), sqlx::Error> {
    let threads = threads_of(connection, records).await?;
    let of = |id: &ThreadId| threads.get(id).ok_or_else(|| refused("a record of a thread that is not there"));
    let keys: Vec<Option<String>> = records.iter().map(key).collect();
    let mut changed = Changed::default();
    let (mut users, mut jobs, mut numbers) = (Vec::new(), Vec::new(), Numbers::default());
    for (record, key) in records.iter().zip(&keys) {
        match record {
            Record::User(user, subjects) => {
                numbers.user = numbers.user.max(user.number);
                users.push((user.as_ref(), subjects.as_slice()));
            }
            Record::Context(context) => put_context(connection, context).await?,
            Record::Thread(thread, _) => {
                numbers.thread = numbers.thread.max(thread.number);
                changed.new_threads.push(Made { thread, key: key.as_deref(), last_number: 0 });
            }
            Record::Member(member, joined) => {
                changed.members.push(of(&member.thread)?, member, *joined);
            }
            Record::Message(message, appended) => {
                let last = numbers.messages.entry(message.thread).or_default();
                *last = message.number.max(*last);
                changed.appended.push(message, *appended);
            }
            Record::Summary(summary) => changed.summaries.push(summary),
            Record::Job(job, claimable_at) => jobs.push((job, *claimable_at)),
        }
    }
    changed.write(connection).await.map_err(|error| match error {
        WriteError::Sql(error) => error,
        WriteError::Rows(error) => refused(&error.to_string()),
    })?;
    put_users(connection, &users).await?;
    put_jobs(connection, &jobs).await?;
    numbers.go_on(connection).await
}

fn key(record: &Record) -> Option<String> {
    if let Record::Thread(_, key) = record { key.as_ref().map(ToString::to_string) } else { None }
}

async fn threads_of(
    connection: &mut PgConnection,
    records: &[Record],
) -> Result<HashMap<ThreadId, Thread>, sqlx::Error> {
    let named = records.iter().filter_map(|record| match record {
        Record::Member(member, _) => Some(*member.thread.as_uuid()),
        Record::User(..)
        | Record::Context(_)
        | Record::Thread(..)
        | Record::Message(..)
        | Record::Summary(_)
        | Record::Job(..) => None,
    });
    let mut named: Vec<Uuid> = named.collect();
    named.dedup();
    let rows = sqlx::query_as::<_, ThreadRow>(THREADS_OF).bind(named).fetch_all(connection).await?;
    let thread = |row: &ThreadRow| {
        let thread = row.thread().map_err(|error| refused(&error.to_string()))?;
        Ok((thread.id, thread))
    };
    rows.iter().map(thread).collect()
}

async fn put_users(connection: &mut PgConnection, users: &[(&User, &[Subject])]) -> Result<(), sqlx::Error> {
    if users.is_empty() {
        return Ok(());
    }
    let each = || users.iter().map(|(user, _)| *user);
    sqlx::query(PUT_USERS)
        .bind(each().map(|user| signed(user.number)).collect::<Vec<i64>>())
        .bind(each().map(|user| user.id.as_str()).collect::<Vec<&str>>())
        .bind(each().map(|user| user.name.as_str()).collect::<Vec<&str>>())
        .bind(each().map(|user| user.username.as_deref()).collect::<Vec<Option<&str>>>())
        .bind(each().map(|user| user.email.as_deref()).collect::<Vec<Option<&str>>>())
        .bind(each().map(|user| user.told).collect::<Vec<bool>>())
        .bind(each().map(|user| user.avatar_url.as_deref()).collect::<Vec<Option<&str>>>())
        .bind(each().map(|user| user.role.as_ref().map(|role| role.as_str())).collect::<Vec<Option<&str>>>())
        .bind(each().map(|user| user.updated_at.as_millis()).collect::<Vec<i64>>())
        .bind(each().map(|user| user.as_of.as_millis()).collect::<Vec<i64>>())
        .execute(&mut *connection)
        .await?;
    let each =
        || users.iter().flat_map(|(user, subjects)| subjects.iter().map(move |subject| (user, subject)));
    sqlx::query(PUT_SUBJECTS)
        .bind(each().map(|(_, subject)| subject.issuer.as_str()).collect::<Vec<&str>>())
        .bind(each().map(|(_, subject)| subject.sub.as_str()).collect::<Vec<&str>>())
        .bind(each().map(|(user, _)| user.id.as_str()).collect::<Vec<&str>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_jobs(
    connection: &mut PgConnection,
    jobs: &[(&ClaimedJob, Timestamp)],
) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let codes = || jobs.iter().map(|(job, _)| work_code(&job.job.work));
    sqlx::query(PUT_JOBS)
        .bind(jobs.iter().map(|(job, _)| *job.job.id.as_uuid()).collect::<Vec<Uuid>>())
        .bind(codes().map(|code| code.kind).collect::<Vec<i16>>())
        .bind(jobs.iter().map(|(job, _)| *job.job.work.thread().as_uuid()).collect::<Vec<Uuid>>())
        .bind(codes().map(|code| signed(code.upto.get())).collect::<Vec<i64>>())
        // An array of arrays would need all of one length; ids hold no spaces.
        .bind(codes().map(|code| code.failing.join(" ")).collect::<Vec<String>>())
        .bind(codes().map(|code| count(code.failures)).collect::<Vec<i32>>())
        .bind(jobs.iter().map(|(job, _)| job.job.due_at.as_millis()).collect::<Vec<i64>>())
        .bind(jobs.iter().map(|(_, claimable_at)| claimable_at.as_millis()).collect::<Vec<i64>>())
        .bind(jobs.iter().map(|(job, _)| count(job.attempts)).collect::<Vec<i32>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The highest numbers among records: what is new later has to have higher ones.
#[derive(Debug, Default)]
struct Numbers {
    user: u64,
    thread: u64,
    /// By thread.
    messages: BTreeMap<ThreadId, u64>,
}

impl Numbers {
    async fn go_on(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let message = self.messages.values().copied().max().unwrap_or(0);
        for (number, statement) in
            [(self.user, USER_NUMBER), (self.thread, THREAD_NUMBER), (message, MESSAGE_NUMBER)]
        {
            if number > 0 {
                sqlx::query(statement).bind(signed(number)).execute(&mut *connection).await?;
            }
        }
        if !self.messages.is_empty() {
            let ids: Vec<Uuid> = self.messages.keys().map(|id| *id.as_uuid()).collect();
            let numbers: Vec<i64> = self.messages.values().map(|number| signed(*number)).collect();
            sqlx::query(LAST_NUMBERS).bind(ids).bind(numbers).execute(connection).await?;
        }
        Ok(())
    }
}
