//! Telling those who are away that there is something to read.

use super::Messaging;
use crate::error::StoreError;
use crate::id::ThreadId;
use crate::job::{ClaimedJob, Notice, Work};
use crate::member::Member;
use crate::message::{Message, Origin};
use crate::page::{MessagePage, PageEnd, PageLimit};
use crate::ports::{Attendance, NoticeDelivery};
use crate::seq::Seq;
use crate::time::Timestamp;

/// How many jobs one round takes, one after the other.
const ROUND_JOBS: usize = 50;
/// How long a job is held, in milliseconds. A runner that dies leaves it to others after it.
const LEASE_MS: i64 = 60_000;
/// How long after a failure the next try comes, in milliseconds: doubled each time, up to a limit.
const RETRY_FIRST_MS: i64 = 5_000;
const RETRY_MAX_MS: i64 = 3_600_000;
/// After how many tries a job is given up.
const ATTEMPTS_MAX: u32 = 20;

/// What a round of work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// How many notices were delivered.
    pub delivered: usize,
    /// How many jobs failed and will be tried again.
    pub failed: usize,
    /// How many jobs failed for the last time.
    pub given_up: usize,
    /// When there is something to do next.
    pub next_at: Option<Timestamp>,
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
            let left = self.work(&held, attendance, delivery, &mut round).await;
            match left {
                None => jobs.finish_job(&held).await?,
                Some(_) if held.attempts >= ATTEMPTS_MAX => {
                    round.given_up += 1;
                    jobs.finish_job(&held).await?;
                }
                Some(work) => {
                    round.failed += 1;
                    let doublings = held.attempts.saturating_sub(1).min(20);
                    let pause = RETRY_FIRST_MS.saturating_mul(1_i64 << doublings).min(RETRY_MAX_MS);
                    let at = self.deps().clock.now().plus_millis(pause);
                    jobs.retry_job(&held, at, work).await?;
                }
            }
        }
        round.next_at = jobs.next_job_at().await?;
        Ok(round)
    }

    /// Does a job; gives what is left of it when something failed. One recipient's failure is not the others'.
    async fn work(
        &self,
        held: &ClaimedJob,
        attendance: &dyn Attendance,
        delivery: &dyn NoticeDelivery,
        round: &mut Round,
    ) -> Option<Work> {
        let Work::NotifyUnread { thread, from, only } = &held.job.work;
        let (Ok(roster), Ok(messages)) =
            (self.roster(*thread).await, self.covered(*thread, *from, held.job.due_at).await)
        else {
            return Some(held.job.work.clone());
        };
        let (_, members) = roster?;
        let away = |member: &&Member| {
            member.takes_part()
                && !member.muted
                && (only.is_empty() || only.contains(&member.user))
                && !attendance.is_here(&member.user)
        };
        let mut unreached = Vec::new();
        for member in members.iter().filter(away) {
            let Some((unread, newest)) = unread_of(member, &messages) else { continue };
            let (user, newest) = (member.user.clone(), newest.id);
            let notice = Notice { job: held.job.id, user, thread: *thread, unread, newest };
            match delivery.deliver(&notice).await {
                Ok(()) => round.delivered += 1,
                Err(_) => unreached.push(notice.user),
            }
        }
        let left = Work::NotifyUnread { thread: *thread, from: *from, only: unreached };
        matches!(&left, Work::NotifyUnread { only, .. } if !only.is_empty()).then_some(left)
    }

    /// The newest of the messages that a job covers, up to a page.
    async fn covered(&self, thread: ThreadId, from: Seq, due: Timestamp) -> Result<Vec<Message>, StoreError> {
        let last = self.deps().messages.last_before(thread, due).await?;
        let page = MessagePage {
            after: Seq::new(from.get().saturating_sub(1)),
            before: Some(last.next()),
            from: PageEnd::Newest,
            limit: PageLimit::MAX,
        };
        self.deps().messages.page(thread, &page).await
    }
}

/// How many of the messages a member has not read, and the newest of them.
fn unread_of<'a>(member: &Member, messages: &'a [Message]) -> Option<(u64, &'a Message)> {
    let unread = |message: &&Message| {
        message.seq > member.unread_above()
            && message.deleted_at.is_none()
            && message.author.user() != Some(&member.user)
            // What was brought over is not news.
            && message.origin != Origin::Import
    };
    let newest = messages.iter().rfind(unread)?;
    Some((messages.iter().filter(unread).count() as u64, newest))
}
