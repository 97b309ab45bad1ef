//! What a request's body may be, and what a reply's is.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, header};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tidings_domain::summary::{SUMMARY_CHARS_MAX, SUMMARY_POINT_CHARS_MAX, SUMMARY_POINTS_MAX};
use tidings_testkit::{ALICE, BOB};
use tidings_transport_http::{BODY_BYTES_MAX, BODY_TIMEOUT};

use crate::world::World;

#[tokio::test]
async fn a_body_too_large_is_refused_whether_it_says_so_or_not() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    let chunks =
        || stream::iter(large.chunks(8_192).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))));
    let endless = chunks().chain(stream::repeat_with(|| Ok(Bytes::from_static(b"more"))));
    let endless: Vec<_> = endless.take(200).collect().await;
    for body in [Body::from(large.clone()), Body::from_stream(stream::iter(endless))] {
        let told = world.asks(ALICE, Method::POST, &path, body).await.error(413);
        assert_eq!(told, format!("request entity too large: at most {BODY_BYTES_MAX} bytes are taken"));
    }
    let mut fits = json!({ "content": "fits" }).to_string();
    fits.extend(std::iter::repeat_n(' ', BODY_BYTES_MAX - fits.len()));
    assert_eq!(world.asks(ALICE, Method::POST, &path, fits).await.status, 201);
}

#[tokio::test]
async fn the_largest_message_passes_however_it_is_escaped() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let escaped: String = "\\ud83d\\ude00".repeat(10_000);
    let answer = world.asks(ALICE, Method::POST, &path, format!(r#"{{"content":"{escaped}"}}"#)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["content"].as_str().expect("a text").chars().count(), 10_000);
}

#[tokio::test]
async fn the_largest_summary_passes_however_it_is_escaped() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/summaries", world.thread().await);
    let text = |characters: usize| format!("\"{}\"", "\\ud83d\\ude00".repeat(characters));
    let points = vec![text(SUMMARY_POINT_CHARS_MAX); SUMMARY_POINTS_MAX].join(",");
    let body = format!(
        r#"{{"summary":{},"keyPoints":[{points}],"actionItems":[{points}]}}"#,
        text(SUMMARY_CHARS_MAX)
    );
    let answer = world.asks(ALICE, Method::POST, &path, body).await;
    assert_eq!(answer.status, 201, "{:.300}", answer.text);
    let summary = answer.json();
    assert_eq!(summary["summary"].as_str().expect("a text").chars().count(), SUMMARY_CHARS_MAX);
    assert_eq!(summary["actionItems"].as_array().expect("a list").len(), SUMMARY_POINTS_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_longer_than_the_limit() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let silent = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"{\"content\":")) });
    let silent = Body::from_stream(silent.chain(stream::pending()));
    let began = tokio::time::Instant::now();
    let told = world.asks(ALICE, Method::POST, &path, silent).await.error(400);
    assert_eq!(told, "the request body took too long to arrive");
    assert!(began.elapsed() >= BODY_TIMEOUT && began.elapsed() < BODY_TIMEOUT + Duration::from_secs(1));
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    let told = world.asks(ALICE, Method::POST, &path, Body::from_stream(broken)).await.error(400);
    assert_eq!(told, "the request body broke off");
}

#[tokio::test]
async fn what_is_no_json_object_is_told_so() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let deep = format!("{{\"content\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"null",
        b"[]",
        b"\"text\"",
        b"{",
        b"{\"content\":}",
        b"{\"content\":\"\xff\xfe\"}",
        b"{\"content\":\"\\ud800\"}",
        b"{\"content\":\"\\u0000\"}",
        b"{\"content\":\" \\n \"}",
        b"{\"content\":7}",
        b"\xef\xbb\xbf{}",
    ];
    for body in bodies.into_iter().chain([deep.as_bytes()]) {
        let answer = world.asks(ALICE, Method::POST, &path, body.to_vec()).await;
        let told = answer.error(400);
        assert!(!told.is_empty() && told.len() < 300, "{told}");
    }
    let listed = world.gets(ALICE, path.as_str()).await;
    assert_eq!(listed.json(), json!([]), "nothing was stored");
}

#[tokio::test]
async fn the_content_type_of_a_request_does_not_matter() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\u{1}garbage"] {
        let mut request = Request::post(&path).header(header::AUTHORIZATION, "Bearer alice");
        if let Ok(kind) = HeaderValue::from_str(kind) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(r#"{"content":"hello"}"#)).expect("a request");
        assert_eq!(world.call(request).await.status, 201, "{kind:?}");
    }
}

#[tokio::test]
async fn a_read_mark_is_answered_with_nothing_at_all() {
    let world = World::new();
    let thread = world.thread().await;
    let message = world.sends(ALICE, thread, "hello").await;
    let by_message = format!("/messaging/messages/{}/read", message["id"].as_str().expect("an id"));
    for path in [by_message, format!("/api/messaging/threads/{thread}/read")] {
        let answer = world.asks(BOB, Method::PATCH, &path, Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        assert_eq!(answer.headers.get(header::CONTENT_TYPE), None);
    }
    // A body that is not asked for is no harm.
    let path = format!("/messaging/threads/{thread}/read");
    assert_eq!(world.asks(BOB, Method::PATCH, &path, "{not json").await.status, 200);
}

#[tokio::test]
async fn replies_are_json_that_no_browser_takes_for_something_else() {
    let world = World::new();
    let answer = world.gets(ALICE, "/messaging/threads").await;
    assert_eq!(answer.json(), Value::Array(Vec::new()));
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}
