//! The routes of a dialect as a client of HTTP sees them, over the memory store.
#![expect(
    clippy::indexing_slicing,
    reason = "helpers of tests, as tests themselves, may panic on a wrong answer"
)]

mod bodies;
mod budgets;
mod faults;
mod host;
mod identity;
mod in_flight;
mod long_answers;
mod paths;
mod store;
mod world;
