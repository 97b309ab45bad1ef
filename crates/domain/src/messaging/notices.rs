//! Notifying those who are away that there is something to read.
//!
//! A message opens a window in its thread, unless one is open. When the window ends, everyone is looked at who has
//! something unread that no notice was about: those who are away are notified, those who are present are looked at again
//! later. It is done for a member when they have read, were notified, or take no part any more. See
//! `docs/decisions/0002-one-notice-per-window.md`.

mod rule;
mod settle;
mod unread;

use self::rule::{FAILURES_MAX, due, look_again_at, try_again_at};
use self::settle::{EndedWindow, Settle};
use self::unread::Found;
use super::Messaging;
use crate::decision::transact;
use crate::error::StoreError;
use crate::id::{JobId, ThreadId, UserId};
use crate::job::{ClaimedJob, Job, Notice, Waiting, Work};
use crate::page::PageLimit;
use crate::ports::{Attendance, NoticeDelivery};
use crate::seq::Seq;
use crate::thread::Thread;
use crate::time::Timestamp;

/// How many jobs one round takes, one after the other.
const ROUND_JOBS: usize = 50;
/// How long a job is held, in milliseconds. A runner that dies leaves it to others after it.
const LEASE_MS: i64 = 60_000;
/// How many deliveries one look tries, and for how long, in milliseconds: well within the time that its job is held. In a
/// thread with more members who are away, another look follows.
const LOOK_DELIVERIES: usize = 100;
const LOOK_MS: i64 = LEASE_MS / 2;

/// What a round of work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// How many notices were delivered.
    pub delivered: usize,
    /// How many times somebody was not notified because they are present. They are looked at again later.
    pub waiting: usize,
    /// How many jobs failed and will be tried again.
    pub failed: usize,
    /// How many jobs failed for the last time.
    pub given_up: usize,
    /// When there is something to do next.
    pub next_at: Option<Timestamp>,
}

/// Who is present, and the way to those who are not.
#[derive(Debug, Clone, Copy)]
struct Reach<'a> {
    attendance: &'a dyn Attendance,
    delivery: &'a dyn NoticeDelivery,
}

/// What a look at a thread came to.
#[derive(Debug, Default)]
struct Looked {
    /// Who needs no other look, and up to which message.
    notified: Vec<(UserId, Seq)>,
    /// To whom the delivery failed, with the newest message that they have not read.
    unreached: Vec<(UserId, Seq)>,
    /// For whom there was no time.
    untried: Vec<UserId>,
    /// Who is present and has not read.
    waiting: Vec<UserId>,
    /// When to look again at them.
    present_at: Option<Timestamp>,
}

/// Another look at a thread.
#[derive(Debug)]
struct Again {
    at: Timestamp,
    failing: Vec<UserId>,
    failures: u32,
}

impl Messaging {
    /// Works off the jobs that are due: one round, of bounded size. A caller repeats it when `next_at` says.
    ///
    /// # Errors
    /// [`StoreError`] when jobs cannot be claimed or settled; a job whose delivery failed is no error but tried again.
    ///
    /// # Concurrency
    /// Several runners share the work; a job is held by one at a time. A notice may be delivered twice after a crash.
    pub async fn work_off(
        &self,
        attendance: &dyn Attendance,
        delivery: &dyn NoticeDelivery,
    ) -> Result<Round, StoreError> {
        let jobs = &self.deps().jobs;
        let mut round = Round::default();
        for _ in 0..ROUND_JOBS {
            // One at a time, so that no job waits for others while it is held.
            let now = self.deps().clock.now();
            let claimed = jobs.claim_jobs(now, now.plus_millis(LEASE_MS), PageLimit::clamped(1)).await?;
            let Some(held) = claimed.into_iter().next() else { break };
            self.work(&held, Reach { attendance, delivery }, &mut round).await?;
        }
        let gone = attendance.gone(ROUND_JOBS);
        let are_more_gone = gone.len() == ROUND_JOBS;
        for waiting in gone {
            self.look_at_leaver(&waiting, Reach { attendance, delivery }, &mut round).await?;
        }
        round.next_at =
            if are_more_gone { Some(self.deps().clock.now()) } else { jobs.next_job_at().await? };
        Ok(round)
    }

    /// Notifies somebody who was present and is gone, without waiting for the job that looks at them later. It is not held:
    /// if another runner does it at the same time, the notice is delivered twice, with the same job.
    async fn look_at_leaver(
        &self,
        waiting: &Waiting,
        reach: Reach<'_>,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        let Some(found) = self.to_look_at_one(waiting, reach.attendance).await? else { return Ok(()) };
        let looked = self.look(waiting.job, &found, reach).await;
        looked.wait(waiting.thread, waiting.job, reach.attendance);
        round.delivered += looked.notified.len();
        // The job is the other try.
        round.failed += looked.unreached.len();
        self.note(waiting.thread, looked.notified).await
    }

