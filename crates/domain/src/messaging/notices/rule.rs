//! Who is to be notified of what, and when to look again. Pure.

use std::ops::RangeInclusive;

use crate::member::Member;
use crate::message::{Message, Origin};
use crate::seq::Seq;
use crate::time::Timestamp;

/// How long after a failed delivery the next try comes, in milliseconds: doubled each time, up to a limit.
const RETRY_MS: RangeInclusive<i64> = 5_000..=3_600_000;
/// After how many tries in a row a delivery is given up.
pub(super) const FAILURES_MAX: u32 = 20;

/// How long until a member is looked at again who is present and has not read: half as long as the message has waited
/// already, within these limits, in milliseconds. Who disconnects without having read is notified within the upper limit;
/// and who stays connected and unread for days costs a look every five minutes.
const PRESENT_MS: RangeInclusive<i64> = 15_000..=300_000;

/// What is to be done for one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// Nothing: they have read it, were notified, or their window has not ended.
    Nothing,
    /// They have not read what was written at `since`, but are present and may read it any moment.
    Wait {
        /// The date of the oldest unread message.
        since: Timestamp,
    },
    /// They are away: notify them.
    Notify {
        /// How many messages are unread.
        unread: u64,
        /// The newest of them.
        newest: &'a Message,
    },
}

/// Whether a member is notified at all.
pub(super) const fn may_be_notified(member: &Member) -> bool {
    member.takes_part() && !member.muted
}

/// What is to be done for a member, given the newest messages of the thread and up to where windows have ended.
///
/// A notice is about everything unread, also what was written after `upto`, so that the next window has nothing left.
pub(super) fn due<'a>(member: &Member, upto: Seq, messages: &'a [Message], is_here: bool) -> Due<'a> {
    let mut unread = messages.iter().filter(|message| {
        message.seq > member.unnotified_above()
            && message.deleted_at.is_none()
            && message.author.user() != Some(&member.user)
            // What was brought over from another system is not new.
            && message.origin != Origin::Import
    });
    let Some(oldest) = unread.next().filter(|oldest| may_be_notified(member) && oldest.seq <= upto) else {
        return Due::Nothing;
    };
    if is_here {
        return Due::Wait { since: oldest.created_at };
    }
    let (count, newest) = unread.fold((1, oldest), |(count, _), message| (count + 1, message));
    Due::Notify { unread: count, newest }
}

/// When to look again at a member who is present, whose oldest unread message was written at `since`. By the message's
/// date, which may be ahead of the clock, it is looked at too soon rather than too late.
pub(super) fn look_again_at(now: Timestamp, since: Timestamp) -> Timestamp {
    let waited = now.as_millis().saturating_sub(since.as_millis());
    now.plus_millis((waited / 2).clamp(*PRESENT_MS.start(), *PRESENT_MS.end()))
}

/// When to try again after so many failures in a row.
pub(super) fn try_again_at(now: Timestamp, failures: u32) -> Timestamp {
    let doublings = failures.saturating_sub(1).min(20);
    now.plus_millis(RETRY_MS.start().saturating_mul(1_i64 << doublings).min(*RETRY_MS.end()))
}

/// How many failures count while somebody is present: after so many, the pause is longer than the rarest look at them.
pub(super) const FAILURES_BESIDE_PRESENT_MAX: u32 = 7;

/// When to try again where somebody is present too, to be looked at again at `present_at`: at the pace of the tries, so
/// that presence makes nobody be given up sooner, but not later than the rarest look at who is present.
pub(super) fn try_again_beside(now: Timestamp, present_at: Timestamp, failures: u32) -> Timestamp {
    present_at.max(try_again_at(now, failures)).min(now.plus_millis(*PRESENT_MS.end()))
}
