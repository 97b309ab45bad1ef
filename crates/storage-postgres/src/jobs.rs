//! Jobs: claimed, finished and given back.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId, UserId};
use tidings_domain::job::{ClaimedJob, Job, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::ports::JobRepository;
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use uuid::Uuid;

use crate::PgStore;
use crate::queue::{Errand, Ran, mismatched};

/// Jobs of one kind. Passes over what another process claims at this moment.
const DUE: &str = "select id, kind, thread_id, upto_seq, failing_users, failures, due_at, attempts + 1 as attempts \
    from job where kind = $3 and claimable_at <= $1 order by claimable_at, id limit $2 for update skip locked";
const HOLD: &str = "update job set claimable_at = $1, attempts = attempts + 1 where id = any($2)";
/// The count of attempts tells whether somebody else has claimed it since. Whoever has it locked is just doing so.
const FINISH: &str = "delete from job where id = (select id from job where id = $1 and attempts = $2 \
    for update skip locked)";
const RETRY: &str = "update job set claimable_at = $3, failing_users = $4, failures = $5 \
    where id = (select id from job where id = $1 and attempts = $2 for update skip locked)";
const NEXT: &str = "select least((select min(claimable_at) from job where kind = 0), \
    (select min(claimable_at) from job where kind = 1))";

/// The kinds of jobs, in the order in which they are claimed.
const KINDS: [i16; 2] = [0, 1];

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[DUE, HOLD, FINISH, RETRY, NEXT];

/// Work as columns, besides its thread.
#[derive(Debug)]
pub(crate) struct WorkCode<'a> {
    pub(crate) kind: i16,
    pub(crate) upto: Seq,
    pub(crate) failing: Vec<&'a str>,
    pub(crate) failures: u32,
}

pub(crate) fn work_code(work: &Work) -> WorkCode<'_> {
    match work {
        Work::NotifyUnread { .. } => WorkCode { kind: 0, upto: Seq::ZERO, failing: Vec::new(), failures: 0 },
        Work::NotifyAgain { upto, failing, failures, .. } => {
            let failing = failing.iter().map(UserId::as_str).collect();
            WorkCode { kind: 1, upto: *upto, failing, failures: *failures }
        }
    }
}

#[derive(Debug, FromRow)]
pub(crate) struct JobRow {
    id: Uuid,
    kind: i16,
    thread_id: Uuid,
    upto_seq: i64,
    failing_users: Vec<String>,
    failures: i32,
    due_at: i64,
    attempts: i32,
}

impl JobRow {
    pub(crate) fn claimed(&self) -> Result<ClaimedJob, sqlx::Error> {
        let corrupt = |what: &str| sqlx::Error::Decode(what.into());
        let thread = ThreadId::from_uuid(self.thread_id);
        let upto = Seq::new(u64::try_from(self.upto_seq).map_err(|_| corrupt("a job's seq"))?);
        let failing = self.failing_users.iter().map(|user| user.parse().map_err(|_| corrupt("a job's user")));
        let failing = failing.collect::<Result<Vec<UserId>, _>>()?;
        let failures = u32::try_from(self.failures).map_err(|_| corrupt("a job's failures"))?;
        let work = match self.kind {
            0 => Work::NotifyUnread { thread },
            1 => Work::NotifyAgain { thread, upto, failing, failures },
            _ => return Err(corrupt("a job's kind")),
        };
        let job = Job { id: JobId::from_uuid(self.id), due_at: Timestamp::from_millis(self.due_at), work };
        Ok(ClaimedJob { job, attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX) })
    }
}

/// Takes due jobs, in the transaction that the connection is in.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    now: Timestamp,
    lease_until: Timestamp,
    limit: PageLimit,
) -> Result<Vec<ClaimedJob>, sqlx::Error> {
    let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let mut rows: Vec<JobRow> = Vec::new();
    for kind in KINDS {
        let left = limit.saturating_sub(rows.len());
        if left > 0 {
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            let query = sqlx::query_as::<_, JobRow>(DUE).bind(now.as_millis()).bind(left).bind(kind);
            rows.extend(query.fetch_all(&mut *connection).await?);
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    sqlx::query(HOLD).bind(lease_until.as_millis()).bind(ids).execute(connection).await?;
    rows.iter().map(JobRow::claimed).collect()
}

pub(crate) async fn finish(
    connection: &mut PgConnection,
    id: JobId,
    attempts: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(FINISH).bind(*id.as_uuid()).bind(count(attempts)).execute(connection).await.map(drop)
}

pub(crate) async fn retry(
    connection: &mut PgConnection,
    id: JobId,
    attempts: u32,
    at: Timestamp,
    work: &Work,
) -> Result<(), sqlx::Error> {
    let WorkCode { failing, failures, .. } = work_code(work);
    let query = sqlx::query(RETRY)
        .bind(*id.as_uuid())
        .bind(count(attempts))
        .bind(at.as_millis())
        .bind(failing)
        .bind(count(failures));
    query.execute(connection).await.map(drop)
}

/// A count as a column takes it.
pub(crate) fn count(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[async_trait]
impl JobRepository for PgStore {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        match self.errands.put(Errand::Claim { now, lease_until, limit }).await? {
            Ran::Claimed(claimed) => Ok(claimed),
            Ran::Done | Ran::User(_) => Err(mismatched()),
        }
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        self.errands.put(Errand::Finish { id: held.job.id, attempts: held.attempts }).await.map(drop)
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        self.errands.put(Errand::Retry { id: held.job.id, attempts: held.attempts, at, work }).await.map(drop)
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.readers.take().await?;
        let found = reader.optional(sqlx::query_as::<_, (Option<i64>,)>(NEXT)).await?;
        reader.done().await;
        Ok(found.and_then(|(at,)| at).map(Timestamp::from_millis))
    }
}
