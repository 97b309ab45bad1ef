//! What everyone hears comes in one order, and an answer comes behind what it answers.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use serde_json::json;
use tidings_testkit::{ALICE, BOB, block_on, eventually};

use crate::client::{Client, Packet, message};
use crate::world::World;

/// The ids of the echoes are all there when their acks come; gives the seqs in the order heard.
fn acks_are_behind_echoes(heard: &[Packet]) -> Vec<u64> {
    let (mut echoed, mut seqs) = (HashSet::new(), Vec::new());
    for packet in heard {
        match packet {
            Packet::Event(name, message) if name == "newMessage" => {
                echoed.insert(message["id"].clone());
                seqs.push(message["seq"].as_u64().expect("a seq"));
            }
            Packet::Ack(_, answer) => {
                assert_eq!(answer["success"], true, "{answer}");
                assert!(echoed.contains(&answer["message"]["id"]), "an ack overtook its echo: {answer}");
            }
            _ => {}
        }
    }
    seqs
}

pub(crate) async fn send_and_check(client: &mut Client, thread: tidings_domain::id::ThreadId, count: u64) {
    let mut last = 0;
    for index in 0..count {
        last = client.ask("sendMessage", &message(thread, &format!("message {index}"))).await;
    }
    let (answer, mut heard) = client.answer(last).await;
    heard.push(Packet::Ack(last, answer));
    assert_eq!(acks_are_behind_echoes(&heard), (1..=count).collect::<Vec<_>>());
    assert_eq!(heard.iter().filter(|packet| matches!(packet, Packet::Ack(..))).count() as u64, count);
}

#[test]
fn an_ack_comes_behind_its_own_echo() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut alice = world.campaigner(ALICE).await;
        alice.joins(thread).await;
        send_and_check(&mut alice, thread, 1_000).await;
    });
}

#[test]
fn everyone_hears_the_order_of_the_seqs() {
    const EACH: u64 = 150;
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut clients = Vec::new();
        for person in [ALICE, ALICE, BOB, BOB] {
            let mut client = world.campaigner(person).await;
            client.joins(thread).await;
            clients.push(client);
        }
        let talking = clients.into_iter().map(|mut client| async move {
            for index in 0..EACH {
                client.emit("sendMessage", &message(thread, &format!("message {index}"))).await;
            }
            assert_eq!(client.seqs_up_to(4 * EACH).await, (1..=4 * EACH).collect::<Vec<_>>());
        });
        futures_util::future::join_all(talking).await;
    });
}

#[test]
fn what_came_by_request_is_heard_by_the_others_alone() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
        alice.joins(thread).await;
        world.sends(thread, ALICE, "by request").await;
        assert_eq!(bob.event("newMessage").await["content"], "by request");
        assert_eq!(alice.heard().await, []);
    });
}

#[test]
fn a_read_mark_is_told_before_its_ack() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
        world.sends(thread, ALICE, "hello").await;
        assert_eq!(bob.asks("markAsRead", &json!({ "threadId": thread.to_string() })).await["success"], true);
        let heard = alice.heard().await;
        assert_eq!(heard.len(), 1);
        assert!(heard[0].is_event("threadRead"), "{heard:?}");
    });
}

#[test]
fn one_connection_may_speak_two_dialects() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut campaigner, mut groupie) = (world.campaigner(BOB).await, world.groupie(BOB).await);
        world.sends(thread, ALICE, "to all").await;
        for client in [&mut campaigner, &mut groupie] {
            assert_eq!(client.event("newMessage").await["content"], "to all");
        }
    });
}

/// One client's sends are all with the store at once, in the order sent; what it says after them waits for them.
#[test]
fn one_clients_sends_overlap_in_order() {
    block_on(async {
        let world = World::new().await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let mut alice = world.campaigner(ALICE).await;
        alice.joins(thread).await;
        world.control.hold_answers();
        let mut asked = Vec::new();
        for index in 0..20 {
            asked.push(alice.ask("sendMessage", &message(thread, &format!("message {index}"))).await);
        }
        let after = alice.ask("joinThread", &json!({ "threadId": thread.to_string() })).await;
        eventually("all are with the store", || world.control.unanswered.load(Ordering::SeqCst) == 20).await;
        world.control.let_answers_go();
        let (_, heard) = alice.answer(after).await;
        let mut acked: Vec<(u64, String, u64)> = heard
            .iter()
            .filter_map(|packet| match packet {
                Packet::Ack(id, answer) => {
                    let message = &answer["message"];
                    Some((*id, message["content"].as_str()?.to_owned(), message["seq"].as_u64()?))
                }
                _ => None,
            })
            .collect();
        acked.sort_unstable();
        let want: Vec<(u64, String, u64)> = asked
            .into_iter()
            .zip(0..)
            .map(|(id, index)| (id, format!("message {index}"), index + 1))
            .collect();
        assert_eq!(acked, want, "all of them, in the order sent, before what was said after them");
        assert_eq!(acks_are_behind_echoes(&heard), (1..=20).collect::<Vec<_>>());
    });
}

#[test]
fn what_was_sent_before_the_server_stops_is_acked() {
    const SENDS: u64 = 10;
    block_on(async {
        for waits_for_the_hub in [false, true] {
            let world = World::new().await;
            let thread = world.thread(&[ALICE, BOB]).await;
            let mut alice = world.campaigner(ALICE).await;
            if waits_for_the_hub {
                world.control.hold_reads();
            } else {
                world.control.hold_answers();
            }
            let mut asked = Vec::new();
            for number in 0..SENDS {
                asked.push(alice.ask("sendMessage", &message(thread, &format!("message {number}"))).await);
            }
            if waits_for_the_hub {
                // The commits are there, and the acks wait behind them for the roster.
                while world.stored(thread).await < SENDS {
                    tokio::task::yield_now().await;
                }
            } else {
                eventually("all are with the store", || {
                    world.control.unanswered.load(Ordering::SeqCst) == 10
                })
                .await;
            }
            world.closes_everybody().await;
            world.control.let_reads_go();
            world.control.let_answers_go();
            let heard = alice.rest().await;
            let acked = |asked: u64| {
                let is_it = |packet: &Packet| matches!(packet, Packet::Ack(id, answer) if *id == asked && answer["success"] == true);
                heard.iter().any(is_it)
            };
            assert!(asked.into_iter().all(acked), "{heard:?}");
            assert_eq!(world.stored(thread).await, SENDS);
        }
    });
}
