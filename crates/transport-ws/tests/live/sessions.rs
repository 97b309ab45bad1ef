//! How sessions begin and end, and what they do to each other: nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tidings_testkit::{ALICE, BOB, block_on, eventually};
use tidings_transport_ws::HubConfig;
use tidings_wire::campaign::DIALECT;
use tokio::time::{Instant, timeout};

use crate::client::{Packet, message};
use crate::world::{Setup, TOKEN_LASTS_MS, World};

const NAMESPACE: &str = DIALECT.socket.namespace;

#[test]
fn who_is_nobody_is_let_in_hears_nothing_and_is_sent_away() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        for token in ["nobody", "", "no such token"] {
            let mut nobody = world.deaf(NAMESPACE, token).await;
            nobody.emit("joinThread", &json!({ "threadId": thread.to_string() })).await;
            nobody.ask("sendMessage", &message(thread, "let me speak")).await;
            nobody.listen(&world.tasks);
            assert_eq!(nobody.next().await, Packet::Accepted, "{token:?}");
            assert_eq!(nobody.next().await, Packet::Disconnected, "{token:?}");
        }
        assert_eq!(world.hub.sessions(), 0);
        let bob = world.campaigner(BOB).await;
        world.sessions_are(1).await;
        drop(bob);
    });
}

#[test]
fn what_is_said_right_after_connect_waits_until_it_is_known_who_says_it() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut alice = world.deaf(NAMESPACE, "slow alice").await;
        alice.emit("joinThread", &json!({ "threadId": thread.to_string() })).await;
        let sent = alice.ask("sendMessage", &message(thread, "first thing")).await;
        alice.listen(&world.tasks);
        world.slow_tokens.add_permits(1);
        let (answer, heard) = alice.answer(sent).await;
        assert_eq!(answer["success"], true, "{answer}");
        assert_eq!(heard[0], Packet::Accepted);
        for (packet, event) in heard[1..].iter().zip(["connected", "threadJoined", "newMessage"]) {
            assert!(packet.is_event(event), "{heard:?}");
        }
        assert_eq!(heard.len(), 4, "{heard:?}");
    });
}

#[test]
fn sessions_that_end_are_forgotten() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut one, mut other) = (world.campaigner(BOB).await, world.campaigner(BOB).await);
        one.joins(thread).await;
        world.sessions_are(2).await;
        drop(one);
        world.sessions_are(1).await;
        world.sends(thread, ALICE, "to whoever is left").await;
        assert_eq!(other.seqs_up_to(1).await, [1]);
        other.leave().await;
        world.sessions_are(0).await;
    });
}

#[test]
fn a_session_whose_handler_panics_is_forgotten_too() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
        world.sessions_are(2).await;
        world.control.decision_panics.store(true, Ordering::SeqCst);
        alice.emit("sendMessage", &message(thread, "a trap")).await;
        alice.rest().await;
        world.sessions_are(1).await;
        world.sends(thread, ALICE, "life goes on").await;
        assert_eq!(bob.seqs_up_to(1).await, [1]);
    });
}

#[test]
fn who_does_not_keep_up_is_closed_and_others_are_not_harmed() {
    const MESSAGES: u64 = 400;
    block_on(async {
        let mut setup = Setup::default();
        setup.sockets.engine.outbox_bytes = 256 * 1024;
        setup.sockets.engine.close_timeout = Duration::from_millis(50);
        let world = World::with(setup).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let deaf = world.deaf(NAMESPACE, BOB.0).await;
        let mut bob = world.campaigner(BOB).await;
        world.sessions_are(2).await;
        let long = "x".repeat(10_000 * 4).chars().take(9_999).collect::<String>();
        for seq in 1..=MESSAGES * 4 {
            world.sends(thread, ALICE, &long).await;
            assert_eq!(bob.seqs_up_to(seq).await, [seq]);
            if seq >= MESSAGES && world.hub.sessions() == 1 {
                break;
            }
        }
        world.sessions_are(1).await;
        drop(deaf);
    });
}

