//! Notifying those who are away that there is something to read.
//!
//! A message opens a window in its thread, unless one is open. When the window ends, everyone is looked at who has
//! something unread that no notice was about: those who are away are notified, those who are present are looked at again
//! later. It is done for a member when they have read, were notified, or take no part any more. See
//! `docs/decisions/0002-one-notice-per-window.md`.

mod rule;
mod settle;

use self::rule::{
    Due, FAILURES_BESIDE_PRESENT_MAX, FAILURES_MAX, due, look_again_at, may_be_notified, try_again_at,
    try_again_beside,
};
use self::settle::{EndedWindow, Settle};
use super::Messaging;
use crate::decision::transact;
use crate::error::StoreError;
use crate::id::{JobId, UserId};
use crate::job::{ClaimedJob, Job, Notice, Work};
use crate::member::Member;
use crate::message::Message;
use crate::page::{MessagePage, PageEnd, PageLimit};
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
    /// How many are present and have not read.
    waiting: usize,
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
        round.next_at = jobs.next_job_at().await?;
        Ok(round)
    }

    /// Does a job.
    async fn work(&self, held: &ClaimedJob, reach: Reach<'_>, round: &mut Round) -> Result<(), StoreError> {
        let jobs = &self.deps().jobs;
        let now = self.deps().clock.now();
        let read = self.to_look_at(&held.job.work, now).await;
        let Ok(found) = read else {
            round.failed += 1;
            return jobs.retry_job(held, try_again_at(now, held.attempts), held.job.work.clone()).await;
        };
        // A later job has taken its place, or a crash came between its work and its end.
        let Some((thread, mut members, messages)) = found else { return jobs.finish_job(held).await };
        let (upto, failing, failures) = match &held.job.work {
            Work::NotifyUnread { .. } => (thread.last_seq, &[][..], 0),
            Work::NotifyAgain { upto, failing, failures, .. } => (*upto, &failing[..], *failures),
        };
        // So that those who cannot be reached keep nobody waiting who can.
        members.sort_by_key(|member| failing.contains(&member.user));
        let mut looked = self.look(held.job.id, upto, &members, &messages, reach).await;
        round.delivered += looked.notified.len();
        round.waiting += looked.waiting;
        let again = looked.again(now, failing, failures, round);
        match &held.job.work {
            Work::NotifyUnread { .. } => {
                self.end_window(&thread, now, looked.notified, again).await?;
                jobs.finish_job(held).await
            }
            Work::NotifyAgain { .. } => {
                if !looked.notified.is_empty() {
                    let settle = Settle { thread: thread.id, notified: looked.notified, window: None };
                    transact(self.deps().threads.as_ref(), settle).await?.map_err(mistaken)?;
                }
                match again {
                    Some(again) => jobs.retry_job(held, again.at, again.work(thread.id, upto)).await,
                    None => jobs.finish_job(held).await,
                }
            }
        }
    }

    /// The thread of a job with its members and newest messages, unless there is nothing to do.
    async fn to_look_at(
        &self,
        work: &Work,
        now: Timestamp,
    ) -> Result<Option<(Thread, Vec<Member>, Vec<Message>)>, StoreError> {
        let Some((thread, mut members)) = self.roster(work.thread()).await? else { return Ok(None) };
        let (is_due, upto) = match work {
            Work::NotifyUnread { .. } => (thread.notice_due.is_some_and(|due| due <= now), thread.last_seq),
            Work::NotifyAgain { upto, .. } => (thread.notice_upto == *upto, *upto),
        };
        if !is_due {
            return Ok(None);
        }
        members.retain(|member| may_be_notified(member) && member.unnotified_above() < upto);
        let Some(after) = members.iter().map(Member::unnotified_above).min() else {
            return Ok(Some((thread, members, Vec::new())));
        };
        let before = Some(thread.last_seq.next());
        let page = MessagePage { after, before, from: PageEnd::Newest, limit: PageLimit::MAX };
        let messages = self.deps().messages.page(thread.id, &page).await?;
        Ok(Some((thread, members, messages)))
    }

    /// Notifies whom it can. One recipient's failure is not the others'.
    async fn look(
        &self,
        job: JobId,
        upto: Seq,
        members: &[Member],
        messages: &[Message],
        reach: Reach<'_>,
    ) -> Looked {
        let mut looked = Looked::default();
        let began = self.deps().clock.now();
        for member in members {
            let is_here = reach.attendance.is_here(&member.user);
            match due(member, upto, messages, is_here) {
                Due::Nothing => {}
                Due::Wait { since } => {
                    looked.waiting += 1;
                    let at = look_again_at(began, since);
                    looked.present_at = Some(looked.present_at.map_or(at, |other| other.min(at)));
                }
                Due::Notify { .. } if looked.tried() >= LOOK_DELIVERIES || self.is_past(began, LOOK_MS) => {
                    looked.untried.push(member.user.clone());
                }
                Due::Notify { unread, newest } => {
                    let (user, thread, upto) = (member.user.clone(), member.thread, newest.seq);
                    let notice = Notice { job, user, thread, unread, newest: newest.id };
                    match reach.delivery.deliver(&notice).await {
                        Ok(()) => looked.notified.push((notice.user, upto)),
                        Err(_) => looked.unreached.push((notice.user, upto)),
                    }
                }
            }
        }
        looked
    }

    fn is_past(&self, began: Timestamp, millis: i64) -> bool {
        self.deps().clock.now() >= began.plus_millis(millis)
    }

    async fn end_window(
        &self,
        thread: &Thread,
        now: Timestamp,
        notified: Vec<(UserId, Seq)>,
        again: Option<Again>,
    ) -> Result<(), StoreError> {
        let id = || JobId::from_uuid(self.deps().ids.uuid_v7(now));
        let seen = thread.last_seq;
        let again = again.map(|again| Job { id: id(), due_at: again.at, work: again.work(thread.id, seen) });
        let due_at = now.plus_millis(self.deps().settings.notice_after_ms.unwrap_or_default());
        let next = Job { id: id(), due_at, work: Work::NotifyUnread { thread: thread.id } };
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
            if self.present_at.is_some() {
                again.failures = again.failures.min(FAILURES_BESIDE_PRESENT_MAX.max(failures));
            }
            if again.failures >= FAILURES_MAX {
                round.given_up += 1;
                again.failures = 0;
                self.notified.append(&mut self.unreached);
            } else {
                round.failed += 1;
                again.failing = self.unreached.drain(..).map(|(user, _)| user).collect();
                at = Some(match self.present_at {
                    Some(present_at) => try_again_beside(now, present_at, again.failures),
                    None => try_again_at(now, again.failures),
                });
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
    fn work(self, thread: crate::id::ThreadId, upto: Seq) -> Work {
        Work::NotifyAgain { thread, upto, failing: self.failing, failures: self.failures }
    }
}
