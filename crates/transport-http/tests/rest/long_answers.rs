//! Answers that are larger than what should be in memory at once: whole, in order, and bounded on the way.

use axum::body::{Body, HttpBody};
use axum::http::{Method, StatusCode, header};
use futures_util::StreamExt;
use serde_json::Value;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_testkit::{ALICE, BOB};
use tidings_transport_http::CURSOR_PAGE_BYTES;

use crate::store::Fault;
use crate::world::{World, request};

/// No piece of an answer is larger as JSON: what is written as one, and a piece of texts with every character escaped.
const PIECE_BYTES_MAX: usize = (256 + 768) * 1024;
/// So many messages of the largest size.
const MANY: usize = 250;

fn texts(page: &Value) -> Vec<String> {
    let content = |message: &Value| message["content"].as_str().expect("a text").to_owned();
    page.as_array().expect("an array").iter().map(content).collect()
}

/// A thread with so many large messages, each with a number in front; and its path.
async fn many(world: &World, count: usize, filler: &str) -> (ThreadId, String) {
    let thread = world.thread().await;
    let path = format!("/messaging/threads/{thread}/messages");
    for n in 0..count {
        world.clock.advance(1);
        world.sends(ALICE, thread, &format!("{n:04}{}", filler.repeat(9_996))).await;
    }
    (thread, path)
}

fn numbers(texts: &[String]) -> Vec<usize> {
    texts.iter().map(|text| text[..4].parse().expect("a number")).collect()
}

