//! Who is shown as typing, and for how long. The clock is paused: it moves when all is quiet.

use std::time::Duration;

use serde_json::json;
use tidings_domain::id::ThreadId;
use tidings_testkit::{ALICE, BOB, CAROL};
use tokio::time::Instant;

use crate::client::{Client, message};
use crate::world::{Setup, World};

async fn world() -> World {
    with(Setup::default()).await
}

/// Where nobody is asked for a pong, however long it takes.
async fn with(mut setup: Setup) -> World {
    setup.in_memory = true;
    setup.sockets.engine.ping_interval = Duration::from_hours(1);
    World::with(setup).await
}

/// Whether the next sign is of somebody who types.
async fn typing(client: &mut Client) -> bool {
    client.event("userTyping").await["isTyping"].as_bool().expect("a bool")
}

async fn starts(client: &mut Client, thread: ThreadId) {
    let answer = client.types(thread, true).await;
    assert_eq!(answer["success"], true, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn typing_is_heard_by_the_others_and_ends_by_itself() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    let mut other_alice = world.campaigner(ALICE).await;
    starts(&mut alice, thread).await;
    let began = Instant::now();
    let sign = bob.event("userTyping").await;
    assert_eq!(sign, json!({ "threadId": thread.to_string(), "userId": "alice", "isTyping": true }));
    assert!(!typing(&mut bob).await);
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_millis(29_990) && lasted < Duration::from_millis(30_100), "{lasted:?}");
    assert_eq!(bob.heard().await, []);
    assert_eq!(alice.heard().await, []);
    assert_eq!(other_alice.heard().await, []);
}

#[tokio::test(start_paused = true)]
async fn each_sign_prolongs_typing() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    let began = Instant::now();
    for _ in 0..3 {
        starts(&mut alice, thread).await;
        assert!(typing(&mut bob).await);
        tokio::time::advance(Duration::from_secs(20)).await;
    }
    assert!(!typing(&mut bob).await);
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_millis(69_900) && lasted < Duration::from_millis(70_200), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn typing_ends_with_a_send_before_the_message_is_heard() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    for by_request in [false, true] {
        starts(&mut alice, thread).await;
        assert!(typing(&mut bob).await);
        if by_request {
            world.sends(thread, ALICE, "sent").await;
        } else {
            alice.asks("sendMessage", &message(thread, "sent")).await;
        }
        let heard = bob.heard().await;
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[0].is_event("userTyping") && heard[1].seq().is_some(), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn typing_ends_when_its_session_stops_leaves_or_goes() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let mut bob = world.campaigner(BOB).await;
    for end in ["stop", "leave", "disconnect", "break off"] {
        let mut alice = world.campaigner(ALICE).await;
        starts(&mut alice, thread).await;
        assert!(typing(&mut bob).await);
        let began = Instant::now();
        match end {
            "stop" => drop(alice.types(thread, false).await),
            "leave" => drop(alice.asks("leaveThread", &json!({ "threadId": thread.to_string() })).await),
            "disconnect" => alice.leave().await,
            _ => drop(alice),
        }
        assert!(!typing(&mut bob).await);
        assert!(began.elapsed() < Duration::from_secs(1), "{end}");
        assert_eq!(bob.heard().await, [], "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_types_on_two_devices_types_until_the_last_stops() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let mut bob = world.campaigner(BOB).await;
    let (mut one, mut other) = (world.campaigner(ALICE).await, world.campaigner(ALICE).await);
    starts(&mut one, thread).await;
    starts(&mut other, thread).await;
    assert!(typing(&mut bob).await && typing(&mut bob).await);
    one.leave().await;
    world.sessions_are(2).await;
    assert_eq!(bob.heard().await, []);
    other.types(thread, false).await;
    assert!(!typing(&mut bob).await);
}

#[tokio::test(start_paused = true)]
async fn typing_ends_with_membership_and_the_removed_hear_none() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB, CAROL]).await;
    let (mut alice, mut bob) = (world.groupie(ALICE).await, world.groupie(BOB).await);
    let mut carol = world.groupie(CAROL).await;
    starts(&mut alice, thread).await;
    assert!(typing(&mut bob).await && typing(&mut carol).await);
    world.removes(thread, ALICE).await;
    assert!(!typing(&mut bob).await && !typing(&mut carol).await);
    assert_eq!(alice.types(thread, true).await["code"], "not-a-member");

    starts(&mut bob, thread).await;
    assert!(typing(&mut carol).await);
    world.removes(thread, CAROL).await;
    bob.types(thread, false).await;
    assert_eq!(carol.heard().await, []);
}

#[tokio::test(start_paused = true)]
async fn typing_ends_for_everyone_however_many_threads_there_are() {
    let mut setup = Setup::default();
    setup.hub.threads = 2;
    let world = with(setup).await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    starts(&mut alice, thread).await;
    assert!(typing(&mut bob).await);
    for _ in 0..20 {
        let other = world.thread(&[ALICE, BOB]).await;
        world.sends(other, ALICE, "elsewhere").await;
        bob.event("newMessage").await;
    }
    assert!(!typing(&mut bob).await);
}

#[tokio::test(start_paused = true)]
async fn typing_waits_for_a_slow_store_and_is_not_lost_on_the_way() {
    let world = world().await;
    let thread = world.thread(&[ALICE, BOB]).await;
    let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
    world.control.failing.store(3, std::sync::atomic::Ordering::SeqCst);
    starts(&mut alice, thread).await;
    assert!(typing(&mut bob).await);
    assert!(!typing(&mut bob).await);
}
