//! What a request's body may be, and what a reply's is.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, Method, Request, header};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tidings_domain::summary::{SUMMARY_CHARS_MAX, SUMMARY_POINT_CHARS_MAX, SUMMARY_POINTS_MAX};
use tidings_testkit::{ALICE, BOB};
use tidings_transport_http::{BODY_BYTES_MAX, BODY_TIMEOUT};

use crate::world::{Answer, World};

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

async fn posts(world: &World, path: &str, headers: &[(HeaderName, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path).header(header::AUTHORIZATION, "Bearer alice");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    world.call(request.body(body.into()).expect("a request")).await
}

#[tokio::test]
async fn a_json_object_is_taken_whatever_it_is_called() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/vnd.api+json",
        // Clients that forget to say so.
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ] {
        let answer = posts(&world, &path, &[(header::CONTENT_TYPE, kind)], r#" {"content":"hello"}"#).await;
        assert_eq!(answer.status, 201, "{kind:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_form_stands_for_an_object_of_texts() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let form = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = posts(&world, &path, &form, "content=a%20b+%7B%C3%A9&clientMsgId=k1").await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!((&answer.json()["content"], &answer.json()["clientMsgId"]), (&json!("a b {é"), &json!("k1")));
    let told = posts(&world, &path, &form, "other=1").await.error(400);
    assert_eq!(told, "content is missing: it must be a text of 1 to 10,000 characters");
    let told = posts(&world, &path, &form, "content=a&content=b&content=c").await.error(400);
    assert_eq!(told, "content must be a text of 1 to 10,000 characters");
}

#[tokio::test]
async fn a_type_or_encoding_that_is_not_taken_is_told_so() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    for (name, value, told) in [
        (
            header::CONTENT_TYPE,
            "text/plain",
            "the content type text/plain is not supported: send application/json",
        ),
        (
            header::CONTENT_TYPE,
            "multipart/form-data; boundary=x",
            "the content type multipart/form-data is not supported: send application/json",
        ),
        (
            header::CONTENT_TYPE,
            "application/json; charset=utf-16",
            "the charset utf-16 is not supported: send UTF-8",
        ),
        (
            header::CONTENT_ENCODING,
            "br",
            "the content encoding br is not supported: send gzip, deflate or none",
        ),
        (
            header::CONTENT_ENCODING,
            "gzip, gzip",
            "the content encoding gzip, gzip is not supported: send gzip, deflate or none",
        ),
    ] {
        assert_eq!(posts(&world, &path, &[(name, value)], "content=hello").await.error(415), told);
    }
    assert_eq!(world.gets(ALICE, path.as_str()).await.json(), json!([]), "nothing was stored");
    // Without a body there is nothing to be of a type.
    let thread = path.strip_suffix("/messages").expect("a path");
    let request = Request::patch(format!("{thread}/read"))
        .header(header::AUTHORIZATION, "Bearer alice")
        .header(header::CONTENT_TYPE, "application/xml")
        .body(Body::empty());
    assert_eq!(world.call(request.expect("a request")).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_is_inflated_within_the_limit() {
    let world = World::new();
    let path = format!("/messaging/threads/{}/messages", world.thread().await);
    let gzip = |plain: &[u8]| {
        let mut to = GzEncoder::new(Vec::new(), Compression::best());
        to.write_all(plain).and_then(|()| to.finish()).expect("a compressed body")
    };
    let zlib = |plain: &[u8]| {
        let mut to = ZlibEncoder::new(Vec::new(), Compression::best());
        to.write_all(plain).and_then(|()| to.finish()).expect("a compressed body")
    };
    let named = |encoding| [(header::CONTENT_ENCODING, encoding)];
    let hello = br#"{"content":"hello"}"#;
    for (encoding, body) in
        [("gzip", gzip(hello)), ("GZIP", gzip(hello)), ("deflate", zlib(hello)), ("identity", hello.to_vec())]
    {
        let answer = posts(&world, &path, &named(encoding), body).await;
        assert_eq!(answer.status, 201, "{encoding}: {}", answer.text);
    }
    // Small on the wire, large in memory.
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < BODY_BYTES_MAX, "it passes the first look: {} bytes", bomb.len());
    let told = posts(&world, &path, &named("gzip"), bomb).await.error(413);
    assert_eq!(told, format!("request entity too large: at most {BODY_BYTES_MAX} bytes are taken"));
    let cut = &gzip(hello)[..20];
    for (encoding, body) in [("gzip", cut), ("gzip", b"{}".as_slice()), ("deflate", b"\x78\x9c\xff")] {
        let told = posts(&world, &path, &named(encoding), body.to_vec()).await.error(400);
        assert_eq!(told, "the request body is not in the encoding that it names");
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