    /// Does a job.
    async fn work(&self, held: &ClaimedJob, reach: Reach<'_>, round: &mut Round) -> Result<(), StoreError> {
        let jobs = &self.deps().jobs;
        let now = self.deps().clock.now();
        let read = self.to_look_at(&held.job.work, now, reach.attendance).await;
        let Ok(found) = read else {
            round.failed += 1;
            return jobs.retry_job(held, try_again_at(now, held.attempts), held.job.work.clone()).await;
        };
        // A later job has taken its place, or a crash came between its work and its end.
        let Some(mut found) = found else { return jobs.finish_job(held).await };
        let (failing, failures) = match &held.job.work {
            Work::NotifyUnread { .. } => (&[][..], 0),
            Work::NotifyAgain { failing, failures, .. } => (&failing[..], *failures),
        };
        // So that those who cannot be reached keep nobody waiting who can.
        found.away.sort_by_key(|member| failing.contains(&member.user));
        let mut looked = self.look(held.job.id, &found, reach).await;
        let thread = &found.thread;
        round.delivered += looked.notified.len();
        round.waiting += looked.waiting.len();
        let again = looked.again(now, failing, failures, round);
        match &held.job.work {
            Work::NotifyUnread { .. } => {
                let again = again.map(|again| Job {
                    id: self.job_id(now),
                    due_at: again.at,
                    work: again.work(thread.id, found.upto),
                });
                let waiting_for = again.as_ref().map(|again| again.id);
                self.end_window(thread, now, std::mem::take(&mut looked.notified), again).await?;
                if let Some(job) = waiting_for {
                    looked.wait(thread.id, job, reach.attendance);
                }
                jobs.finish_job(held).await
            }
            Work::NotifyAgain { .. } => {
                looked.wait(thread.id, held.job.id, reach.attendance);
                self.note(thread.id, looked.notified).await?;
                match again {
                    Some(again) => jobs.retry_job(held, again.at, again.work(thread.id, found.upto)).await,
                    None => jobs.finish_job(held).await,
                }
            }
        }
    }

    /// Notifies whom it can. One recipient's failure is not the others'.
    async fn look(&self, job: JobId, found: &Found, reach: Reach<'_>) -> Looked {
        let mut looked = Looked { waiting: found.waiting.clone(), ..Looked::default() };
        let began = self.deps().clock.now();
        for member in &found.away {
            let Some(unread) = due(member, found.upto, &found.written) else { continue };
            if looked.tried() >= LOOK_DELIVERIES || self.is_past(began, LOOK_MS) {
                looked.untried.push(member.user.clone());
                continue;
            }
            // They may have come while others were notified.
            if reach.attendance.is_here(&member.user) {
                looked.waiting.push(member.user.clone());
                continue;
            }
            let (user, thread) = (member.user.clone(), member.thread);
            let notice = Notice { job, user, thread, unread: unread.count, newest: unread.newest };
            match reach.delivery.deliver(&notice).await {
                Ok(()) => looked.notified.push((notice.user, unread.upto)),
                Err(_) => looked.unreached.push((notice.user, unread.upto)),
            }
        }
        let is_waiting = !looked.waiting.is_empty();
        looked.present_at = is_waiting.then(|| look_again_at(began, found.thread.last_message_at));
        looked
    }

    fn is_past(&self, began: Timestamp, millis: i64) -> bool {
        self.deps().clock.now() >= began.plus_millis(millis)
    }

    fn job_id(&self, now: Timestamp) -> JobId {
        JobId::from_uuid(self.deps().ids.uuid_v7(now))
    }

    /// Stores who was notified.
    async fn note(&self, thread: ThreadId, notified: Vec<(UserId, Seq)>) -> Result<(), StoreError> {
        if notified.is_empty() {
            return Ok(());
        }
        let settle = Settle { thread, notified, window: None };
        transact(self.deps().threads.as_ref(), settle).await?.map_err(mistaken)
    }

    async fn end_window(
        &self,
        thread: &Thread,
        now: Timestamp,
        notified: Vec<(UserId, Seq)>,
        again: Option<Job>,
    ) -> Result<(), StoreError> {
        let seen = thread.last_seq;
        let due_at = now.plus_millis(self.deps().settings.notice_after_ms.unwrap_or_default());
        let next = Job { id: self.job_id(now), due_at, work: Work::NotifyUnread { thread: thread.id } };
        let window = EndedWindow { at: now, seen, again, next };
        let settle = Settle { thread: thread.id, notified, window: Some(window) };
        transact(self.deps().threads.as_ref(), settle).await?.map_err(mistaken)
    }
}

fn mistaken(error: crate::snapshot::NotInScope) -> StoreError {
    StoreError::Internal(error.to_string())
}

impl Looked {
    const fn tried(&self) -> usize {
        self.notified.len() + self.unreached.len()
    }

    /// Has those remembered who are present, to be looked at when they go.
    fn wait(&self, thread: ThreadId, job: JobId, attendance: &dyn Attendance) {
        for user in &self.waiting {
            attendance.waits(Waiting { user: user.clone(), thread, job });
        }
    }

    /// What is left to do, given to whom deliveries failed before and how often. Those to whom they failed too often are
    /// given up: they count as notified.
    fn again(
        &mut self,
        now: Timestamp,
        failing: &[UserId],
        failures: u32,
        round: &mut Round,
    ) -> Option<Again> {
        let mut at = self.present_at;
        let mut again = Again { at: now, failing: Vec::new(), failures: 0 };
        if !self.unreached.is_empty() {
            // With somebody who failed for the first time the count begins anew: nobody is given up too soon.
            let is_known = self.unreached.iter().all(|(user, _)| failing.contains(user));
            again.failures = if is_known { failures.saturating_add(1) } else { 1 };
            if again.failures >= FAILURES_MAX {
                round.given_up += 1;
                again.failures = 0;
                self.notified.append(&mut self.unreached);
            } else {
                round.failed += 1;
                again.failing = self.unreached.drain(..).map(|(user, _)| user).collect();
                // Not sooner for those who are present: tries come at their own pace, and count at it.
                at = Some(try_again_at(now, again.failures));
            }
        }
        if again.failing.is_empty() && !self.untried.is_empty() {
            at = Some(now);
        }
        again.failing.extend(self.untried.iter().filter(|user| failing.contains(user)).cloned());
        again.at = at?;
        Some(again)
    }
}

impl Again {
    fn work(self, thread: ThreadId, upto: Seq) -> Work {
        Work::NotifyAgain { thread, upto, failing: self.failing, failures: self.failures }
    }
}
