//! Who hears what: members, and only they.

use serde_json::json;
use tidings_domain::id::ThreadId;
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, block_on, eventually};

use crate::client::{message, seqs};
use crate::world::{Setup, World};

#[test]
fn a_removed_member_hears_nothing_and_follows_nothing() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB, CAROL]).await;
        let (mut alice, mut bob) = (world.groupie(ALICE).await, world.groupie(BOB).await);
        bob.joins(thread).await;
        alice.joins(thread).await;
        world.sends(thread, CAROL, "to both").await;
        assert_eq!(bob.seqs_up_to(1).await, [1]);

        world.removes(thread, BOB).await;
        world.sends(thread, CAROL, "to one").await;
        assert_eq!(alice.seqs_up_to(2).await, [1, 2]);
        assert_eq!(bob.heard().await, []);
        let refused = bob.asks("joinThread", &json!({ "threadId": thread.to_string() })).await;
        assert_eq!(refused["code"], "not-a-member", "{refused}");

        world.takes_in(thread, BOB, 2).await;
        let id = bob.ask("sendMessage", &message(thread, "back again")).await;
        assert_eq!(seqs(&bob.answer(id).await.1), [0; 0], "back in, but following no longer");
        assert_eq!(alice.seqs_up_to(3).await, [3]);
        bob.joins(thread).await;
        let id = bob.ask("sendMessage", &message(thread, "and following")).await;
        assert_eq!(seqs(&bob.answer(id).await.1), [4]);
    });
}

#[test]
fn a_join_that_races_the_removal_leaves_nothing_behind() {
    block_on(async {
        let world = World::new().await;
        let (mut alice, mut bob) = (world.groupie(ALICE).await, world.groupie(BOB).await);
        for _ in 0..100 {
            let thread = world.thread(&[ALICE, BOB, CAROL]).await;
            alice.joins(thread).await;
            let join = json!({ "threadId": thread.to_string() });
            tokio::join!(bob.emit("joinThread", &join), world.removes(thread, BOB));
            world.sends(thread, CAROL, "not for Bob").await;
            alice.seqs_up_to(1).await;
            world.takes_in(thread, BOB, 1).await;
            let id = bob.ask("sendMessage", &message(thread, "a test")).await;
            let (answer, heard) = bob.answer(id).await;
            assert_eq!(answer["success"], true, "{answer}");
            // Unless the join came after all else, when Bob was in again, it has no effect.
            let joined_late =
                heard.iter().any(|packet| packet.is_event("threadJoined")) && seqs(&heard).contains(&2);
            assert!(joined_late || seqs(&heard).is_empty(), "{heard:?}");
            assert!(!seqs(&heard).contains(&1), "{heard:?}");
        }
    });
}

#[test]
fn a_removal_that_was_missed_with_too_much_else_ends_following_too() {
    block_on(async {
        let mut setup = Setup::default();
        (setup.hub.thread_queue_inputs, setup.hub.gap_rows) = (1, 3);
        let world = World::with(setup).await;
        let thread = world.thread(&[ALICE, BOB, CAROL]).await;
        let mut bob = world.groupie(BOB).await;
        bob.joins(thread).await;
        world.control.hold_reads();
        world.takes_in(thread, DAVE, 0).await;
        world.removes(thread, BOB).await;
        world.sends_many(thread, CAROL, 20).await;
        world.reads_wait(1).await;
        world.control.let_reads_go();
        // An answer about the thread comes behind its reading.
        let refused = bob.asks("joinThread", &json!({ "threadId": thread.to_string() })).await;
        assert_eq!(refused["code"], "not-a-member", "{refused}");
        world.takes_in(thread, BOB, 20).await;
        let id = bob.ask("sendMessage", &message(thread, "an echo?")).await;
        assert_eq!(seqs(&bob.answer(id).await.1), [0; 0]);
    });
}

#[test]
fn a_new_member_hears_from_where_their_view_begins() {
    block_on(async {
        let world = World::new().await;
        let (mut bob, mut carol) = (world.groupie(BOB).await, world.groupie(CAROL).await);
        // What waits for the roster is heard by those who are in it when it is read.
        world.control.hold_reads();
        let thread = world.thread(&[ALICE, BOB]).await;
        world.sends_many(thread, ALICE, 3).await;
        world.takes_in(thread, CAROL, 2).await;
        world.sends_many(thread, ALICE, 2).await;
        world.control.let_reads_go();
        assert_eq!(bob.seqs_up_to(5).await, [1, 2, 3, 4, 5]);
        assert_eq!(carol.seqs_up_to(5).await, [3, 4, 5]);
    });
}

