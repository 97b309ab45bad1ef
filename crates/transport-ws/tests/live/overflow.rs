//! Full queues, slow and failing reads: nothing is lost, doubled or reordered, or else the session is closed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_testkit::{ALICE, BOB, block_on, eventually};
use tidings_transport_ws::HubConfig;

use crate::client::seqs;
use crate::order::send_and_check;
use crate::world::{Setup, World};

async fn world(change: impl FnOnce(&mut HubConfig)) -> World {
    let mut setup = Setup::default();
    change(&mut setup.hub);
    World::with(setup).await
}

#[test]
fn a_burst_larger_than_the_queue_is_heard_whole_without_anything_after_it() {
    block_on(async {
        let world = world(|hub| hub.queue_inputs = 1).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut bob = world.campaigner(BOB).await;
        let mut heard = 0;
        for round in 1..=40 {
            world.sends_many(thread, ALICE, 50).await;
            assert_eq!(bob.seqs_up_to(round * 50).await, (heard + 1..=round * 50).collect::<Vec<_>>());
            heard = round * 50;
        }
    });
}

/// On one thread nothing runs between the sends, so that the first fill the queue and the others find no room in it.
#[tokio::test]
async fn what_was_in_the_queue_comes_before_what_found_no_room() {
    let world = world(|hub| hub.queue_inputs = 4).await;
    let mut bob = world.campaigner(BOB).await;
    for count in [3, 5, 8, 100] {
        let thread = world.thread(&[ALICE, BOB]).await;
        world.sends_many(thread, ALICE, count).await;
        let last = u64::try_from(count).expect("a small number");
        assert_eq!(bob.seqs_up_to(last).await, (1..=last).collect::<Vec<_>>());
    }
    assert_eq!(bob.heard().await, []);
}

#[test]
fn news_that_overflow_while_the_roster_is_read_are_heard_whole() {
    block_on(async {
        let world = world(|hub| hub.thread_queue_inputs = 4).await;
        let mut bob = world.campaigner(BOB).await;
        world.control.hold_reads();
        let thread = world.thread(&[ALICE, BOB]).await;
        world.sends_many(thread, ALICE, 3).await;
        world.reads_wait(1).await;
        world.sends_many(thread, ALICE, 97).await;
        world.control.let_reads_go();
        assert_eq!(bob.seqs_up_to(100).await, (1..=100).collect::<Vec<_>>());
        world.sends(thread, ALICE, "one more").await;
        assert_eq!(bob.seqs_up_to(101).await, [101]);
        assert_eq!(bob.heard().await, []);
    });
}

#[test]
fn gaps_upon_gaps_are_filled() {
    block_on(async {
        let world = world(|hub| {
            (hub.queue_inputs, hub.thread_queue_inputs) = (2, 2);
            hub.roster_believed = Duration::ZERO;
        })
        .await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut bob = world.campaigner(BOB).await;
        let talking = (0..4).map(|_| world.sends_many(thread, ALICE, 250));
        let (_, heard) = tokio::join!(futures_util::future::join_all(talking), bob.seqs_up_to(1_000));
        assert_eq!(heard, (1..=1_000).collect::<Vec<_>>());
    });
}

#[test]
fn acks_stay_behind_their_echoes_when_the_thread_overflows() {
    block_on(async {
        let world = world(|hub| {
            hub.thread_queue_inputs = 2;
            hub.roster_believed = Duration::ZERO;
        })
        .await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut alice = world.campaigner(ALICE).await;
        alice.joins(thread).await;
        send_and_check(&mut alice, thread, 300).await;
    });
}

#[test]
fn a_gap_too_long_closes_the_sessions_and_tells_nothing_of_it() {
    block_on(async {
        let world = world(|hub| (hub.thread_queue_inputs, hub.gap_rows) = (2, 5)).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut bob = world.campaigner(BOB).await;
        let mut others = world.groupie(tidings_testkit::CAROL).await;
        world.sends(thread, ALICE, "heard").await;
        assert_eq!(bob.seqs_up_to(1).await, [1]);
        // Somebody new must be read: the news wait.
        world.control.hold_reads();
        world.takes_in(thread, tidings_testkit::DAVE, 0).await;
        world.removes(thread, tidings_testkit::DAVE).await;
        world.sends_many(thread, ALICE, 50).await;
        world.reads_wait(1).await;
        world.control.let_reads_go();
        assert_eq!(seqs(&bob.rest().await), [0; 0], "nothing in part");
        assert_eq!(others.heard().await, [], "who is not in the thread is not concerned");

        let mut bob = world.campaigner(BOB).await;
        world.sends_many(thread, ALICE, 2).await;
        assert_eq!(bob.seqs_up_to(53).await, [52, 53], "live news go on");
        assert_eq!(bob.heard().await, []);
    });
}

