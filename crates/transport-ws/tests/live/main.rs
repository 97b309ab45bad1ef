//! Live delivery as clients see it: real frames over a loopback listener, the memory store behind gates.

#![expect(
    clippy::indexing_slicing,
    reason = "helpers of tests, as tests themselves, may panic on a wrong answer"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for some packets and passes over the others"
)]

mod budgets;
mod client;
mod members;
mod order;
mod overflow;
mod sessions;
mod store;
mod typing;
mod world;
