//! What is there before a workload begins, the same for every contestant: users, threads, messages.
//!
//! Nothing is drawn at random: thread 7 has the same id and the same members everywhere.

use serde::{Deserialize, Serialize};

/// A thread and its members. The first member is the advertiser and sends; the second, if there are two, the promoter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// A UUID of version 7, in its text form.
    pub id: String,
    /// What the thread is about.
    pub campaign_id: String,
    /// The ids of its members.
    pub members: Vec<String>,
}

/// Milliseconds of the epoch at which all fixtures begin: 2025-01-01T00:00:00Z.
const BEGINNING_MS: u64 = 1_735_689_600_000;

/// The id of a thread: a UUIDv7 whose time is the fixture's beginning and a second per thread.
#[must_use]
pub fn thread_id(number: usize) -> String {
    uuid(number, 0)
}

/// The id of a message, by its thread's number and its seq (from 1).
#[must_use]
pub fn message_id(thread: usize, seq: usize) -> String {
    uuid(thread, seq)
}

fn uuid(number: usize, part: usize) -> String {
    let at = BEGINNING_MS.saturating_add(u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(1_000));
    let (high, low) = (at >> 16, at & 0xffff);
    format!("{high:08x}-{low:04x}-7000-8000-{part:012x}")
}

/// The user who has the first place in the thread of this number.
#[must_use]
pub fn advertiser(number: usize) -> String {
    format!("advertiser-{number}")
}

/// The user who has the second place in the thread of this number.
#[must_use]
pub fn promoter(number: usize) -> String {
    format!("promoter-{number}")
}

/// As many threads of two, nobody in two of them.
#[must_use]
pub fn pairs(count: usize) -> Vec<Thread> {
    (0..count)
        .map(|number| Thread {
            id: thread_id(number),
            campaign_id: format!("campaign-{number}"),
            members: vec![advertiser(number), promoter(number)],
        })
        .collect()
}

/// As many threads of two with the same advertiser, `advertiser-0`, in all of them.
#[must_use]
pub fn of_one_advertiser(count: usize) -> Vec<Thread> {
    pairs(count)
        .into_iter()
        .map(|mut thread| {
            if let Some(first) = thread.members.first_mut() {
                *first = advertiser(0);
            }
            thread
        })
        .collect()
}

/// One thread of as many members: `advertiser-0` and promoters.
#[must_use]
pub fn group(members: usize) -> Thread {
    let others = (1..members).map(promoter);
    Thread {
        id: thread_id(0),
        campaign_id: "campaign-0".to_owned(),
        members: std::iter::once(advertiser(0)).chain(others).collect(),
    }
}

/// The role of a user, as their id tells it.
#[must_use]
pub fn role(user: &str) -> &'static str {
    if user.starts_with("advertiser-") { "ADVERTISER" } else { "PROMOTER" }
}

/// When a message was written, as ISO 8601: the fixture's beginning, a second per thread, a millisecond per message.
#[must_use]
pub fn written_at(thread: usize, seq: usize) -> String {
    let ms = thread.saturating_mul(1_000).saturating_add(seq);
    let (day, hour) = (ms / 86_400_000, ms / 3_600_000 % 24);
    let (minute, second, ms) = (ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    format!("2025-01-{:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", day.saturating_add(1))
}
