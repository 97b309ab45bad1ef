//! Jobs, worked off by whoever claims them (step 8).

use async_trait::async_trait;
use tidings_domain::error::StoreError;
use tidings_domain::job::{ClaimedJob, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::ports::JobRepository;
use tidings_domain::time::Timestamp;

use crate::TableStore;
use crate::tables::JobRow;

#[async_trait]
impl JobRepository for TableStore {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let mut tables = self.tables.lock();
        // New notices before tries that are repeated, then the earliest.
        tables.jobs.sort_by_key(|row| (row.job.work.is_repeated(), row.claimable_at, row.job.id));
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let due = tables.jobs.iter_mut().filter(|row| row.claimable_at <= now).take(limit);
        let claim = |row: &mut JobRow| {
            // Whoever holds it has it until then; if they die, it comes back by itself.
            row.claimable_at = lease_until;
            row.attempts = row.attempts.saturating_add(1);
            ClaimedJob { job: row.job.clone(), attempts: row.attempts }
        };
        Ok(due.map(claim).collect())
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        self.tables.lock().jobs.retain(|row| !is_held(row, held));
        Ok(())
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        if let Some(row) = self.tables.lock().jobs.iter_mut().find(|row| is_held(row, held)) {
            row.claimable_at = at;
            row.job.work = work;
        }
        Ok(())
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.tables.lock().jobs.iter().map(|row| row.claimable_at).min())
    }
}

/// Whether it is this job and nobody has claimed it since.
fn is_held(row: &JobRow, held: &ClaimedJob) -> bool {
    row.job.id == held.job.id && row.attempts == held.attempts
}
