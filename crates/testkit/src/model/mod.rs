//! The same random sequence of use cases on a naive reference and on a real store.
//!
//! After every step all that can be seen is equal; and with several senders at once, the store is linearisable.

mod harness;
mod reference;
mod senders;

use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::fixture::Subject;
use crate::runtime::{config, holds};

use harness::Harness;
use reference::Reference;

/// The longest sequence of steps.
const STEPS_MAX: usize = 50;

/// Tries so many random sequences of opening, sending, repeating, marking, paging, deleting, hiding and leaving.
///
/// After every step lists, order, unread, markers and counters equal those of a model that counts one by one.
///
/// # Panics
/// When store and model differ.
pub fn follows_the_model<S: Subject>(cases: u32) {
    let config = config(cases);
    holds(config.clone(), &Reference::sequential_strategy(1..STEPS_MAX), |(start, steps, seen)| {
        Harness::<S>::test_sequential(config.clone(), start, steps, seen);
        Ok(())
    });
}

/// Lets two to four tasks write into two threads at once, with repeated keys, and looks for one order that explains it.
///
/// That is: no gap, nothing twice, what was answered is there, and what was answered before another send began comes
/// before it.
///
/// # Panics
/// When no such order does.
pub fn concurrent_senders<S: Subject>(cases: u32) {
    holds(config(cases), &senders::plans(), |plans| {
        senders::check::<S>(plans);
        Ok(())
    });
}
