//! Jobs: claimed, finished and given back through the writer, because all of it writes.

use async_trait::async_trait;
use sqlx::{FromRow, SqliteConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId};
use tidings_domain::job::{ClaimedJob, Job, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::ports::JobRepository;
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::store_error;
use crate::load::LoadError;
use crate::queue::{Answer, JobRequest, Request, mismatched};

/// Reads and then takes the same jobs, in the writer's transaction: what an update returns has no order.
const CLAIM: &str = "select id, kind, thread_id, from_seq, due_at, attempts + 1 as attempts from job \
    where claimable_at <= $1 order by claimable_at, id limit $3; \
    update job set claimable_at = $2, attempts = attempts + 1 where id in \
    (select id from job where claimable_at <= $1 order by claimable_at, id limit $3)";
const FINISH: &str = "delete from job where id = $1";
const RETRY: &str = "update job set claimable_at = $2 where id = $1";
const NEXT: &str = "select min(claimable_at) from job";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[CLAIM, FINISH, RETRY, NEXT];

/// Work as columns: its kind, its thread and the first message.
pub(crate) fn work_code(work: &Work) -> (i64, ThreadId, Seq) {
    match work {
        Work::NotifyUnread { thread, from } => (0, *thread, *from),
    }
}

#[derive(Debug, FromRow)]
struct JobRow {
    id: Vec<u8>,
    kind: i64,
    thread_id: Vec<u8>,
    from_seq: i64,
    due_at: i64,
    attempts: i64,
}

impl JobRow {
    fn claimed(&self) -> Result<ClaimedJob, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(|_| corrupt("a job's id"));
        let thread = ThreadId::from_uuid(uuid(&self.thread_id)?);
        let from = Seq::new(u64::try_from(self.from_seq).map_err(|_| corrupt("a job's seq"))?);
        let work = match self.kind {
            0 => Work::NotifyUnread { thread, from },
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
            let query = sqlx::query_as::<_, JobRow>(CLAIM)
                .bind(now.as_millis())
                .bind(lease_until.as_millis())
                .bind(i64::from(limit.get()));
            let rows = query.fetch_all(connection).await?;
            Ok(Answer::Claimed(rows.iter().map(JobRow::claimed).collect::<Result<_, _>>()?))
        }
        JobRequest::Finish(id) => {
            sqlx::query(FINISH).bind(id.as_uuid().as_bytes().to_vec()).execute(connection).await?;
            Ok(Answer::Done)
        }
        JobRequest::Retry { id, at } => {
            let query = sqlx::query(RETRY).bind(id.as_uuid().as_bytes().to_vec()).bind(at.as_millis());
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

    async fn finish_job(&self, id: JobId) -> Result<(), StoreError> {
        self.jobs(JobRequest::Finish(id)).await.map(drop)
    }

    async fn retry_job(&self, id: JobId, at: Timestamp) -> Result<(), StoreError> {
        self.jobs(JobRequest::Retry { id, at }).await.map(drop)
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query_scalar::<_, Option<i64>>(NEXT);
        let at = query.fetch_one(&self.readers).await.map_err(|error| store_error(&error))?;
        Ok(at.map(Timestamp::from_millis))
    }
}
