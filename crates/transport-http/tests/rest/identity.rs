//! Who is asking is settled first.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{Request, header};

use crate::world::{Answer, World};

async fn with_header(world: &World, value: Option<&[u8]>) -> Answer {
    let mut request = Request::builder().uri("/api/messaging/threads");
    if let Some(value) = value {
        request = request.header(header::AUTHORIZATION, value);
    }
    world.call(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_header_of_another_form_is_no_header() {
    let world = World::new();
    let odd: [&[u8]; 9] = [
        b"",
        b"bearer alice",
        b"Basic YWxpY2U6",
        b"Beareralice",
        b"alice",
        b"Bearer \xff\xfe",
        // Whoever sends or reads a header cuts white space at its end.
        b"Bearer",
        b"Bearer ",
        b"Bearer    ",
    ];
    for value in odd.into_iter().map(Some).chain([None]) {
        let answer = with_header(&world, value).await;
        let expected = "Authentication failed: No valid authorization header found";
        assert_eq!(answer.error(401), expected, "{value:?}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_answered_with_the_reason() {
    let world = World::new();
    let prefix = "Authentication failed: Token verification failed: ";
    for (value, why) in [
        (b"Bearer expired".as_slice(), "it has expired"),
        (b"Bearer two words", "it is no token"),
        (b"Bearer host", "the token is the host's own and speaks for no user"),
    ] {
        assert_eq!(with_header(&world, Some(value)).await.error(401), format!("{prefix}{why}"));
    }
}

#[tokio::test]
async fn white_space_around_a_token_is_not_part_of_it() {
    let world = World::new();
    let answer = with_header(&world, Some(b"Bearer   alice ")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn the_body_of_a_stranger_is_not_read() {
    let world = World::new();
    for path in ["/messaging/threads", "/messaging/threads/no-id/messages"] {
        let request = Request::post(path).body(Body::from_stream(Untouched)).expect("a request");
        world.call(request).await.error(401);
    }
}

/// A body that must not be read.
struct Untouched;

impl futures_util::Stream for Untouched {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        unreachable!("the body was read")
    }
}