#[test]
fn a_store_that_fails_delays_news_and_loses_none() {
    block_on(async {
        let world = world(|hub| hub.read_timeout = Duration::from_millis(50)).await;
        let mut bob = world.campaigner(BOB).await;
        for fault in [&world.control.failing, &world.control.panicking, &world.control.hanging] {
            fault.store(2, Ordering::SeqCst);
            let thread = world.thread(&[ALICE, BOB]).await;
            world.sends_many(thread, ALICE, 5).await;
            assert_eq!(bob.seqs_up_to(5).await, [1, 2, 3, 4, 5]);
        }
    });
}

#[test]
fn so_many_threads_are_read_at_once_and_no_more() {
    block_on(async {
        let world = world(|hub| hub.reads_at_once = 3).await;
        let mut bob = world.campaigner(BOB).await;
        world.control.hold_reads();
        for _ in 0..20 {
            let thread = world.thread(&[ALICE, BOB]).await;
            world.sends(thread, ALICE, "hello").await;
        }
        world.reads_wait(3).await;
        world.control.let_reads_go();
        for _ in 0..20 {
            bob.event("newMessage").await;
        }
        assert_eq!(world.control.waiting_most.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn an_old_roster_is_read_again_and_a_fresh_one_is_not() {
    block_on(async {
        for (believed, name) in [(Duration::ZERO, "Alice the Second"), (Duration::from_secs(60), "alice")] {
            let world = world(|hub| hub.roster_believed = believed).await;
            let thread = world.thread(&[ALICE, BOB]).await;
            let mut bob = world.campaigner(BOB).await;
            world.sends(thread, ALICE, "hello").await;
            assert_eq!(bob.event("newMessage").await["sender"]["username"], "alice");
            world.names(ALICE, "Alice the Second").await;
            // Past what the use cases remember by their own clock.
            world.clock.advance(120_000);
            // The names are read behind the news: some message soon has the new one, and no message waits for it.
            let mut heard = "alice".to_owned();
            for _ in 0..200 {
                world.sends(thread, ALICE, "hello again").await;
                let message = bob.event("newMessage").await;
                heard = message["sender"]["username"].as_str().expect("a name").to_owned();
                if heard == name && believed.is_zero() {
                    break;
                }
            }
            assert_eq!(heard, name);
        }
    });
}

/// Who takes part is exact however old a roster is, so a message waits for no reading of names.
#[test]
fn a_thread_that_was_quiet_does_not_wait_for_the_store() {
    block_on(async {
        let world = world(|hub| hub.roster_believed = Duration::ZERO).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut bob = world.campaigner(BOB).await;
        world.sends(thread, ALICE, "hello").await;
        assert_eq!(bob.event("newMessage").await["seq"], 1);
        world.control.hold_reads();
        for seq in 2..=5 {
            world.sends(thread, ALICE, "hello again").await;
            assert_eq!(bob.event("newMessage").await["seq"], seq);
        }
        world.control.let_reads_go();
    });
}

#[test]
fn rosters_beyond_the_limit_are_forgotten_and_nothing_is_missed() {
    block_on(async {
        let world = world(|hub| hub.threads = 4).await;
        let mut bob = world.campaigner(BOB).await;
        let (mut threads, mut followed) = (Vec::new(), None);
        for _ in 0..40 {
            let thread = world.thread(&[ALICE, BOB]).await;
            if followed.is_none() {
                bob.joins(thread).await;
                followed = Some(thread);
            }
            threads.push(thread);
            for thread in &threads {
                world.sends(*thread, ALICE, "hello").await;
                assert_eq!(bob.event("newMessage").await["threadId"], thread.to_string());
            }
        }
        assert_eq!(bob.heard().await, []);
        let followed = followed.expect("a thread is followed");
        eventually("old rosters are forgotten", || world.hub.threads() < 20).await;
        let id = bob.ask("sendMessage", &crate::client::message(followed, "echo")).await;
        assert_eq!(seqs(&bob.answer(id).await.1), [41], "it is followed still");
    });
}