#[test]
fn a_hub_that_stops_closes_its_sessions_and_nothing_hangs() {
    block_on(async {
        let world = World::new().await;
        let mut bob = world.campaigner(BOB).await;
        let mut alice = world.campaigner(ALICE).await;
        // One event waits for a read that never comes.
        world.control.hold_reads();
        let thread = world.thread(&[ALICE, BOB]).await;
        alice.emit("joinThread", &json!({ "threadId": thread.to_string() })).await;
        world.reads_wait(1).await;
        world.stop.cancel();
        bob.rest().await;
        alice.rest().await;
        world.sends(thread, ALICE, "stored all the same").await;
        let mut late = world.deaf(NAMESPACE, BOB.0).await;
        late.emit("joinThread", &json!({ "threadId": thread.to_string() })).await;
        late.listen(&world.tasks);
        assert!(!late.rest().await.contains(&Packet::Accepted));
        drop((alice, bob, late));
        world.tasks.close();
        assert!(timeout(Duration::from_secs(20), world.tasks.wait()).await.is_ok(), "every task ends");
    });
}

#[test]
fn a_session_that_comes_and_goes_while_the_queue_is_full_is_not_remembered() {
    block_on(async {
        let mut setup = Setup::default();
        setup.hub.queue_inputs = 1;
        let world = World::with(setup).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let talking = async {
            for _ in 0..50 {
                world.sends_many(thread, ALICE, 20).await;
                tokio::task::yield_now().await;
            }
        };
        let visiting = async {
            for _ in 0..50 {
                let mut bob = world.deaf(NAMESPACE, BOB.0).await;
                bob.leave().await;
                drop(bob);
            }
        };
        tokio::join!(talking, visiting);
        eventually("all are gone", || world.hub.sessions() == 0).await;
    });
}

/// A world whose tokens end in 10 s, and whose sockets may outlive them by `outlive`. Nobody is asked for a pong.
async fn with_old_tokens(outlive: Duration) -> World {
    let mut setup = Setup { in_memory: true, ..Setup::default() };
    setup.hub.sockets_outlive_tokens = outlive;
    setup.sockets.engine.ping_interval = Duration::from_hours(24);
    let world = World::with(setup).await;
    world.clock.advance(TOKEN_LASTS_MS - 10_000);
    world
}

#[tokio::test(start_paused = true)]
async fn a_socket_ends_with_its_token_unless_its_dialect_lets_it_outlive_it() {
    for (outlive, lasts) in [(Duration::from_secs(15), 25), (Duration::ZERO, 10)] {
        let world = with_old_tokens(outlive).await;
        let began = Instant::now();
        let (mut outlives, mut ends) = (world.campaigner(BOB).await, world.groupie(BOB).await);
        let gone = world.campaigner(ALICE).await;
        drop(gone);
        for (client, lasts) in [(&mut ends, 10), (&mut outlives, lasts)] {
            assert_eq!(client.rest().await, [], "the transport ends, so that clients come back");
            let lasted = began.elapsed();
            assert!(lasted.as_secs() == lasts, "{lasted:?}, not {lasts} s");
        }
        world.sessions_are(0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_outlived_its_token_is_served_and_hears_no_more_than_it_may() {
    let world = with_old_tokens(HubConfig::default().sockets_outlive_tokens).await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    for hour in 1..24 {
        world.clock.advance(3_600_000);
        tokio::time::advance(Duration::from_hours(1)).await;
        let sent = alice.asks("sendMessage", &message(thread, "a long evening")).await;
        assert_eq!(sent["success"], true, "{sent}");
        assert_eq!(bob.seqs_up_to(hour).await, [hour]);
    }
    world.removes(thread, BOB).await;
    assert_eq!(bob.asks("sendMessage", &message(thread, "let me speak")).await["code"], "not-a-member");
    world.sends(thread, ALICE, "among ourselves").await;
    assert!(!bob.heard().await.iter().any(|packet| packet.seq().is_some()));
}
