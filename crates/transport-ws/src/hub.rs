//! The hub's handle, its notifier side and its task.

use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_domain::change::Commit;
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::Notifier;
use tidings_domain::seq::Modseq;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::HubConfig;
use crate::input::{Gap, Input, Read, ThreadInput};
use crate::roster::Roster;
use crate::state::{HubState, Missed, ReadThread};

/// How many inputs the task takes at once before it looks at its timers.
const TAKE_MAX: usize = 256;
/// How long after a failed read the next try comes, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// The way to the hub. Cheap to clone. As a [`Notifier`] it is what a store hands its commits to.
#[derive(Clone)]
pub struct Hub {
    inputs: mpsc::Sender<Input>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Commits that found no room. Empty nearly always; the flag spares the lock.
    missed: Mutex<Missed>,
    any_missed: AtomicBool,
    sessions: AtomicUsize,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}

/// A hub that does not run yet: the store needs its notifier before there is a service to run it with.
pub struct HubTask {
    state: HubState,
    inputs: mpsc::Receiver<Input>,
    hub: Hub,
    gap_rows: usize,
}

impl fmt::Debug for HubTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubTask").finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub, and the task that makes it work once [spawned](HubTask::spawn).
    #[must_use]
    pub fn new(config: HubConfig) -> (Self, HubTask) {
        let (sender, inputs) = mpsc::channel(config.queue_inputs.max(1));
        let hub = Self { inputs: sender, shared: Arc::default() };
        let gap_rows = config.gap_rows;
        (hub.clone(), HubTask { state: HubState::new(config), inputs, hub, gap_rows })
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Relaxed)
    }

    /// Gives the hub something to do; waits while its queue is full. After the hub has stopped it does nothing.
    pub(crate) async fn give(&self, input: Input) {
        // The hub stops after the last session, in a shutdown.
        drop(self.inputs.send(input).await);
    }
}

impl Notifier for Hub {
    fn committed(&self, commit: Arc<Commit>) {
        let (thread, prev) = (commit.thread.id, commit.prev);
        let input = Input::Thread(thread, ThreadInput::Committed(commit));
        if let Err(mpsc::error::TrySendError::Full(_)) = self.inputs.try_send(input) {
            // The first one's point counts: all that follows it is read from the feed.
            if let Entry::Vacant(entry) = self.shared.missed.lock().entry(thread) {
                entry.insert(prev);
            }
            self.shared.any_missed.store(true, Ordering::Release);
        }
    }
}

impl HubTask {
    /// Runs the hub on `tasks` until `stop`.
    pub fn spawn(self, messaging: Messaging, tasks: &TaskTracker, stop: CancellationToken) {
        let reads = tasks.clone();
        tasks.spawn(self.run(messaging, reads, stop));
    }

    async fn run(mut self, messaging: Messaging, tasks: TaskTracker, stop: CancellationToken) {
        let mut taken = Vec::with_capacity(TAKE_MAX);
        loop {
            let deadline = self.state.next_deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                count = self.inputs.recv_many(&mut taken, TAKE_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
                () = until(deadline) => {}
            }
            for input in taken.drain(..) {
                if self.hub.shared.any_missed.load(Ordering::Acquire) {
                    take_missed(&self.hub.shared, &mut self.state);
                }
                self.state.handle(input);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.state.expire();
            }
            self.hub.shared.sessions.store(self.state.sessions(), Ordering::Relaxed);
            for ask in self.state.to_read.drain(..) {
                let (hub, messaging, gap_rows) = (self.hub.clone(), messaging.clone(), self.gap_rows);
                let stop = stop.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        read = read(&messaging, ask, gap_rows) => {
                            hub.give(Input::Read(ask.thread, Box::new(read))).await;
                        }
                    }
                });
            }
        }
    }
}

fn take_missed(shared: &Shared, state: &mut HubState) {
    let missed = {
        let mut missed = shared.missed.lock();
        shared.any_missed.store(false, Ordering::Release);
        std::mem::take(&mut *missed)
    };
    for (thread, prev) in missed {
        state.missed(thread, prev);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Reads what the hub asked for, again and again while the store does not answer: the thread's news wait meanwhile.
async fn read(messaging: &Messaging, ask: ReadThread, gap_rows: usize) -> Read {
    let mut pause = RETRY_FIRST;
    loop {
        match try_read(messaging, ask.thread, ask.after, gap_rows).await {
            Ok(read) => return read,
            Err(error) => {
                tracing::warn!(thread = %ask.thread, %error, "live delivery waits for the store");
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

async fn try_read(
    messaging: &Messaging,
    thread: ThreadId,
    after: Option<Modseq>,
    gap_rows: usize,
) -> Result<Read, tidings_domain::error::StoreError> {
    let gap = match after {
        None => Gap::None,
        Some(after) => messaging.changes_of(thread, after, gap_rows).await?.map_or(Gap::TooLong, Gap::Filled),
    };
    // After the gap, so that the roster knows everyone whom the gap tells of.
    let roster = Roster::read(messaging, thread).await?;
    Ok(Read { roster, gap })
}
