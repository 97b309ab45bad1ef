//! What is done too often is refused, and nothing else suffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use serde_json::json;
use tidings_domain::ports::{Budget, Limiter, TooMany};
use tidings_testkit::{ALICE, BOB, block_on};
use tidings_wire::campaign::DIALECT;

use crate::client::{Packet, message};
use crate::world::{PEER, Setup, World};

/// So many of each, and no more.
#[derive(Debug)]
struct Few {
    sends: AtomicUsize,
    events: AtomicUsize,
    strangers: AtomicUsize,
}

impl Few {
    fn new(sends: usize, events: usize, strangers: usize) -> Arc<Self> {
        let [sends, events, strangers] = [sends, events, strangers].map(AtomicUsize::new);
        Arc::new(Self { sends, events, strangers })
    }
}

impl Limiter for Few {
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        let left = match budget {
            Budget::Sends(user) if *user == ALICE.id() => &self.sends,
            Budget::Events(user) if *user == ALICE.id() => &self.events,
            Budget::Strangers(address) => {
                assert_eq!(address, PEER.ip());
                &self.strangers
            }
            _ => return Ok(()),
        };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| TooMany { retry_after_ms: 1_500 })
    }
}

const MANY: usize = 1_000;

async fn within(few: &Arc<Few>) -> World {
    World::with(Setup { limiter: Some(Arc::<Few>::clone(few)), ..Setup::default() }).await
}

#[test]
fn who_sends_too_much_is_told_so_and_stays() {
    block_on(async {
        let world = within(&Few::new(2, MANY, MANY)).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
        for _ in 0..2 {
            assert_eq!(alice.asks("sendMessage", &message(thread, "quick")).await["success"], true);
        }
        let refused = alice.asks("sendMessage", &message(thread, "too quick")).await;
        assert_eq!((&refused["success"], &refused["code"]), (&json!(false), &json!("rate-limited")));
        assert_eq!(refused["retryable"], true, "{refused}");
        alice.joins(thread).await;
        assert_eq!(bob.asks("sendMessage", &message(thread, "unharmed")).await["success"], true);
        assert_eq!(alice.seqs_up_to(3).await.last(), Some(&3));
    });
}

#[test]
fn who_says_too_much_is_told_so_and_stays() {
    block_on(async {
        let few = Few::new(MANY, 3, MANY);
        let world = within(&few).await;
        let thread = world.thread(&[ALICE, BOB]).await;
        let (mut alice, mut bob) = (world.campaigner(ALICE).await, world.campaigner(BOB).await);
        alice.joins(thread).await;
        bob.joins(thread).await;
        for typing in [true, false] {
            alice.types(thread, typing).await;
        }
        let refused = alice.types(thread, true).await;
        assert_eq!(refused["success"], false, "{refused}");
        // An event that nobody knows costs nothing, and neither do those of others.
        alice.heard().await;
        few.events.store(1, Ordering::Relaxed);
        assert_eq!(alice.asks("sendMessage", &message(thread, "again")).await["success"], true);
        let heard = bob.heard().await;
        assert_eq!(heard.iter().filter(|packet| packet.seq().is_some()).count(), 1, "{heard:?}");
    });
}

#[test]
fn an_address_that_opens_too_much_is_told_when_to_come_back() {
    block_on(async {
        let world = within(&Few::new(MANY, MANY, 1)).await;
        let alice = world.campaigner(ALICE).await;
        for query in
            ["transport=polling", "transport=websocket", "transport=polling&sid", "transport=polling&xsid=1"]
        {
            let refused = world.asks(query).await;
            assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{query}");
            assert_eq!(refused.headers()["retry-after"], "2");
        }
        // Those who are in already are not asked again.
        assert_eq!(world.asks("transport=polling&sid=nobody").await.status(), StatusCode::BAD_REQUEST);
        world.sessions_are(1).await;
        drop(alice);
    });
}

#[test]
fn tokens_are_not_guessed_on_one_connection() {
    block_on(async {
        // One to connect, and two wrong tokens.
        let world = within(&Few::new(MANY, MANY, 3)).await;
        let mut nobody = world.deaf(DIALECT.socket.namespace, "nobody").await;
        let guess = format!("40{},{}", DIALECT.socket.namespace, json!({ "token": "nobody" }));
        nobody.listen(&world.tasks);
        for _ in 0..2 {
            assert_eq!(nobody.next().await, Packet::Accepted);
            assert_eq!(nobody.next().await, Packet::Disconnected);
            nobody.say(guess.clone()).await;
        }
        assert_eq!(nobody.next().await, Packet::Refused(json!({ "message": "Too many requests" })));
        assert_eq!(world.asks("transport=polling").await.status(), StatusCode::TOO_MANY_REQUESTS);
    });
}
