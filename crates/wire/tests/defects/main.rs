//! The defects of the original campaign system (its contract, section 6), each with a test that fails where it is
//! back. What takes a whole server to show is tested on one; it is named here too, so that the list is whole.
//!
//! | defect | its test |
//! |---|---|
//! | D1 one socket for each user | `tests/node/devices.mjs`: closing either of two sockets loses nothing |
//! | D2 anybody reads any thread | [`reading`]`::d02_strangers_read_nothing` |
//! | D3 anybody marks any thread as read | [`writing`]`::d03_strangers_mark_nothing` |
//! | D4 anybody types anywhere | `transport-ws/tests/live/typing.rs`, `tests/node/outsiders.mjs`: the hub judges it |
//! | D5 any content is taken | [`writing`]`::d05_content_is_judged` |
//! | D6 refusals are 400 or 500 | [`writing`]`::d06_refusals_have_true_statuses` |
//! | D7 concurrent creates are a 500 | [`opening`]`::d07_of_concurrent_creates_one_creates` |
//! | D8 two queries for each listed thread | [`reading`]`::d08_a_list_asks_the_store_as_often_however_long_it_is`, `storage-sqlite/src/plans.rs` |
//! | D9 events before authentication are lost | `tests/node/connecting.mjs`: events sent in the connect handler work |
//! | D10 nobody learns what became of a send | [`writing`]`::d10_a_callback_learns_what_became_of_a_send` |
//! | D11 a reply waits for mail and SMS | [`writing`]`::d11_a_send_does_not_wait_for_notices` |
//! | D12 typing never expires | `domain/tests/rules/typing.rs`, `transport-ws/tests/live/typing.rs`, `tests/node/typing.mjs` |
//! | D13 a read mark without its thread tells nobody | [`writing`]`::d13_a_mark_by_message_alone_is_heard` |
//! | D14 message, activity and marks are not one | [`writing`]`::d14_a_send_is_one_commit_with_one_time` |
//! | D15 wild limits and dates are a 500 | [`reading`]`::d15_wild_limits_and_dates_are_answered` |
//! | D16 the campaign filter mixes threads | [`reading`]`::d16_a_campaign_lists_its_own_threads_alone` |
//! | D17 every request asks elsewhere who it is | [`reading`]`::d17_a_known_user_is_not_looked_up_again` |
//! | D18 an advertiser cannot choose the promoter | [`opening`]`::d18_the_named_promoter_is_taken` |

// Each is marked as a test module so that the lints' leave for tests reaches its helpers too.
#[cfg(test)]
mod opening;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writing;
