//! What waits for the writer.

use std::fmt;
use std::sync::Arc;

use tidings_domain::context::Context;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::JobId;
use tidings_domain::job::{ClaimedJob, Work};
use tidings_domain::page::PageLimit;
use tidings_domain::snapshot::Scope;
use tidings_domain::thread::{NewThread, Thread};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tokio::sync::{mpsc, oneshot};

use crate::transfer::Step;

/// Something to write.
pub(crate) enum Request {
    Decide {
        decision: Arc<dyn AnyDecision>,
        scope: Scope,
    },
    Create(NewThread),
    PutUser(User, Option<Vec<Subject>>),
    PutContext(Context),
    Jobs(JobRequest),
    Transfer(Arc<Step>),
    /// Nothing but a commit: whether the file can be written.
    Touch,
}

/// Something about jobs that are stored already.
#[derive(Debug, Clone)]
pub(crate) enum JobRequest {
    Claim { now: Timestamp, lease_until: Timestamp, limit: PageLimit },
    Finish { id: JobId, attempts: u32 },
    Retry { id: JobId, attempts: u32, at: Timestamp, work: Work },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decide { .. } => "Decide",
            Self::Create(_) => "Create",
            Self::PutUser(..) => "PutUser",
            Self::PutContext(_) => "PutContext",
            Self::Jobs(_) => "Jobs",
            Self::Transfer(_) => "Transfer",
            Self::Touch => "Touch",
        })
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Created(Thread, bool),
    User(User),
    Claimed(Vec<ClaimedJob>),
}

/// A job and who waits for it. Whoever hung up is answered into the void.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) job: Request,
    pub(crate) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The door to the writer: bounded, and never waits for room.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Waiting>,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> (Self, mpsc::Receiver<Waiting>) {
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

    pub(crate) async fn put(&self, job: Request) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.sender.try_send(Waiting { job, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy { limit: self.sender.max_capacity() },
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable("the store is closed".into()),
        })?;
        // Only a runtime that is torn down drops the writer with jobs in its hands.
        answer.await.map_err(|_| StoreError::Unknown("the writer was stopped".into()))?
    }
}

/// An answer of another kind than the job's: a mistake in the writer.
pub(crate) fn mismatched() -> StoreError {
    StoreError::Internal("the writer gave an answer of another kind".into())
}
