//! The hub's handle, its notifier side and its task.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_domain::change::Commit;
use tidings_domain::id::{SessionId, UserId};
use tidings_domain::job::Waiting;
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::{Attendance, Notifier};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::HubConfig;
use crate::input::{Input, ThreadInput};
use crate::late::LateBox;
use crate::presence::Presence;
use crate::reads::{Ask, Reader};
use crate::seats::Seats;
use crate::state::HubState;

/// How many inputs the task takes at once before it looks at its timers.
const TAKE_MAX: usize = 256;
/// When the alarm of a hub that waits for nothing rings; it is moved once there is something to wait for.
const IDLE: Duration = Duration::from_hours(1);

/// The way to the hub. Cheap to clone. As a [`Notifier`] it is what a store hands its commits to.
#[derive(Clone)]
pub struct Hub {
    inputs: mpsc::Sender<Input>,
    shared: Arc<Shared>,
}

struct Shared {
    late: LateBox,
    session_events: usize,
    sockets_outlive_tokens: Duration,
    seats: Seats,
    presence: Arc<Presence>,
    sessions: AtomicUsize,
    threads: AtomicUsize,
}

/// The hub has stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("sessions", &self.sessions())
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

/// A hub that does not run yet: the store needs its notifier before there is a service to run it with.
pub struct HubTask {
    state: HubState,
    inputs: mpsc::Receiver<Input>,
    hub: Hub,
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
        let session_events = config.session_events.max(1);
        let presence = Arc::new(Presence::new(config.presence_grace));
        let shared = Shared {
            late: LateBox::default(),
            session_events,
            sockets_outlive_tokens: config.sockets_outlive_tokens,
            seats: Seats::new(config.user_sessions),
            presence: Arc::clone(&presence),
            sessions: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
        };
        let hub = Self { inputs: sender, shared: Arc::new(shared) };
        (hub.clone(), HubTask { state: HubState::new(config, presence), inputs, hub })
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Relaxed)
    }

    /// Waits until the hub's task has ended: from then on nobody hears anything any more.
    pub async fn stopped(&self) {
        self.inputs.closed().await;
    }

    /// How many threads the hub remembers something of.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads.load(Ordering::Relaxed)
    }

    /// How many inputs wait for the hub.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inputs.max_capacity().saturating_sub(self.inputs.capacity())
    }

    /// How many events of one session may be unanswered.
    pub(crate) fn session_events(&self) -> usize {
        self.shared.session_events
    }

    /// How long a socket may outlive its token, where the dialect lets it.
    pub(crate) fn sockets_outlive_tokens(&self) -> Duration {
        self.shared.sockets_outlive_tokens
    }

    /// Where sessions of a user are counted.
    pub(crate) fn seats(&self) -> &Seats {
        &self.shared.seats
    }

    /// Gives the hub something to do; waits while its queue is full.
    pub(crate) async fn give(&self, input: Input) -> Result<(), Stopped> {
        match self.inputs.try_send(input) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(input)) => Box::pin(self.inputs.send(input)).await.map_err(|_| Stopped),
            Err(TrySendError::Closed(_)) => Err(Stopped),
        }
    }

    /// A session that the hub was told of is gone. Never waits, and is never lost.
    pub(crate) fn went(&self, session: SessionId) {
        if let Err(TrySendError::Full(_)) = self.inputs.try_send(Input::Went(session)) {
            self.shared.late.went(session);
        }
    }
}

impl Notifier for Hub {
    fn committed(&self, commit: Arc<Commit>) {
        let (thread, prev) = (commit.thread.id, commit.prev);
        let input = Input::Thread(thread, ThreadInput::Committed(commit));
        // A hub that has stopped has closed its sessions: there is nobody to miss anything.
        if let Err(TrySendError::Full(_)) = self.inputs.try_send(input) {
            self.shared.late.missed(thread, prev);
        }
    }
}

impl Attendance for Hub {
    fn is_here(&self, user: &UserId) -> bool {
        self.shared.presence.is_here(user)
    }

    fn waits(&self, waiting: Waiting) {
        self.shared.presence.waits(waiting);
    }

    fn gone(&self, limit: usize) -> Vec<Waiting> {
        self.shared.presence.gone(limit)
    }
}

impl HubTask {
    /// Runs the hub on `tasks` until `stop`, then closes the sessions that are left.
    pub fn spawn(mut self, messaging: Messaging, tasks: &TaskTracker, stop: CancellationToken) {
        self.state.names = Some(messaging.clone());
        let reads = Reads {
            reader: Arc::new(Reader::new(messaging, &self.state.config)),
            hub: self.hub.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(self.run(reads, stop));
    }

    async fn run(mut self, reads: Reads, stop: CancellationToken) {
        let shared = Arc::clone(&self.hub.shared);
        let mut taken = Vec::with_capacity(TAKE_MAX);
        let (mut stopped, mut alarm) = (pin!(stop.cancelled()), pin!(sleep(IDLE)));
        loop {
            let deadline = self.state.next_deadline();
            // Moved to an earlier time only: an alarm that comes too early costs less than moving it each time.
            if let Some(deadline) = deadline
                && (deadline < alarm.deadline() || alarm.is_elapsed())
            {
                alarm.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                _ = self.inputs.recv_many(&mut taken, TAKE_MAX) => {}
                () = shared.late.rung() => {}
                () = &mut alarm, if deadline.is_some() => {}
            }
            self.take_more(&mut taken).await;
            self.state.now = Instant::now();
            for input in taken.drain(..) {
                // What was missed before this input came is missed before it is heard.
                if let Some(late) = shared.late.take() {
                    self.state.handle_late(late);
                }
                self.state.handle(input);
            }
            if let Some(late) = shared.late.take() {
                self.state.handle_late(late);
            }
            // However many inputs there are, what ends by the clock ends in time.
            if deadline.is_some_and(|deadline| deadline <= self.state.now) {
                self.state.expire();
            }
            for ask in self.state.asks.drain(..) {
                reads.begin(ask);
            }
            shared.sessions.store(self.state.sessions.len(), Ordering::Relaxed);
            shared.threads.store(self.state.threads.len(), Ordering::Relaxed);
        }
        tracing::debug!(sessions = self.state.sessions.len(), "the hub stops");
    }

    /// Lets the tasks run that are ready, and takes what they have brought: so a connection is woken once for all
    /// that this round has for it, and writes it in one go.
    async fn take_more(&mut self, taken: &mut Vec<Input>) {
        if taken.is_empty() || taken.len() >= TAKE_MAX {
            return;
        }
        yield_now().await;
        while taken.len() < TAKE_MAX
            && let Ok(input) = self.inputs.try_recv()
        {
            taken.push(input);
        }
    }
}

/// Where reads run. There are never more than threads that wait for one.
struct Reads {
    reader: Arc<Reader>,
    hub: Hub,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Reads {
    fn begin(&self, ask: Ask) {
        let (reader, hub, stop) = (Arc::clone(&self.reader), self.hub.clone(), self.stop.clone());
        self.tasks.spawn(stop.run_until_cancelled_owned(async move {
            let read = reader.read(ask).await;
            // Through the same queue as commits: what was in it when the read began comes before it.
            drop(hub.give(Input::Read(ask.thread, Box::new(read))).await);
        }));
    }
}
