//! Time and ids that a test decides.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tidings_domain::ports::{Clock, IdSource};
use tidings_domain::time::Timestamp;
use uuid::Uuid;

/// When tests begin: 2026-01-02 03:04:05.678 UTC. Its milliseconds are not round, so that losing them shows.
pub const T0: Timestamp = Timestamp::from_millis(1_767_323_045_678);

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_millis()))
    }

    /// Moves it on, or back, and tells the new time.
    pub fn advance(&self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(millis, Ordering::SeqCst).saturating_add(millis))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The same ids in every run of a test: the time given, and bits from a seeded generator.
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// Ids from this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The generator's next 64 bits (`SplitMix64`).
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl IdSource for SeededIds {
    fn uuid_v7(&self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        let bits = self.next().to_be_bytes().into_iter().chain(self.next().to_be_bytes());
        random.iter_mut().zip(bits).for_each(|(to, from)| *to = from);
        let millis = u64::try_from(at.as_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
