//! Decisions: pure rules that a store runs under a thread's lock.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::change::Change;
use crate::error::StoreError;
use crate::message::{Message, Origin};
use crate::ports::ThreadRepository;
use crate::seq::Seq;
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

/// Runs a decision and checks its changes against what it saw; a panic in it is its own failure alone. The one way for a store to run a decision.
///
/// # Errors
/// [`StoreError::Internal`] when the decision panics, or when its changes cannot follow on what it saw.
pub fn run(decision: &dyn AnyDecision, found: &Snapshot) -> Result<Vec<Change>, StoreError> {
    let changes = catch_unwind(AssertUnwindSafe(|| decision.run(found)))
        .map_err(|_| StoreError::Internal("the decision panicked".into()))?;
    match misfit(found, &changes) {
        None => Ok(changes),
        Some(reason) => Err(StoreError::Internal(format!("the decision's changes do not fit: {reason}"))),
    }
}

/// Why these changes cannot follow on what was found. Only a mistake in a decision makes them not fit.
fn misfit(found: &Snapshot, changes: &[Change]) -> Option<&'static str> {
    if changes.is_empty() {
        return None;
    }
    let Some(thread) = found.thread() else { return Some("there is no thread") };
    let (mut seq, mut modseq) = found.head();
    let mut number = found.next_number();
    let mut last_at = (seq > Seq::ZERO).then_some(thread.last_message_at);
    for change in changes {
        if let Some(taken) = change.modseq() {
            modseq = modseq.next();
            if taken != modseq {
                return Some("a modseq is not the thread's next");
            }
        }
        let in_thread = match change {
            Change::AppendMessage(message) => {
                seq = seq.next();
                if message.seq != seq || message.number < number {
                    return Some("a new message is not at the thread's next seq and number");
                }
                if last_at.is_some_and(|last| message.created_at <= last) {
                    return Some("a new message is not later than the one before it");
                }
                number = message.number.saturating_add(1);
                last_at = Some(message.created_at);
                message.thread
            }
            Change::ReplaceMessage(message) => {
                let old = found.message(message.id).ok().flatten();
                if !old.is_some_and(|old| is_same_message(old, message)) {
                    return Some("a replaced message was not loaded, or is not the same message");
                }
                message.thread
            }
            Change::PutMember(member) => {
                if found.member(&member.user).is_err() {
                    return Some("a changed member was not loaded");
                }
                member.thread
            }
            Change::PutThread(fields) => fields.id,
            Change::AddSummary(summary) => summary.thread,
            Change::EnqueueJob(job) => job.work.thread(),
            Change::SettleNotices(settled) => {
                let mut users = settled.notified.iter().map(|(user, _)| user);
                if !users.all(|user| matches!(found.member(user), Ok(Some(_)))) {
                    return Some("a notified member was not loaded, or is not there");
                }
                settled.thread
            }
        };
        if in_thread != thread.id {
            return Some("a change is of another thread");
        }
    }
    None
}

/// Whether one is the other at a later time: what a message says may change, not what it is.
fn is_same_message(old: &Message, new: &Message) -> bool {
    (old.seq, old.number, old.created_at, old.origin) == (new.seq, new.number, new.created_at, new.origin)
        && (&old.author, &old.client_key) == (&new.author, &new.client_key)
}
