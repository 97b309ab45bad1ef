//! What is done too often is refused, and nothing else suffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use serde_json::json;
use tidings_domain::ports::{Budget, Limiter, TooMany};
use tidings_testkit::{ALICE, BOB, block_on};
use tidings_transport_ws::HubConfig;
use tidings_wire::campaign::DIALECT;

use crate::client::{Packet, message};
use crate::world::{PEER, Setup, World};

/// So many of each, and no more.
#[derive(Debug)]
struct Few {
    sends: AtomicUsize,
    events: AtomicUsize,
    strangers: AtomicUsize,
    handshakes: AtomicUsize,
    sessions: AtomicUsize,
}

impl Few {
    fn new(sends: usize, events: usize, strangers: usize) -> Arc<Self> {
        let [sends, events, strangers] = [sends, events, strangers].map(AtomicUsize::new);
        let [handshakes, sessions] = [MANY, MANY].map(AtomicUsize::new);
        Arc::new(Self { sends, events, strangers, handshakes, sessions })
    }

    /// So many handshakes and sessions.
    fn entering(handshakes: usize, sessions: usize) -> Arc<Self> {
        let mut few = Self::new(MANY, MANY, MANY);
        let inner = Arc::get_mut(&mut few).expect("nobody else has it yet");
        (inner.handshakes, inner.sessions) = (AtomicUsize::new(handshakes), AtomicUsize::new(sessions));
        few
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
            Budget::Handshakes(address) => {
                assert_eq!(address, PEER.ip());
                &self.handshakes
            }
            Budget::Sessions(user) if *user == ALICE.id() => &self.sessions,
            _ => return Ok(()),
        };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        // Longer than anybody waits for.
        taken.map(drop).map_err(|_| TooMany { retry_after_ms: 60_000 })
    }

    fn give_back(&self, budget: Budget<'_>) {
        assert_eq!(budget, Budget::Handshakes(PEER.ip()));
        self.handshakes.fetch_add(1, Ordering::Relaxed);
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
        // An event that nobody knows costs as much; those of others are not on this budget.
        few.events.store(2, Ordering::Relaxed);
        alice.heard().await;
        assert_eq!(few.events.load(Ordering::Relaxed), 1);
        assert_eq!(alice.asks("sendMessage", &message(thread, "again")).await["success"], true);
        let heard = bob.heard().await;
        assert_eq!(heard.iter().filter(|packet| packet.seq().is_some()).count(), 1, "{heard:?}");
    });
}

#[test]
fn an_address_that_opens_too_much_is_told_when_to_come_back() {
    block_on(async {
        // The token of whoever connects makes room again for another one.
        let world = within(&Few::entering(1, MANY)).await;
        let alice = world.campaigner(ALICE).await;
        let bob = world.campaigner(BOB).await;
        assert_eq!(world.asks("transport=polling").await.status(), StatusCode::OK);
        for query in
            ["transport=polling", "transport=websocket", "transport=polling&sid", "transport=polling&xsid=1"]
        {
            let refused = world.asks(query).await;
            assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{query}");
            assert_eq!(refused.headers()["retry-after"], "60");
        }
        // Those who are in already are not asked again.
        assert_eq!(world.asks("transport=polling&sid=nobody").await.status(), StatusCode::BAD_REQUEST);
        world.sessions_are(2).await;
        drop((alice, bob));
    });
}

#[test]
fn a_handshake_is_given_back_once() {
    block_on(async {
        let few = Few::entering(2, MANY);
        let world = within(&few).await;
        let mut alice = world.campaigner(ALICE).await;
        let left = || few.handshakes.load(Ordering::Relaxed);
        assert_eq!(left(), 2);
        for _ in 0..3 {
            alice.say(format!("41{},", DIALECT.socket.namespace)).await;
            let enter = json!({ "token": ALICE.0 });
            alice.say(format!("40{},{enter}", DIALECT.socket.namespace)).await;
            while alice.next().await != Packet::Accepted {}
        }
        assert_eq!(left(), 2);
    });
}

#[test]
fn who_enters_and_leaves_too_often_stays_outside() {
    block_on(async {
        let world = within(&Few::entering(MANY, 1)).await;
        let mut alice = world.campaigner(ALICE).await;
        let enter = json!({ "token": ALICE.0 });
        alice.say(format!("41{},", DIALECT.socket.namespace)).await;
        alice.say(format!("40{},{enter}", DIALECT.socket.namespace)).await;
        assert_eq!(alice.next().await, Packet::Refused(json!({ "message": "Too many requests" })));
        world.campaigner(BOB).await;
    });
}

#[test]
fn a_user_has_so_many_sessions_and_no_more() {
    block_on(async {
        let mut hub = HubConfig::default();
        hub.user_sessions = 2;
        let world = World::with(Setup { hub, ..Setup::default() }).await;
        let (first, second) = (world.campaigner(ALICE).await, world.campaigner(ALICE).await);
        let mut third = world.deaf(DIALECT.socket.namespace, ALICE.0).await;
        third.listen(&world.tasks);
        assert_eq!(third.next().await, Packet::Refused(json!({ "message": "Too many connections" })));
        world.campaigner(BOB).await;
        drop(first);
        world.sessions_are(1).await;
        world.campaigner(ALICE).await;
        drop(second);
    });
}

#[test]
fn tokens_are_not_guessed_on_one_connection() {
    block_on(async {
        // Two wrong tokens.
        let world = within(&Few::new(MANY, MANY, 2)).await;
        let mut nobody = world.deaf(DIALECT.socket.namespace, "nobody").await;
        let guess = format!("40{},{}", DIALECT.socket.namespace, json!({ "token": "nobody" }));
        nobody.listen(&world.tasks);
        for _ in 0..2 {
            assert_eq!(nobody.next().await, Packet::Accepted);
            assert_eq!(nobody.next().await, Packet::Disconnected);
            nobody.say(guess.clone()).await;
        }
        assert_eq!(nobody.next().await, Packet::Refused(json!({ "message": "Too many requests" })));
    });
}
