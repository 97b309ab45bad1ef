//! Jobs, by when they are due.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use tidings_domain::error::StoreError;
use tidings_domain::id::JobId;
use tidings_domain::job::{ClaimedJob, Job, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::ports::JobRepository;
use tidings_domain::time::Timestamp;

use crate::MemoryStore;

#[derive(Debug, Default)]
pub(crate) struct Jobs {
    kept: HashMap<JobId, Kept>,
    /// When each may be claimed: when it is due, or when its holder's lease ends. Those that are repeated stand apart.
    by_time: [BTreeSet<(Timestamp, JobId)>; 2],
}

#[derive(Debug)]
struct Kept {
    job: Job,
    claimable_at: Timestamp,
    attempts: u32,
}

impl Jobs {
    pub(crate) fn has(&self, id: JobId) -> bool {
        self.kept.contains_key(&id)
    }

    pub(crate) fn put(&mut self, job: Job) {
        let claimable_at = job.due_at;
        self.restore(ClaimedJob { job, attempts: 0 }, claimable_at);
    }

    pub(crate) fn restore(&mut self, claimed: ClaimedJob, claimable_at: Timestamp) {
        let ClaimedJob { job, attempts } = claimed;
        self.of_sort(&job.work).insert((claimable_at, job.id));
        self.kept.insert(job.id, Kept { claimable_at, attempts, job });
    }

    /// All of them, each with when it may be claimed.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ClaimedJob, Timestamp)> {
        self.kept
            .values()
            .map(|kept| (ClaimedJob { job: kept.job.clone(), attempts: kept.attempts }, kept.claimable_at))
    }

    fn claim(&mut self, now: Timestamp, lease_until: Timestamp, limit: PageLimit) -> Vec<ClaimedJob> {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let due = self.by_time.iter().flat_map(|sort| sort.iter().take_while(|(at, _)| *at <= now));
        let due: Vec<JobId> = due.take(limit).map(|(_, id)| *id).collect();
        due.into_iter()
            .filter_map(|id| {
                self.move_to(id, lease_until);
                let kept = self.kept.get_mut(&id)?;
                kept.attempts = kept.attempts.saturating_add(1);
                Some(ClaimedJob { job: kept.job.clone(), attempts: kept.attempts })
            })
            .collect()
    }

    /// Whether the job is there and nobody has claimed it since.
    fn is_held(&self, held: &ClaimedJob) -> bool {
        self.kept.get(&held.job.id).is_some_and(|kept| kept.attempts == held.attempts)
    }

    fn move_to(&mut self, id: JobId, at: Timestamp) {
        if let Some(kept) = self.kept.get_mut(&id) {
            let [windows, repeated] = &mut self.by_time;
            let by_time = if kept.job.work.is_repeated() { repeated } else { windows };
            by_time.remove(&(kept.claimable_at, id));
            kept.claimable_at = at;
            by_time.insert((at, id));
        }
    }

    fn forget(&mut self, id: JobId) {
        if let Some(kept) = self.kept.remove(&id) {
            self.of_sort(&kept.job.work).remove(&(kept.claimable_at, id));
        }
    }

    const fn of_sort(&mut self, work: &Work) -> &mut BTreeSet<(Timestamp, JobId)> {
        let [windows, repeated] = &mut self.by_time;
        if work.is_repeated() { repeated } else { windows }
    }
}

#[async_trait]
impl JobRepository for MemoryStore {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        Ok(self.0.state.lock().jobs.claim(now, lease_until, limit))
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        let mut state = self.0.state.lock();
        if state.jobs.is_held(held) {
            state.jobs.forget(held.job.id);
        }
        Ok(())
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        let mut state = self.0.state.lock();
        if state.jobs.is_held(held) {
            state.jobs.move_to(held.job.id, at);
            if let Some(kept) = state.jobs.kept.get_mut(&held.job.id) {
                kept.job.work = work;
            }
        }
        Ok(())
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let state = self.0.state.lock();
        Ok(state.jobs.by_time.iter().filter_map(BTreeSet::first).map(|(at, _)| *at).min())
    }
}
