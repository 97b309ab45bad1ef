//! The real clock and the real source of ids. The domain asks for both through ports, so that rules and tests need neither.
//!
//! ```
//! use tidings_domain::ports::{Clock, IdSource};
//! use tidings_system::{SystemClock, SystemIds};
//!
//! let now = SystemClock.now();
//! assert_eq!(SystemIds.uuid_v7(now).get_version_num(), 7);
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use tidings_domain::ports::{Clock, IdSource};
use tidings_domain::time::Timestamp;
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is injected everywhere else")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// UUIDv7 with the operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn uuid_v7(&self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        // Without randomness from the system nothing here is safe; there is no going on.
        #[expect(clippy::expect_used, reason = "the operating system always has randomness after boot")]
        getrandom::fill(&mut random).expect("the operating system gives random bytes");
        let millis = u64::try_from(at.as_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
