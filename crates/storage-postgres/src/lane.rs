//! A lane: takes the decisions of its threads as they come, many in one transaction, and never waits for a lock.
//!
//! A thread that somebody else has locked is parked with all that comes for it, so that its order is kept; a waiter, on
//! a connection of its own, waits for the lock and then does all of it. When all waiters wait, the lane itself tries
//! the parked threads again, without waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::load::Locked;
use crate::queue::{Pending, refuse};
use crate::runner::{Runner, Shared};

/// How soon parked threads are tried again while all waiters wait.
const RETRY: Duration = Duration::from_millis(5);

/// What waits for a thread that somebody else has locked.
#[derive(Debug, Default)]
struct Parked {
    jobs: VecDeque<Pending>,
    /// A waiter has jobs of this thread, too, and they come first.
    with_waiter: bool,
}

#[derive(Debug)]
pub(crate) struct Lane {
    /// For whoever watches.
    number: usize,
    shared: Arc<Shared>,
    own: Runner,
    waiters: Vec<Runner>,
    parked: HashMap<ThreadId, Parked>,
    /// How many jobs are parked.
    parked_jobs: usize,
    returning: mpsc::UnboundedSender<(Runner, ThreadId)>,
    tasks: TaskTracker,
    tracked: TaskTracker,
}

impl Lane {
    /// A lane whose waiters run on `tasks`, and are counted by `tracked` as well.
    pub(crate) fn start(
        number: usize,
        shared: &Arc<Shared>,
        jobs: mpsc::Receiver<Pending>,
        closing: CancellationToken,
        tasks: &TaskTracker,
        tracked: &TaskTracker,
    ) {
        let (returning, returned) = mpsc::unbounded_channel();
        let waiters = (0..shared.config.waiters.max(1)).map(|_| Runner::new(Arc::clone(shared))).collect();
        let lane = Self {
            number,
            own: Runner::new(Arc::clone(shared)),
            shared: Arc::clone(shared),
            waiters,
            parked: HashMap::new(),
            parked_jobs: 0,
            returning,
            tasks: tasks.clone(),
            tracked: tracked.clone(),
        };
        tasks.spawn(tracked.track_future(lane.run(jobs, returned, closing)));
    }

    /// Works until nobody can ask any more, or `closing` is cancelled, and all that was taken is done.
    async fn run(
        mut self,
        mut queue: mpsc::Receiver<Pending>,
        mut returned: mpsc::UnboundedReceiver<(Runner, ThreadId)>,
        closing: CancellationToken,
    ) {
        let batch_max = self.shared.config.batch_max.max(1);
        let (mut closed, mut empty) = (false, false);
        let mut taken = Vec::with_capacity(batch_max);
        let sizes = metrics::histogram!("tidings_store_batch_size");
        let waiting = metrics::gauge!("tidings_store_queue", "lane" => self.number.to_string());
        while !(empty && self.parked.is_empty()) {
            let is_polling = self.has_idle();
            tokio::select! {
                biased;
                () = closing.cancelled(), if !closed => {
                    queue.close();
                    closed = true;
                    continue;
                }
                Some((runner, thread)) = returned.recv() => {
                    self.take_back(runner, thread);
                    continue;
                }
                count = queue.recv_many(&mut taken, batch_max), if !empty => empty = count == 0,
                () = tokio::time::sleep(RETRY), if is_polling => {}
            }
            let batch = self.compose(&mut taken, batch_max);
            if !batch.is_empty() {
                let size = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
                sizes.record(size(batch.len()));
                waiting.set(size(queue.len().saturating_add(self.parked_jobs)));
                let skipped = self.own.serve(batch, Locked::Skip).await;
                self.park(skipped);
                // Those just answered may have more to ask: let them, so that the next batch is a full one.
                tokio::task::yield_now().await;
            }
        }
        self.own.close().await;
        for waiter in self.waiters {
            waiter.close().await;
        }
    }

    /// Whether there are parked threads that no waiter cares for.
    fn has_idle(&self) -> bool {
        self.parked.values().any(|parked| !parked.with_waiter)
    }

    /// The next batch: parked threads that no waiter has, and what came for threads that are not parked.
    fn compose(&mut self, taken: &mut Vec<Pending>, batch_max: usize) -> Vec<Pending> {
        let mut batch = Vec::with_capacity(taken.len());
        for parked in self.parked.values_mut().filter(|parked| !parked.with_waiter) {
            // A share each, so that one thread does not keep the others from being tried.
            let share = parked.jobs.len().min(batch_max / 8).max(1);
            batch.extend(parked.jobs.drain(..share.min(parked.jobs.len())));
            if batch.len() >= batch_max {
                break;
            }
        }
        self.parked_jobs = self.parked_jobs.saturating_sub(batch.len());
        for waiting in taken.drain(..) {
            match self.parked.get_mut(&waiting.job.thread()) {
                None => batch.push(waiting),
                Some(parked) => {
                    // Those of other threads are never refused because of these.
                    let limit = self.shared.config.queue_max;
                    if self.parked_jobs >= limit {
                        refuse([waiting], &StoreError::Busy { limit });
                    } else {
                        parked.jobs.push_back(waiting);
                        self.parked_jobs = self.parked_jobs.saturating_add(1);
                    }
                }
            }
        }
        // Whatever was tried and is not skipped again is done.
        self.parked.retain(|_, parked| parked.with_waiter || !parked.jobs.is_empty());
        batch
    }

    /// Parks jobs whose thread somebody else has locked, and sends waiters after them.
    fn park(&mut self, skipped: Vec<Pending>) {
        self.parked_jobs = self.parked_jobs.saturating_add(skipped.len());
        for waiting in skipped.into_iter().rev() {
            // Before what came for the thread meanwhile.
            self.parked.entry(waiting.job.thread()).or_default().jobs.push_front(waiting);
        }
        let idle: Vec<ThreadId> =
            self.parked.iter().filter(|(_, parked)| !parked.with_waiter).map(|(id, _)| *id).collect();
        for thread in idle {
            let Some(waiter) = self.waiters.pop() else { break };
            self.send_after(waiter, thread);
        }
    }

    /// A waiter is back: it goes on with what came for its thread meanwhile, or with another thread.
    fn take_back(&mut self, waiter: Runner, thread: ThreadId) {
        if let Some(parked) = self.parked.get_mut(&thread) {
            parked.with_waiter = false;
            if parked.jobs.is_empty() {
                self.parked.remove(&thread);
            }
        }
        self.waiters.push(waiter);
        self.park(Vec::new());
    }

    fn send_after(&mut self, mut waiter: Runner, thread: ThreadId) {
        let Some(parked) = self.parked.get_mut(&thread) else {
            self.waiters.push(waiter);
            return;
        };
        let count = parked.jobs.len().min(self.shared.config.batch_max.max(1));
        let jobs: Vec<Pending> = parked.jobs.drain(..count).collect();
        parked.with_waiter = true;
        self.parked_jobs = self.parked_jobs.saturating_sub(count);
        let returning = self.returning.clone();
        self.tasks.spawn(self.tracked.track_future(async move {
            // It waits, so nothing is skipped, but for a thread that came into being between two statements.
            let skipped = waiter.serve(jobs, Locked::Wait).await;
            refuse(skipped, &StoreError::Unavailable("the thread is locked by another process".into()));
            // Only when the whole runtime goes down is there nobody to return to.
            returning.send((waiter, thread)).ok();
        }));
    }
}
