//! What a look at a thread reads: no more than it needs, however long and many the messages are.

use super::rule::{Written, may_be_notified, waits};
use crate::error::StoreError;
use crate::id::{ThreadId, UserId};
use crate::job::{Waiting, Work};
use crate::member::Member;
use crate::messaging::Messaging;
use crate::page::{MessagePage, PAGE_ROWS_MAX, PageEnd, PageLimit};
use crate::ports::Attendance;
use crate::seq::Seq;
use crate::thread::Thread;
use crate::time::Timestamp;

/// At most so many bytes of text are in memory at once, and one text more. Nothing but their number is used.
const PIECE_TEXT_BYTES: u32 = 64 * 1024;
/// How many messages are read for all members who are present, and how many bytes of text: one that counts is enough.
const OLDEST_ROWS: u32 = 20;
const OLDEST_TEXT_BYTES: u32 = 1024;

/// A thread where a look is due.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) thread: Thread,
    /// Up to where windows have ended.
    pub(super) upto: Seq,
    /// Who is present and has not read.
    pub(super) waiting: Vec<UserId>,
    /// The others who have not read.
    pub(super) away: Vec<Member>,
    /// The newest messages that those have not read, oldest first, at most [`PAGE_ROWS_MAX`].
    pub(super) written: Vec<Written>,
}

impl Messaging {
    /// What there is to do for a job; `None` when a later one has taken its place.
    pub(super) async fn to_look_at(
        &self,
        work: &Work,
        now: Timestamp,
        attendance: &dyn Attendance,
    ) -> Result<Option<Found>, StoreError> {
        let Some((thread, mut members)) = self.roster(work.thread()).await? else { return Ok(None) };
        let (is_due, upto) = match work {
            Work::NotifyUnread { .. } => (thread.notice_due.is_some_and(|due| due <= now), thread.last_seq),
            Work::NotifyAgain { upto, .. } => (thread.notice_upto == *upto, *upto),
        };
        if !is_due {
            return Ok(None);
        }
        members.retain(|member| may_be_notified(member) && member.unnotified_above() < upto);
        self.found(thread, upto, members, attendance).await.map(Some)
    }

    /// What there is to do for one member of a thread, in which windows have ended.
    pub(super) async fn to_look_at_one(
        &self,
        waiting: &Waiting,
        attendance: &dyn Attendance,
    ) -> Result<Option<Found>, StoreError> {
        let Some((thread, mut members)) = self.roster(waiting.thread).await? else { return Ok(None) };
        let upto = thread.notice_upto;
        members.retain(|member| {
            member.user == waiting.user && may_be_notified(member) && member.unnotified_above() < upto
        });
        self.found(thread, upto, members, attendance).await.map(Some)
    }

    async fn found(
        &self,
        thread: Thread,
        upto: Seq,
        members: Vec<Member>,
        attendance: &dyn Attendance,
    ) -> Result<Found, StoreError> {
        let (here, away): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|member| attendance.is_here(&member.user));
        let waiting = self.waiting(thread.id, upto, here).await?;
        let written = self.written(&thread, &away).await?;
        Ok(Found { thread, upto, waiting, away, written })
    }

    async fn waiting(
        &self,
        thread: ThreadId,
        upto: Seq,
        here: Vec<Member>,
    ) -> Result<Vec<UserId>, StoreError> {
        let Some(after) = here.iter().map(Member::unnotified_above).min() else { return Ok(Vec::new()) };
        let limit = PageLimit::clamped(OLDEST_ROWS).with_text_bytes(OLDEST_TEXT_BYTES);
        let page = MessagePage { after, before: Some(upto.next()), from: PageEnd::Oldest, limit };
        let oldest = self.deps().messages.page(thread, &page).await?;
        let waiting = here.into_iter().filter(|member| waits(member, upto, &oldest));
        Ok(waiting.map(|member| member.user).collect())
    }

    async fn written(&self, thread: &Thread, away: &[Member]) -> Result<Vec<Written>, StoreError> {
        let Some(after) = away.iter().map(Member::unnotified_above).min() else { return Ok(Vec::new()) };
        let (mut written, mut left, mut before) = (Vec::new(), PAGE_ROWS_MAX, thread.last_seq.next());
        while left > 0 && after.next() < before {
            let limit = PageLimit::clamped(left).with_text_bytes(PIECE_TEXT_BYTES);
            let page = MessagePage { after, before: Some(before), from: PageEnd::Newest, limit };
            let messages = self.deps().messages.page(thread.id, &page).await?;
            let Some(oldest) = messages.first() else { break };
            before = oldest.seq;
            left = left.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
            written.extend(messages.iter().rev().filter_map(Written::of));
        }
        written.reverse();
        Ok(written)
    }
}
