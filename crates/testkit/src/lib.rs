//! What tests of Tidings and of its storage adapters share.
//!
//! A store is right when it passes the contract suite of this crate, not when its own tests pass. An adapter's test
//! file is one line:
//!
//! ```
//! # use std::sync::Arc;
//! # use tidings_domain::ports::Notifier;
//! # use tidings_storage_memory::MemoryStore;
//! # use tidings_testkit::Stores;
//! async fn open(notifier: Arc<dyn Notifier>) -> Stores {
//!     Stores::of(MemoryStore::new(notifier))
//! }
//!
//! tidings_testkit::store_contract!(open, cases = 64);
//! ```
//!
//! It makes one `#[test]` of every case in [`contract`], one of the batch law in [`law`], and two of the model in
//! [`model`]; `cases` is how many random sequences each of the last three tries. The environment variable
//! `PROPTEST_CASES` raises that for an exhaustive run.
//!
//! Besides: a [`ManualClock`], [`SeededIds`], a [`RecordingNotifier`], people and a [`Fixture`] that reads like the
//! domain, and [`strategies`] for what people write.

pub mod contract;
mod fixture;
pub mod law;
pub mod model;
mod people;
mod recording;
mod rules;
mod runtime;
pub mod strategies;
mod time;

#[doc(hidden)]
pub use tidings_domain as __domain;

pub use fixture::{Fixture, Stores, Subject};
pub use people::{ALICE, BOB, CAROL, DAVE, ERIN, Person, body, campaign, crowd, key, subject};
pub use recording::RecordingNotifier;
pub use rules::{
    Draft, Refused, Rule, Sent, appending, appending_with_notice, enqueuing, keeping_member, putting_member,
    putting_subject, replacing, sending, settling, summarising,
};
pub use runtime::{DEADLINE, block_on, eventually};
pub use time::{ManualClock, SeededIds, T0};
