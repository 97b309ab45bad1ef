//! Storing what a look came to.

use crate::change::Change;
use crate::decision::{Decided, Decision};
use crate::id::{ThreadId, UserId};
use crate::job::{Job, NoticesSettled};
use crate::message::Origin;
use crate::seq::Seq;
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::time::Timestamp;

/// Notes who was notified, and ends the window if there was one. Under the thread's lock: a message that came after the
/// look has a window to itself.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) thread: ThreadId,
    /// Who was notified, and up to which message.
    pub(super) notified: Vec<(UserId, Seq)>,
    /// `None` when the look was another try after the window.
    pub(super) window: Option<EndedWindow>,
}

/// A window that has ended.
#[derive(Debug)]
pub(super) struct EndedWindow {
    /// When.
    pub(super) at: Timestamp,
    /// The newest message that the look saw.
    pub(super) seen: Seq,
    /// For those who could not be notified. Its seq is `seen`.
    pub(super) again: Option<Job>,
    /// For messages that came after the look: a window of their own.
    pub(super) next: Job,
}

impl Decision for Settle {
    type Output = ();
    type Rejection = NotInScope;

    fn scope(&self) -> Scope {
        self.notified.iter().fold(Scope::thread(self.thread), |scope, (user, _)| scope.member(user.clone()))
    }

    fn origin(&self) -> Origin {
        Origin::Request
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, NotInScope> {
        let Some(thread) = found.thread() else { return Ok(Decided { changes: Vec::new(), output: () }) };
        let mut settled = NoticesSettled {
            thread: thread.id,
            due: thread.notice_due,
            upto: thread.notice_upto,
            notified: Vec::new(),
        };
        for (user, upto) in &self.notified {
            if found.member(user)?.is_some_and(|member| member.notified < *upto) {
                settled.notified.push((user.clone(), *upto));
            }
        }
        let mut jobs = Vec::new();
        if let Some(window) = &self.window {
            // A window that has not ended was opened since; it stays.
            settled.due = thread.notice_due.filter(|due| *due > window.at);
            settled.upto = thread.notice_upto.max(window.seen);
            // Another runner with the same job may have been faster.
            let is_first = thread.notice_upto < window.seen;
            jobs.extend(window.again.clone().filter(|_| is_first));
            if settled.due.is_none() && thread.last_seq > window.seen {
                jobs.push(window.next.clone());
            }
        }
        let is_same = settled.due == thread.notice_due
            && settled.upto == thread.notice_upto
            && settled.notified.is_empty();
        let settled = (!is_same).then_some(Change::SettleNotices(settled));
        let changes = settled.into_iter().chain(jobs.into_iter().map(Change::EnqueueJob)).collect();
        Ok(Decided { changes, output: () })
    }
}
