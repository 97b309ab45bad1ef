//! Jobs: claimed, finished and given back through the writer, because all of it writes.

use async_trait::async_trait;
use sqlx::{FromRow, SqliteConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId, UserId};
use tidings_domain::job::{ClaimedJob, Job, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::ports::JobRepository;
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::store_error;
use crate::load::{LoadError, json};
use crate::queue::{Answer, JobRequest, Request, mismatched};

/// Reads and then takes the same jobs of one kind, in the writer's transaction: what an update returns has no order.
const CLAIM: &str = "select id, kind, thread_id, upto_seq, failing_users, failures, due_at, attempts + 1 as attempts \
    from job where kind = $4 and claimable_at <= $1 order by claimable_at, id limit $3; \
    update job set claimable_at = $2, attempts = attempts + 1 where id in \
    (select id from job where kind = $4 and claimable_at <= $1 order by claimable_at, id limit $3)";
/// The count of attempts tells whether somebody else has claimed it since.
const FINISH: &str = "delete from job where id = $1 and attempts = $2";
const RETRY: &str = "update job set claimable_at = $3, failing_users = $4, failures = $5 \
    where id = $1 and attempts = $2";
const NEXT: &str = "select min(at) from (select min(claimable_at) as at from job where kind = 0 \
    union all select min(claimable_at) from job where kind = 1)";

/// The kinds of jobs, in the order in which they are claimed.
const KINDS: [i64; 2] = [0, 1];

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[CLAIM, FINISH, RETRY, NEXT];

/// Work as columns, besides its thread.
#[derive(Debug)]
pub(crate) struct WorkCode<'a> {
    pub(crate) kind: i64,
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
    id: Vec<u8>,
    kind: i64,
    thread_id: Vec<u8>,
    upto_seq: i64,
    failing_users: String,
    failures: i64,
    due_at: i64,
    attempts: i64,
}

impl JobRow {
    pub(crate) fn claimed(&self) -> Result<ClaimedJob, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(|_| corrupt("a job's id"));
        let thread = ThreadId::from_uuid(uuid(&self.thread_id)?);
        let upto = Seq::new(u64::try_from(self.upto_seq).map_err(|_| corrupt("a job's seq"))?);
        let failing: Vec<String> =
            serde_json::from_str(&self.failing_users).map_err(|_| corrupt("a job's users"))?;
        let failing = failing.iter().map(|user| user.parse().map_err(|_| corrupt("a job's user")));
        let failing = failing.collect::<Result<Vec<UserId>, _>>()?;
        let failures = u32::try_from(self.failures).map_err(|_| corrupt("a job's failures"))?;
        let work = match self.kind {
            0 => Work::NotifyUnread { thread },
            1 => Work::NotifyAgain { thread, upto, failing, failures },
            _ => return Err(corrupt("a job's kind")),
        };
        let id = JobId::from_uuid(uuid(&self.id)?);
        let job = Job { id, due_at: Timestamp::from_millis(self.due_at), work };
        Ok(ClaimedJob { job, attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX) })
    }
}

/// Does what was asked, in the transaction that the connection is in.
pub(crate) async fn answer(
    connection: &mut SqliteConnection,
    asked: JobRequest,
) -> Result<Answer, LoadError> {
    match asked {
        JobRequest::Claim { now, lease_until, limit } => {
            let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
            let mut claimed = Vec::new();
            for kind in KINDS {
                let left = limit.saturating_sub(claimed.len());
                if left > 0 {
                    let query = sqlx::query_as::<_, JobRow>(CLAIM)
                        .bind(now.as_millis())
                        .bind(lease_until.as_millis())
                        .bind(i64::try_from(left).unwrap_or(i64::MAX))
                        .bind(kind);
                    let rows = query.fetch_all(&mut *connection).await?;
                    for row in rows {
                        claimed.push(row.claimed()?);
                    }
                }
            }
            Ok(Answer::Claimed(claimed))
        }
        JobRequest::Finish { id, attempts } => {
            let query = sqlx::query(FINISH).bind(id.as_uuid().as_bytes().to_vec()).bind(i64::from(attempts));
            query.execute(connection).await?;
            Ok(Answer::Done)
        }
        JobRequest::Retry { id, attempts, at, work } => {
            let WorkCode { failing, failures, .. } = work_code(&work);
            let query = sqlx::query(RETRY)
                .bind(id.as_uuid().as_bytes().to_vec())
                .bind(i64::from(attempts))
                .bind(at.as_millis())
                .bind(json(&failing)?)
                .bind(i64::from(failures));
            query.execute(connection).await?;
            Ok(Answer::Done)
        }
    }
}

impl SqliteStore {
    async fn jobs(&self, asked: JobRequest) -> Result<Answer, StoreError> {
        self.queue.put(Request::Jobs(asked)).await
    }
}

#[async_trait]
impl JobRepository for SqliteStore {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        match self.jobs(JobRequest::Claim { now, lease_until, limit }).await? {
            Answer::Claimed(claimed) => Ok(claimed),
            Answer::Done | Answer::Created(..) | Answer::User(_) => Err(mismatched()),
        }
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        self.jobs(JobRequest::Finish { id: held.job.id, attempts: held.attempts }).await.map(drop)
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        self.jobs(JobRequest::Retry { id: held.job.id, attempts: held.attempts, at, work }).await.map(drop)
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query_scalar::<_, Option<i64>>(NEXT);
        let at = query.fetch_one(&self.readers).await.map_err(|error| store_error(&error))?;
        Ok(at.map(Timestamp::from_millis))
    }
}