/// A change that waits in the hub for a roster is told to whoever is connected when the roster is there: a session that
/// came after it too, since its client merges by id; nobody who has been removed meanwhile, though they were in it.
#[test]
fn a_fresh_session_may_hear_what_waited_and_a_removed_member_does_not() {
    block_on(async {
        let world = World::new().await;
        let mut alice = world.groupie(ALICE).await;
        world.control.hold_reads();
        let thread = world.thread(&[ALICE, BOB, CAROL, DAVE]).await;
        world.sends(thread, DAVE, "who hears this?").await;
        world.reads_wait(1).await;
        let (mut bob, mut carol) = (world.groupie(BOB).await, world.groupie(CAROL).await);
        world.removes(thread, CAROL).await;
        world.control.let_reads_go();
        assert_eq!(alice.seqs_up_to(1).await, [1]);
        assert_eq!(bob.seqs_up_to(1).await, [1], "it came after the message, which was still on its way");
        world.sends(thread, DAVE, "and this?").await;
        assert_eq!(bob.seqs_up_to(2).await, [2], "once");
        assert_eq!(carol.heard().await, []);
    });
}

#[test]
fn an_outsider_gets_nowhere_and_hears_nothing() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut bob, mut carol) = (world.campaigner(BOB).await, world.campaigner(CAROL).await);
        let refused = carol.asks("joinThread", &json!({ "threadId": thread.to_string() })).await;
        assert_eq!(refused["error"], "Access denied to this thread", "{refused}");
        let refused = carol.types(thread, true).await;
        assert_eq!(refused["code"], "not-a-member", "{refused}");
        for (event, payload) in [
            ("sendMessage", message(thread, "let me in")),
            ("markAsRead", json!({ "threadId": thread.to_string() })),
        ] {
            let refused = carol.asks(event, &payload).await;
            assert_eq!(refused["success"], false, "{event}: {refused}");
        }
        world.sends(thread, ALICE, "among us").await;
        assert_eq!(bob.seqs_up_to(1).await, [1]);
        assert_eq!(bob.heard().await, []);
        assert_eq!(carol.heard().await.iter().filter(|packet| !packet.is_event("error")).count(), 0);
    });
}

#[test]
fn a_thread_that_a_dialect_cannot_express_is_not_there_for_it() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB, CAROL]).await;
        let (mut bob, mut group_bob) = (world.campaigner(BOB).await, world.groupie(BOB).await);
        world.sends(thread, ALICE, "to a group").await;
        assert_eq!(group_bob.seqs_up_to(1).await, [1]);
        let refused = bob.asks("joinThread", &json!({ "threadId": thread.to_string() })).await;
        assert_eq!(refused["code"], "thread-not-found", "{refused}");
        // With two members it becomes one that can be said.
        world.removes(thread, CAROL).await;
        world.sends(thread, ALICE, "to two").await;
        assert_eq!(bob.seqs_up_to(2).await, [2]);
    });
}

#[test]
fn threads_that_are_not_there_cost_nothing_for_long() {
    block_on(async {
        let world = World::new().await;
        let mut alice = world.campaigner(ALICE).await;
        let mut last = 0;
        for index in 0..1_000_u128 {
            let id = ThreadId::from_uuid(uuid::Uuid::from_u128(index));
            for event in ["joinThread", "leaveThread", "typing"] {
                let payload = json!({ "threadId": id.to_string(), "isTyping": true });
                last = alice.ask(event, &payload).await;
            }
        }
        let (answer, _) = alice.answer(last).await;
        assert_eq!(answer["code"], "thread-not-found", "{answer}");
        eventually("they are forgotten", || world.hub.threads() == 0).await;
    });
}

#[test]
fn a_session_waits_when_too_much_of_it_is_unanswered() {
    block_on(async {
        let mut setup = Setup::default();
        setup.hub.session_events = 4;
        let world = World::with(setup).await;
        let mut alice = world.campaigner(ALICE).await;
        world.control.hold_reads();
        let mut last = 0;
        for index in 0..50_u128 {
            let id = ThreadId::from_uuid(uuid::Uuid::from_u128(index));
            last = alice.ask("joinThread", &json!({ "threadId": id.to_string() })).await;
        }
        world.reads_wait(4).await;
        assert_eq!(world.hub.threads(), 4);
        world.control.let_reads_go();
        let (answer, _) = alice.answer(last).await;
        assert_eq!(answer["code"], "thread-not-found", "{answer}");
        assert_eq!(world.control.waiting_most.load(std::sync::atomic::Ordering::SeqCst), 4);
    });
}

#[test]
fn a_session_follows_so_many_threads_and_no_more() {
    block_on(async {
        let mut setup = Setup::default();
        setup.hub.joined_threads = 2;
        let world = World::with(setup).await;
        let mut alice = world.campaigner(ALICE).await;
        let mut threads = Vec::new();
        for _ in 0..3 {
            threads.push(world.thread(&[ALICE, BOB]).await);
        }
        alice.joins(threads[0]).await;
        alice.joins(threads[1]).await;
        alice.joins(threads[1]).await;
        let join = json!({ "threadId": threads[2].to_string() });
        let refused = alice.asks("joinThread", &join).await;
        assert_eq!(refused["code"], "limit-exceeded", "{refused}");
        alice.asks("leaveThread", &json!({ "threadId": threads[0].to_string() })).await;
        alice.joins(threads[2]).await;
    });
}
