//! How much of one user, and of all, is in flight at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use tidings_domain::ports::{Budget, Limiter, TooMany, Unlimited};
use tidings_testkit::{ALICE, BOB, CAROL, Person};
use tidings_transport_http::InFlightLimits;

use crate::world::{World, request};

/// A thread of Alice and Bob with so many messages of 60 kB as JSON, and the path of its messages.
async fn large(world: &World, count: usize) -> String {
    let thread = world.thread().await;
    for _ in 0..count {
        world.sends(ALICE, thread, &"\u{1}".repeat(10_000)).await;
    }
    format!("/messaging/threads/{thread}/messages")
}

fn limits(set: impl FnOnce(&mut InFlightLimits)) -> InFlightLimits {
    let mut limits = InFlightLimits::default();
    set(&mut limits);
    limits
}

async fn begins(world: &World, person: Person, path: &str) -> Response {
    world.responds(request(person, Method::GET, path, Body::empty())).await
}

#[tokio::test(start_paused = true)]
async fn a_users_answers_count_until_they_are_taken() {
    let world = World::bounded(Unlimited, limits(|limits| limits.requests_per_user = 3));
    let path = large(&world, 20).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let response = begins(&world, ALICE, &path).await;
        assert_eq!(response.status(), StatusCode::OK);
        held.push(response);
    }
    let refused = world.gets(ALICE, "/messaging/threads").await;
    assert_eq!(refused.error(429), "Too many requests, try again later");
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    assert_eq!(world.gets(BOB, &path).await.status, StatusCode::OK, "nobody else is concerned");
    // What was handed over is not taken yet: the bytes are still there.
    let mut frames = held.pop().expect("a response").into_body().into_data_stream();
    let frame = frames.next().await.expect("a piece").expect("a piece");
    drop(frames);
    assert_eq!(world.gets(ALICE, "/messaging/threads").await.status, StatusCode::TOO_MANY_REQUESTS);
    drop(frame);
    assert_eq!(world.gets(ALICE, "/messaging/threads").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_those_before_them() {
    let world = World::bounded(Unlimited, limits(|limits| limits.requests_per_user = 1));
    let path = large(&world, 20).await;
    let held = begins(&world, ALICE, &path).await;
    let waiting = world.gets(ALICE, "/messaging/threads");
    let ending = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(waiting, ending);
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_all_have_bounded_room() {
    // Each begins with a megabyte reserved, of which it keeps what it has.
    let world = World::bounded(Unlimited, limits(|limits| limits.answer_bytes = 1_200_000));
    let path = large(&world, 20).await;
    let held = [begins(&world, ALICE, &path).await, begins(&world, BOB, &path).await];
    assert_eq!(held.each_ref().map(Response::status), [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE]);
    assert_eq!(held[1].headers()[header::RETRY_AFTER], "1");
    // Short answers need no room.
    assert_eq!(world.gets(CAROL, "/messaging/threads").await.status, StatusCode::OK);
    drop(held);
    assert_eq!(begins(&world, BOB, &path).await.status(), StatusCode::OK);
}

/// A user's new requests that wait for room do not keep an answer that has room from its next piece.
#[tokio::test(start_paused = true)]
async fn an_answer_with_room_waits_for_no_request_without() {
    // Room for two that have begun, with 420 kB each, and a piece of one of them, but not for a third.
    let world = World::bounded(Unlimited, limits(|limits| limits.answer_bytes = 1_500_000));
    let path = large(&world, 20).await;
    let mut frames = begins(&world, ALICE, &path).await.into_body().into_data_stream();
    let first = frames.next().await.expect("a piece").expect("a piece");
    let other = begins(&world, BOB, &path).await;
    assert_eq!(other.status(), StatusCode::OK);
    let running = async { frames.next().await.expect("a piece") };
    let later = |millis| {
        let (world, path) = (&world, &path);
        async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            begins(world, ALICE, path).await.status()
        }
    };
    let taken = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        drop(first);
    };
    let (piece, second, third, ()) = tokio::join!(running, later(0), later(3_000), taken);
    assert!(piece.expect("a piece").len() > 100_000);
    assert_eq!([second, third], [StatusCode::SERVICE_UNAVAILABLE; 2]);
    drop(other);
}

/// What a list keeps for its next pieces takes room for as long as the client takes.
#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_list_takes_room() {
    // An answer begins with this much, and as much again as is left of its list, which is more than 150 kB here.
    let begun = (256 + 768) * 1024;
    let world = World::bounded(Unlimited, limits(|limits| limits.answer_bytes = begun + 150_000));
    let path = large(&world, 20).await;
    for _ in 0..300 {
        let thread = world.thread().await;
        world.sends(ALICE, thread, &"\u{1}".repeat(600)).await;
    }
    let mut frames = begins(&world, ALICE, "/messaging/threads").await.into_body().into_data_stream();
    drop(frames.next().await.expect("a piece").expect("a piece"));
    assert_eq!(begins(&world, BOB, &path).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    while let Some(frame) = frames.next().await {
        drop(frame.expect("a piece"));
    }
    assert_eq!(begins(&world, BOB, &path).await.status(), StatusCode::OK);
}

/// Counts how many requests everybody has made, and lets them.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Limiter for Counting {
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        if matches!(budget, Budget::Requests(_)) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[tokio::test]
async fn long_answers_and_deep_pages_count_as_more_requests() {
    let counting = Counting::default();
    let world = World::within(counting.clone());
    let path = large(&world, 20).await;
    for (asked, cost) in [
        ("/messaging/threads".to_owned(), 1),
        (format!("{path}?limit=5"), 1),
        // 200 kB of texts, in pieces of 64 KiB.
        (path.clone(), 3),
        ("/messaging/threads?page=11&limit=500".to_owned(), 6),
    ] {
        counting.0.store(0, Ordering::Relaxed);
        assert_eq!(world.gets(ALICE, &asked).await.status, StatusCode::OK);
        assert_eq!(counting.0.load(Ordering::Relaxed), cost, "{asked}");
    }
}
