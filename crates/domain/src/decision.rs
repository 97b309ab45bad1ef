//! Decisions: pure rules that a store runs under a thread's lock.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::change::Change;
use crate::error::StoreError;
use crate::message::Origin;
use crate::ports::ThreadRepository;
use crate::snapshot::{Scope, Snapshot};

/// What a use case writes: typed and pure. It may be run again on another snapshot, so it holds all that must not
/// differ between two runs: ids, the time, the texts.
pub trait Decision: Send + Sync + 'static {
    /// What the use case answers when the decision was stored.
    type Output: Send + 'static;
    /// Why it was refused.
    type Rejection: Send + 'static;

    /// What must be loaded before deciding.
    fn scope(&self) -> Scope;

    /// Through what the decision came; the commit carries it.
    fn origin(&self) -> Origin;

    /// Judges what was found.
    ///
    /// # Errors
    /// The rejection; nothing is stored then.
    fn decide(&self, found: &Snapshot) -> Result<Decided<Self::Output>, Self::Rejection>;
}

/// The verdict of a decision: what changes, in order, and what to answer. No changes is a valid verdict.
#[derive(Debug, Clone)]
pub struct Decided<T> {
    /// The changes. The first takes the thread's next modseq, each further one the next after it.
    pub changes: Vec<Change>,
    /// The answer.
    pub output: T,
}

/// A decision with its types erased, so that stores and the port stay object-safe.
pub trait AnyDecision: Send + Sync {
    /// As [`Decision::scope`].
    fn scope(&self) -> Scope;

    /// As [`Decision::origin`].
    fn origin(&self) -> Origin;

    /// Decides and keeps the answer inside; gives the changes to store, none when it was refused. The store may run
    /// it again (a failed batch), then only the last run counts.
    fn run(&self, found: &Snapshot) -> Vec<Change>;
}

struct Slot<D: Decision> {
    decision: D,
    answer: Mutex<Option<Result<D::Output, D::Rejection>>>,
}

impl<D: Decision> fmt::Debug for Slot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl<D: Decision> AnyDecision for Slot<D> {
    fn scope(&self) -> Scope {
        self.decision.scope()
    }

    fn origin(&self) -> Origin {
        self.decision.origin()
    }

    fn run(&self, found: &Snapshot) -> Vec<Change> {
        let (changes, answer) = match self.decision.decide(found) {
            Ok(decided) => (decided.changes, Ok(decided.output)),
            Err(rejection) => (Vec::new(), Err(rejection)),
        };
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        changes
    }
}

/// Runs a typed decision through [`ThreadRepository::transact`].
///
/// # Errors
/// [`StoreError`] when the store could not decide or could not store; the inner error when the decision refused.
///
/// # Concurrency
/// A caller that drops this future after the store took the decision does not undo it: the changes may still be
/// stored, and are then heard by everyone.
pub async fn transact<D: Decision>(
    threads: &dyn ThreadRepository,
    decision: D,
) -> Result<Result<D::Output, D::Rejection>, StoreError> {
    let slot = Arc::new(Slot { decision, answer: Mutex::new(None) });
    let erased: Arc<dyn AnyDecision> = Arc::<Slot<D>>::clone(&slot);
    threads.transact(erased).await?;
    let answer = slot.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| StoreError::Internal("the store answered without deciding".into()))
}
