//! The contract of a store, as tests: what the ports promise, one promise a case.
//!
//! Run them with [`store_contract!`](crate::store_contract). Every case gets an empty store.
#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a case panics when the store breaks the promise"
)]

pub mod about;
pub mod copying;
pub mod creating;
pub mod deciding;
pub mod directory;
pub mod feed;
pub mod jobs;
pub mod keys;
pub mod listing;
pub mod members;
pub mod messages;
pub mod refusing;
pub mod summaries;
pub mod together;

use crate::fixture::{Fixture, Subject};
use crate::runtime::block_on;

/// Runs one case on a store of its own.
///
/// # Panics
/// When the store breaks the promise.
pub fn run<S: Subject>(case: &impl AsyncFn(&Fixture)) {
    block_on(async {
        let fixture = Fixture::open::<S>().await;
        case(&fixture).await;
    });
}

/// Tests a store against the whole contract: `store_contract!(open)`, where `open` is an
/// `async fn(Arc<dyn Notifier>) -> Stores` that opens an empty store.
///
/// `store_contract!(open, cases = 24)` says how many random sequences the batch law and the model try; the default
/// is 32. Use it once per test file.
#[macro_export]
macro_rules! store_contract {
    ($open:path) => {
        $crate::store_contract!($open, cases = 32);
    };
    ($open:path, cases = $cases:expr) => {
        $crate::__store_contract! { $open, $cases;
            creating: [
                a_thread_is_created_as_asked
                a_key_creates_once
                simultaneous_creates_make_one
                keys_of_different_sorts_are_different
                a_group_is_never_found_again
                what_is_absent_is_none
            ]
            deciding: [
                a_missing_thread_is_seen_as_none
                a_scope_is_loaded_and_nothing_else
                a_message_of_another_thread_is_absent
                a_rejection_stores_nothing
                a_verdict_without_changes_stores_nothing
                a_decision_may_change_many_rows
                the_origin_is_carried
                an_answer_means_visible
            ]
            keys: [
                a_repeated_key_gives_the_first_message
                simultaneous_sends_with_one_key_store_one
                a_key_belongs_to_its_thread_and_sender
                a_key_with_another_draft_is_seen
            ]
            together: [
                concurrent_senders_leave_no_gap
                decisions_run_in_the_order_of_their_first_polls
                commits_are_heard_once_in_order_before_the_answer
                message_numbers_are_unique_and_grow
                a_dropped_send_is_whole_or_absent
                what_is_slow_to_read_does_not_mix_moments
            ]
            refusing: [
                changes_that_do_not_fit_are_refused
                a_key_used_twice_is_refused
                a_message_id_used_twice_is_refused
                a_panicking_decision_hurts_nobody
                a_thread_that_cannot_be_is_refused
                a_message_stays_the_message_it_is
            ]
            members: [
                markers_round_trip
                a_marker_says_when_it_moved
                a_member_comes_and_goes
                every_field_of_a_member_round_trips
                members_come_in_the_order_they_came
                a_subject_changes
            ]
            messages: [
                pages_go_both_ways
                a_page_ends_with_the_text_that_is_one_too_many
                a_page_of_short_and_long_texts_is_whole
                edits_and_tombstones_keep_their_place
                every_field_of_a_message_round_trips
                any_text_round_trips
                the_last_before_a_time
                dates_rise_with_places
            ]
            listing: [
                a_list_is_in_order_of_activity
                pages_of_a_list_meet
                a_list_leaves_out_the_last_messages_that_are_too_much
                a_list_can_be_about_something
                hidden_left_and_removed_are_not_listed
                the_last_message_is_one_the_user_may_see
                unread_is_arithmetic
                small_threads_come_with_everyone
                large_threads_are_in_their_place
                a_thread_that_grows_and_shrinks_stays_in_its_place
            ]
            about: [
                unread_is_summed_over_all_of_a_list
                the_latest_thread_about_an_object_is_found
                a_busy_object_hides_nothing
            ]
            feed: [
                a_feed_gives_what_changed
                a_feed_collapses_in_order
                a_feed_is_whole_or_none
                a_feed_tells_new_from_replaced
            ]
            directory: [
                users_round_trip
                user_numbers_never_change
                a_later_token_stands_and_the_host_above_it
                any_text_of_the_directory_round_trips
                contexts_round_trip
                subjects_lead_to_their_user
                a_subject_moves_to_whom_it_is_given_last
            ]
            summaries: [
                summaries_come_newest_first
                every_field_of_a_summary_round_trips
                a_summary_is_a_change_of_its_thread
                a_summary_that_cannot_be_is_refused
                simultaneous_summaries_are_all_there
            ]
            jobs: [
                a_job_is_stored_with_its_commit
                a_job_alone_is_no_commit
                no_commit_no_job
                due_jobs_are_claimed_earliest_first
                windows_are_claimed_before_what_is_repeated
                a_lease_holds_and_ends
                jobs_are_finished_and_given_back
                no_two_hold_a_job
                a_job_id_used_twice_is_refused
                every_field_of_a_job_round_trips
                who_was_notified_is_remembered
            ]
        }
    };
}

