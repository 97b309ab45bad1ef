//! Which paths, methods and queries there are.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use tidings_testkit::{ALICE, BOB, CAROL};

use crate::world::World;

#[tokio::test]
async fn every_route_is_under_both_prefixes() {
    let world = World::new();
    let thread = world.thread().await;
    world.sends(ALICE, thread, "hello").await;
    for prefix in ["/messaging", "/api/messaging"] {
        for path in ["threads".to_owned(), format!("threads/{thread}"), format!("threads/{thread}/messages")]
        {
            let answer = world.gets(BOB, &format!("{prefix}/{path}")).await;
            assert_eq!(answer.status, 200, "{prefix}/{path}: {}", answer.text);
        }
        let path = format!("{prefix}/threads/{thread}/messages");
        assert_eq!(world.posts(BOB, &path, &json!({ "content": "hi" })).await.status, 201);
    }
}

#[tokio::test]
async fn what_fits_no_route_is_told_so_in_the_dialects_shape() {
    let world = World::new();
    let cases = [
        (Method::GET, "/api/messaging/x"),
        (Method::GET, "/messaging/threads/a/b/c"),
        (Method::GET, "/messaging"),
        (Method::GET, "/messaging/"),
        (Method::GET, "/api/messaging/%ff%00"),
        (Method::GET, "/messaging/%7Bq%7D"),
        (Method::DELETE, "/messaging/threads"),
        (Method::PUT, "/api/messaging/threads"),
        (Method::PATCH, "/messaging/threads"),
        (Method::OPTIONS, "/messaging/threads"),
        (Method::TRACE, "/messaging/threads"),
        (Method::POST, "/messaging/messages/1/read"),
        (Method::from_bytes(b"BREW").expect("a method"), "/messaging/threads"),
    ];
    for (method, path) in cases {
        let answer = world.asks(ALICE, method.clone(), path, Body::empty()).await;
        assert_eq!(answer.error(404), format!("Cannot {method} {path}"));
    }
    let elsewhere = world.gets(ALICE, "/messagings/threads").await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.text.as_str()), (404, ""), "another router's concern");
    let queried = world.gets(ALICE, "/api/messaging/x?secret=1").await;
    assert_eq!(queried.error(404), "Cannot GET /api/messaging/x");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::new();
    let answer = world.asks(ALICE, Method::HEAD, "/messaging/threads", Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    let stranger = Request::head("/messaging/threads").body(Body::empty()).expect("a request");
    assert_eq!(world.call(stranger).await.status, 401);
}

#[tokio::test]
async fn odd_ids_in_paths_are_refused_and_short() {
    let world = World::new();
    let long = "x".repeat(5_000);
    let cases = [
        ("1", "1"),
        ("%27%20OR%201%3D1--", "' OR 1=1--"),
        ("%2e%2e%2f%2e%2e", "../.."),
        ("%00", "\0"),
        ("%F0%9F%98%80", "😀"),
        ("{threadId}", "{threadId}"),
        (long.as_str(), &long[..64]),
    ];
    for (id, echo) in cases {
        let id = id.replace('{', "%7B").replace('}', "%7D");
        let answer = world.gets(ALICE, &format!("/messaging/threads/{id}")).await;
        let expected = format!("Invalid thread ID format. Expected UUID format, received: {echo}");
        assert_eq!(answer.error(400), expected);
    }
    let garbage = world.gets(ALICE, "/messaging/threads/%ff%fe").await;
    assert_eq!(garbage.error(400), "the path is not valid percent-encoded UTF-8");
    let unfinished = world.gets(ALICE, "/messaging/threads/%zz").await;
    assert!(unfinished.error(400).ends_with("received: %zz"));
}

#[tokio::test]
async fn an_outsider_sees_and_changes_nothing() {
    let world = World::new();
    let thread = world.thread().await;
    let message = world.sends(ALICE, thread, "among us").await;
    let message = format!("/messaging/messages/{}/read", message["id"].as_str().expect("an id"));
    let (view, messages) =
        (format!("/messaging/threads/{thread}"), format!("/messaging/threads/{thread}/messages"));
    let cases = [
        (Method::GET, view.clone(), ""),
        (Method::GET, messages.clone(), ""),
        (Method::POST, messages.clone(), r#"{"content":"let me in"}"#),
        (Method::PATCH, format!("{view}/read"), ""),
        (Method::PATCH, message, ""),
    ];
    for (method, path, body) in cases {
        let told = world.asks(CAROL, method, &path, body).await.error(403);
        assert!(told.starts_with("You do not have access to this "), "{path}: {told}");
    }
    let listed = world.gets(ALICE, &messages).await.json();
    assert_eq!(listed.as_array().expect("a list").len(), 1);
    assert_eq!(listed[0]["isRead"], false);
}

#[tokio::test]
async fn odd_queries_are_taken_as_the_contract_says() {
    let world = World::new();
    let thread = world.thread().await;
    for text in ["one", "two", "three"] {
        world.sends(ALICE, thread, text).await;
    }
    let path = format!("/messaging/threads/{thread}/messages");
    let all = ["three", "two", "one"];
    let cases: [(&str, &[&str]); 12] = [
        ("", &all),
        ("limit=0", &all),
        ("limit=abc", &all),
        ("limit=", &all),
        ("page=2", &all),
        ("limit=99999999999999999999", &all),
        ("limit=1", &all[..1]),
        ("limit=1&page=2", &all[1..2]),
        ("limit=1&limit=3", &all[..1]),
        ("limit=%31", &all[..1]),
        ("limit=2&page=9223372036854775807", &[]),
        ("=&&&=x&limit=2&%ff=%fe&+", &all[..2]),
    ];
    for (query, expected) in cases {
        let answer = world.gets(BOB, &format!("{path}?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let listed = answer.json();
        let listed: Vec<_> =
            listed.as_array().expect("a list").iter().map(|one| one["content"].clone()).collect();
        assert_eq!(listed, expected, "{query}");
    }
    for (query, told) in [
        ("limit=-1", "limit must not be negative"),
        ("page=-1&limit=1", "page must not be negative"),
        ("before=yesterday", "before must be a date, such as 2025-08-08T10:30:00.000Z"),
    ] {
        assert_eq!(world.gets(BOB, &format!("{path}?{query}")).await.error(400), told);
    }
}
