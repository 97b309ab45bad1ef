//! What waits for a task that writes.

use std::fmt;
use std::sync::Arc;

use tidings_domain::context::Context;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId};
use tidings_domain::job::{ClaimedJob, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::snapshot::Scope;
use tidings_domain::thread::{NewThread, Thread};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tokio::sync::{mpsc, oneshot};

use crate::transfer::Step;

/// Something to change in a thread.
pub(crate) enum Request {
    Decide { decision: Arc<dyn AnyDecision>, scope: Scope },
    Create(NewThread),
}

impl Request {
    pub(crate) const fn thread(&self) -> ThreadId {
        match self {
            Self::Decide { scope, .. } => scope.thread,
            Self::Create(new) => new.id,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decide { .. } => "Decide",
            Self::Create(_) => "Create",
        })
    }
}

/// What came of it. A decision keeps its own answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Decided,
    Created(Thread, bool),
}

/// Something else to write, of which nobody hears.
#[derive(Debug)]
pub(crate) enum Errand {
    PutUser(User, Option<Vec<Subject>>),
    PutContext(Context),
    Claim {
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    },
    Finish {
        id: JobId,
        attempts: u32,
    },
    Retry {
        id: JobId,
        attempts: u32,
        at: Timestamp,
        work: Work,
    },
    Transfer(Step),
    /// Nothing but a commit: whether the database can be written.
    Touch,
}

/// What came of an errand.
#[derive(Debug)]
pub(crate) enum Ran {
    Done,
    User(User),
    Claimed(Vec<ClaimedJob>),
}

/// A job and who waits for it. Whoever hung up is answered into the void.
#[derive(Debug)]
pub(crate) struct Waiting<J, A> {
    pub(crate) job: J,
    pub(crate) reply: oneshot::Sender<Result<A, StoreError>>,
}

/// A decision or a new thread, waiting.
pub(crate) type Pending = Waiting<Request, Answer>;

/// The door to a task: bounded, and never waits for room.
#[derive(Debug)]
pub(crate) struct Queue<J, A> {
    sender: mpsc::Sender<Waiting<J, A>>,
}

impl<J, A> Clone for Queue<J, A> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

impl<J, A> Queue<J, A> {
    pub(crate) fn new(limit: usize) -> (Self, mpsc::Receiver<Waiting<J, A>>) {
        let (sender, receiver) = mpsc::channel(limit.max(1));
        (Self { sender }, receiver)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until nothing is taken any more.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }

    pub(crate) async fn put(&self, job: J) -> Result<A, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.sender.try_send(Waiting { job, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy { limit: self.sender.max_capacity() },
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable("the store is closed".into()),
        })?;
        // Only a runtime that is torn down drops a writing task with jobs in its hands.
        answer.await.map_err(|_| StoreError::Unknown("the writer was stopped".into()))?
    }
}

/// Answers all of them with the failure.
pub(crate) fn refuse<J, A>(jobs: impl IntoIterator<Item = Waiting<J, A>>, error: &StoreError) {
    let mut refused: usize = 0;
    for waiting in jobs {
        waiting.reply.send(Err(error.clone())).ok();
        refused = refused.saturating_add(1);
    }
    if refused > 0 {
        tracing::error!(%error, jobs = refused, "nothing of a batch was stored");
    }
}

/// An answer of another kind than the job's: a mistake in a writing task.
pub(crate) fn mismatched() -> StoreError {
    StoreError::Internal("a writer gave an answer of another kind".into())
}