/// Runs one case on two stores of its own.
///
/// # Panics
/// When one of the stores breaks the promise.
pub fn run_copy<F: Subject, T: Subject>(case: &impl AsyncFn(&Fixture, &Fixture)) {
    block_on(async {
        let (from, to) = (Fixture::open::<F>().await, Fixture::open::<T>().await);
        case(&from, &to).await;
    });
}

/// Tests that everything can be copied from a store of one sort into one of another.
///
/// `copy_contract!(to_a_file: memory => file)`, where `memory` and `file` are as in [`store_contract!`] and answer stores with a
/// [`transfer`](crate::Stores::transferring). The name is that of the module with the tests.
#[macro_export]
macro_rules! copy_contract {
    ($name:ident: $from:ident => $to:ident) => {
        $crate::__copy_contract! { $name, $from, $to:
            a_copy_answers_every_read_alike
            a_copy_goes_on_as_the_first_would
            a_copy_that_broke_off_goes_on
            only_an_empty_store_takes_a_copy_in
            a_page_follows_the_one_before
            what_is_written_meanwhile_is_found
            pages_meet
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __copy_contract {
    ($name:ident, $from:ident, $to:ident: $($case:ident)*) => {
        #[cfg(test)]
        mod $name {
            #[derive(Debug)]
            struct From;
            #[derive(Debug)]
            struct To;

            $crate::__copy_contract! { subject From, $from }
            $crate::__copy_contract! { subject To, $to }

            $(
                #[test]
                fn $case() {
                    $crate::contract::run_copy::<From, To>(&$crate::contract::copying::$case);
                }
            )*
        }
    };
    (subject $subject:ident, $open:ident) => {
        impl $crate::Subject for $subject {
            fn open(
                notifier: ::std::sync::Arc<dyn $crate::__domain::ports::Notifier>,
            ) -> ::std::pin::Pin<Box<dyn ::std::future::Future<Output = $crate::Stores> + Send>> {
                Box::pin(super::$open(notifier))
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_contract {
    ($open:path, $cases:expr; $($module:ident: [$($case:ident)*])*) => {
        #[derive(Debug)]
        struct StoreContractSubject;

        impl $crate::Subject for StoreContractSubject {
            fn open(
                notifier: ::std::sync::Arc<dyn $crate::__domain::ports::Notifier>,
            ) -> ::std::pin::Pin<Box<dyn ::std::future::Future<Output = $crate::Stores> + Send>> {
                Box::pin($open(notifier))
            }
        }

        $(
            #[cfg(test)]
            mod $module {
                use super::StoreContractSubject as S;
                $(
                    #[test]
                    fn $case() {
                        $crate::contract::run::<S>(&$crate::contract::$module::$case);
                    }
                )*
            }
        )*

        #[cfg(test)]
        mod at_random {
            use super::StoreContractSubject as S;

            #[test]
            fn a_batch_is_as_good_as_one_by_one() {
                $crate::law::batch_law::<S>($cases);
            }

            #[test]
            fn the_store_does_as_the_model_does() {
                $crate::model::follows_the_model::<S>($cases);
            }

            #[test]
            fn concurrent_senders_are_linearisable() {
                $crate::model::concurrent_senders::<S>($cases);
            }
        }
    };
}
