//! Running a decision: what it may see, and whether what it wants fits.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_domain::change::Change;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::message::Message;
use tidings_domain::snapshot::Snapshot;

/// Runs the decision and checks its changes against what it saw. A panic in it is its own failure alone.
pub(crate) fn run(decision: &dyn AnyDecision, found: &Snapshot) -> Result<Vec<Change>, StoreError> {
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
    for change in changes {
        modseq = modseq.next();
        if change.modseq() != modseq {
            return Some("a modseq is not the thread's next");
        }
        let in_thread = match change {
            Change::AppendMessage(message) => {
                seq = seq.next();
                if message.seq != seq || message.number < number {
                    return Some("a new message is not at the thread's next seq and number");
                }
                number = message.number.saturating_add(1);
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