/// However many bytes they have, and whatever number they have.
#[tokio::test]
async fn pages_of_large_messages_are_whole_and_meet() {
    let world = World::new();
    let (_, path) = many(&world, MANY, "😀").await;
    let newest_first: Vec<_> = (0..MANY).rev().collect();
    for query in ["", "?limit=500", "?page=1&limit=250"] {
        let answer = world.gets(BOB, &format!("{path}{query}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(numbers(&texts(&answer.json())), newest_first, "{query}");
    }
    // The last page has no messages; the one before it has few.
    for limit in [240, 130] {
        let mut all = Vec::new();
        for page in 1..=MANY.div_ceil(limit) + 1 {
            let answer = world.gets(BOB, &format!("{path}?page={page}&limit={limit}")).await;
            all.extend(numbers(&texts(&answer.json())));
        }
        assert_eq!(all, newest_first, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_page_asked_for_by_date_ends_early_and_the_next_goes_on() {
    let world = World::new();
    // Every character of it takes six bytes as JSON.
    let (_, path) = many(&world, 60, "\u{1}").await;
    let (mut all, mut before, mut pages) = (Vec::new(), "2100-01-01T00:00:00.000Z".to_owned(), 0);
    loop {
        let answer = world.gets(BOB, &format!("{path}?before={before}")).await;
        assert!(answer.text.len() < CURSOR_PAGE_BYTES + PIECE_BYTES_MAX, "{} bytes", answer.text.len());
        let page = answer.json();
        let Some(last) = page.as_array().expect("an array").last() else { break };
        before = last["createdAt"].as_str().expect("a date").to_owned();
        all.extend(numbers(&texts(&page)));
        pages += 1;
    }
    assert_eq!(all, (0..60).rev().collect::<Vec<_>>());
    assert!((3..=4).contains(&pages), "{pages} pages for 3.6 MB");
}

#[tokio::test]
async fn a_list_with_large_last_messages_is_whole() {
    let world = World::new();
    let mut threads = Vec::new();
    for n in 0..60 {
        world.clock.advance(1);
        let thread = world.thread().await;
        world.sends(ALICE, thread, &format!("{n:04}{}", "\u{1}".repeat(9_996))).await;
        threads.push(thread.to_string());
    }
    threads.reverse();
    let answer = world.gets(BOB, "/messaging/threads").await;
    let list = answer.json();
    let list = list.as_array().expect("an array");
    let ids: Vec<_> = list.iter().map(|thread| thread["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, threads);
    let last: Vec<_> = list.iter().flat_map(|thread| texts(&thread["messages"])).collect();
    assert_eq!(numbers(&last), (0..60).rev().collect::<Vec<_>>());
    assert!(list.iter().all(|thread| thread["messages"][0]["sender"]["id"] == ALICE.0));
}

/// Lets everything run that would run by itself.
async fn idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A piece is read when the client has taken the one before it, and not earlier.
#[tokio::test]
async fn no_more_is_read_than_is_taken() {
    let world = World::new();
    let (_, path) = many(&world, 100, "\u{1}").await;
    let before = world.reads();
    let pages = || world.reads()[0] - before[0];
    let response = world.responds(request(BOB, Method::GET, &path, Body::empty())).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body().size_hint().exact(), None, "it is not known how long it will be");
    let mut frames = response.into_body().into_data_stream();
    let mut all = Vec::new();
    loop {
        let read = pages();
        idle().await;
        assert_eq!(pages(), read, "nothing is read while nothing is taken");
        let Some(frame) = frames.next().await else { break };
        let frame = frame.expect("a piece");
        // What the answer begins with was read before it began; it is larger than what is written as one.
        assert_eq!(pages(), if all.is_empty() { 1 } else { read + 1 });
        assert!(frame.len() <= PIECE_BYTES_MAX, "{} bytes at once", frame.len());
        all.extend_from_slice(&frame);
    }
    assert!(pages() > 10, "{} pages", pages());
    let page: Value = serde_json::from_slice(&all).expect("JSON");
    assert_eq!(texts(&page).len(), 100);
}

/// So it is with what a list shows of its contexts, which may be large.
#[tokio::test]
async fn no_more_contexts_are_read_than_are_taken() {
    let world = World::new();
    for n in 0..150 {
        world.clock.advance(1);
        let thread = world.thread_about(&format!("campaign-{n}")).await;
        world.sends(ALICE, thread, &"\u{1}".repeat(600)).await;
    }
    let before = world.reads();
    let contexts = || world.reads()[1] - before[1];
    let response = world.responds(request(BOB, Method::GET, "/messaging/threads", Body::empty())).await;
    let mut frames = response.into_body().into_data_stream();
    let first = frames.next().await.expect("a piece").expect("a piece");
    idle().await;
    assert_eq!(contexts(), 100);
    let second = frames.next().await.expect("a piece").expect("a piece");
    assert_eq!(contexts(), 150);
    assert!(frames.next().await.is_none());
    let list: Value = serde_json::from_slice(&[first, second].concat()).expect("JSON");
    assert_eq!(list.as_array().expect("an array").len(), 150);
}

#[tokio::test]
async fn usual_pages_are_one_piece_with_a_length() {
    let world = World::new();
    let thread = world.thread().await;
    for n in 0..50 {
        world.sends(ALICE, thread, &format!("{n:04} {}", "a usual message ".repeat(20))).await;
    }
    for path in [format!("/messaging/threads/{thread}/messages"), "/messaging/threads".to_owned()] {
        let response = world.responds(request(BOB, Method::GET, &path, Body::empty())).await;
        assert!(response.body().size_hint().exact().is_some_and(|bytes| bytes > 0), "{path}");
        assert_eq!(response.into_body().into_data_stream().count().await, 1, "{path}");
    }
    // Nor does it matter whether it is one piece of texts or some.
    for n in 0..20 {
        world.sends(ALICE, thread, &format!("{n:04} {}", "long".repeat(2_000))).await;
    }
    let path = format!("/messaging/threads/{thread}/messages");
    let response = world.responds(request(BOB, Method::GET, &path, Body::empty())).await;
    assert!(response.body().size_hint().exact().is_some_and(|bytes| bytes > 160_000));
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    let page: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(texts(&page).len(), 70);
}

/// A client must not take the part for the whole.
#[tokio::test]
async fn a_store_that_fails_on_the_way_breaks_the_answer_off() {
    for fault in [Fault::Fails(StoreError::Unavailable("gone".into())), Fault::Panics] {
        let world = World::new();
        let (_, path) = many(&world, 30, "😀").await;
        let response = world.responds(request(BOB, Method::GET, &path, Body::empty())).await;
        let mut frames = response.into_body().into_data_stream();
        assert!(frames.next().await.expect("a piece").is_ok());
        world.faults(Some(fault));
        assert!(frames.next().await.expect("an end").is_err());
        assert!(frames.next().await.is_none());
        world.faults(None);
        // Nothing is left of it.
        assert_eq!(world.gets(BOB, &path).await.json().as_array().expect("an array").len(), 30);
    }
}

#[tokio::test]
async fn a_head_request_reads_no_more_than_the_beginning() {
    let world = World::new();
    let (_, path) = many(&world, 30, "😀").await;
    let answer = world.asks(BOB, Method::HEAD, &path, Body::empty()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
}
