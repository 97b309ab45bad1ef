//! Who is to be notified of what, and when to look again. Pure.

use std::ops::RangeInclusive;

use crate::id::{MessageId, UserId};
use crate::member::Member;
use crate::message::{Message, Origin};
use crate::seq::Seq;
use crate::time::Timestamp;

/// How long after a failed delivery the next try comes, in milliseconds: doubled each time, up to a limit.
const RETRY_MS: RangeInclusive<i64> = 5_000..=3_600_000;
/// After how many tries in a row a delivery is given up.
pub(super) const FAILURES_MAX: u32 = 20;

/// How long until a thread is looked at again where members are present who have not read: half as long as nothing was
/// written in it, within these limits, in milliseconds. When they go, they are looked at then; this is for when that was
/// forgotten. The upper limit is not below that of [`RETRY_MS`], so that a try for somebody else is never too late for them.
const PRESENT_MS: RangeInclusive<i64> = 15_000..=7_200_000;

/// What a notice needs to know of a message that it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) seq: Seq,
    id: MessageId,
    author: Option<UserId>,
}

/// What a notice to a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread {
    /// How many messages.
    pub(super) count: u64,
    /// The newest of them.
    pub(super) newest: MessageId,
    /// Its place.
    pub(super) upto: Seq,
}

impl Written {
    /// `None` for what no notice counts: tombstones, and what was brought over from another system, which is not new.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let counts = message.deleted_at.is_none() && message.origin != Origin::Import;
        counts.then(|| Self { seq: message.seq, id: message.id, author: message.author.user().cloned() })
    }

    fn is_due_to(&self, member: &Member) -> bool {
        self.seq > member.unnotified_above() && self.author.as_ref() != Some(&member.user)
    }
}

/// Whether a member is notified at all.
pub(super) const fn may_be_notified(member: &Member) -> bool {
    member.takes_part() && !member.muted
}

/// What to notify a member of who is away, given the newest messages of the thread and up to where windows have ended.
///
/// A notice is about everything unread, also what was written after `upto`, so that the next window has nothing left.
pub(super) fn due(member: &Member, upto: Seq, written: &[Written]) -> Option<Unread> {
    let mut unread = written.iter().filter(|message| message.is_due_to(member));
    let oldest = unread.next().filter(|oldest| oldest.seq <= upto)?;
    let (count, newest) = unread.fold((1, oldest), |(count, _), message| (count + 1, message));
    Some(Unread { count, newest: newest.id, upto: newest.seq })
}

/// Whether a member who is present may have something unread up to `upto`, given the oldest messages that they have not
/// read. These may end early: then it is not known, and the member waits until they have read or are away.
pub(super) fn waits(member: &Member, upto: Seq, oldest: &[Message]) -> bool {
    oldest.last().is_some_and(|last| last.seq < upto)
        || oldest.iter().filter_map(Written::of).any(|it| it.seq <= upto && it.is_due_to(member))
}

/// When to look again at a thread where members are present who have not read, and the last message was written at
/// `since`. By the message's date, which may be ahead of the clock, it is looked at too soon rather than too late.
pub(super) fn look_again_at(now: Timestamp, since: Timestamp) -> Timestamp {
    let waited = now.as_millis().saturating_sub(since.as_millis());
    now.plus_millis((waited / 2).clamp(*PRESENT_MS.start(), *PRESENT_MS.end()))
}

/// When to try again after so many failures in a row.
pub(super) fn try_again_at(now: Timestamp, failures: u32) -> Timestamp {
    let doublings = failures.saturating_sub(1).min(20);
    now.plus_millis(RETRY_MS.start().saturating_mul(1_i64 << doublings).min(*RETRY_MS.end()))
}
