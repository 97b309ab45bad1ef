//! What is asked too often is refused with the time after which to try again.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;
use tidings_domain::ports::{Budget, Limiter, TooMany};
use tidings_testkit::{ALICE, BOB};
use tidings_transport_http::ClientAddress;

use crate::world::{Answer, World};

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// Alice, the host, a user with the id of the host's token, and the strangers of one address may do so many things;
/// everybody else what they like.
#[derive(Debug)]
struct Few {
    requests: AtomicUsize,
    service: AtomicUsize,
    namesake: AtomicUsize,
    sends: AtomicUsize,
    strangers: AtomicUsize,
}

impl Few {
    /// The host and its namesake may make as many requests as Alice.
    fn new(requests: usize, sends: usize, strangers: usize) -> Self {
        let [sends, strangers] = [sends, strangers].map(AtomicUsize::new);
        let [requests, service, namesake] = [requests; 3].map(AtomicUsize::new);
        Self { requests, service, namesake, sends, strangers }
    }
}

impl Limiter for Few {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what the test is not about has no limit")]
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        let left = match budget {
            Budget::Requests(user) if *user == ALICE.id() => &self.requests,
            Budget::Requests(user) if user.as_str() == "host" => &self.namesake,
            Budget::Service(service) if service.as_str() == "host" => &self.service,
            Budget::Sends(user) if *user == ALICE.id() => &self.sends,
            Budget::Strangers(ADDRESS) => &self.strangers,
            _ => return Ok(()),
        };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| TooMany { retry_after_ms: 1_001 })
    }
}

fn retry_after(answer: &Answer) -> &str {
    answer.headers[header::RETRY_AFTER].to_str().expect("a text")
}

async fn stranger(world: &World, path: &str, address: Option<IpAddr>) -> Answer {
    let mut request = Request::get(path).body(Body::empty()).expect("a request");
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    world.call(request).await
}

#[tokio::test]
async fn requests_of_a_user() {
    let world = World::within(Few::new(2, 9, 9));
    for _ in 0..2 {
        assert_eq!(world.gets(ALICE, "/messaging/threads").await.status, StatusCode::OK);
    }
    let refused = world.gets(ALICE, "/messaging/threads").await;
    assert_eq!(refused.error(429), "Too many requests, try again later");
    assert_eq!(retry_after(&refused), "2");
    assert_eq!(world.gets(BOB, "/messaging/threads").await.status, StatusCode::OK);
}

#[tokio::test]
async fn messages_of_a_user() {
    let world = World::within(Few::new(9, 1, 9));
    let thread = world.thread().await;
    let path = format!("/messaging/threads/{thread}/messages");
    world.sends(ALICE, thread, "quick").await;
    let refused = world.posts(ALICE, &path, &json!({ "content": "too quick" })).await;
    assert_eq!(refused.error(429), "Too many requests, try again later");
    assert_eq!(retry_after(&refused), "2");
    world.sends(BOB, thread, "unharmed").await;
    assert_eq!(world.gets(ALICE, &path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn strangers_of_an_address() {
    let world = World::within(Few::new(9, 9, 3));
    for path in ["/messaging/threads", "/messaging/threads", "/api/messaging/threads"] {
        let answer = stranger(&world, path, Some(ADDRESS)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let refused = stranger(&world, "/messaging/threads", Some(ADDRESS)).await;
    assert_eq!(refused.error(429), "Too many requests, try again later");
    assert_eq!(retry_after(&refused), "2");
    // Others are not concerned, nor is who has a token, nor who is where nobody says from where.
    let other = stranger(&world, "/messaging/threads", Some("192.0.2.8".parse().unwrap())).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger(&world, "/messaging/threads", None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.gets(ALICE, "/messaging/threads").await.status, StatusCode::OK);
}

async fn tells_of_a_user(world: &World) -> Answer {
    let request = Request::put("/v1/users/u1").header(header::AUTHORIZATION, "Bearer host");
    world.call(request.body(Body::from(r#"{"name":"U"}"#)).expect("a request")).await
}

async fn lists_as_the_namesake(world: &World) -> Answer {
    let request = Request::get("/messaging/threads").header(header::AUTHORIZATION, "Bearer user:host");
    world.call(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn requests_of_the_host() {
    let world = World::within(Few::new(1, 9, 9));
    assert_eq!(tells_of_a_user(&world).await.status, StatusCode::OK);
    let refused = tells_of_a_user(&world).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    assert_eq!(refused.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(retry_after(&refused), "2");
    // A user who is called as the host's token is has spent nothing.
    assert_eq!(lists_as_the_namesake(&world).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_user_with_the_id_of_the_hosts_token_spends_none_of_its_requests() {
    let world = World::within(Few::new(1, 9, 9));
    assert_eq!(lists_as_the_namesake(&world).await.status, StatusCode::OK);
    assert_eq!(lists_as_the_namesake(&world).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(tells_of_a_user(&world).await.status, StatusCode::OK);
    // The host's token at a door for users is refused at the host's expense, too.
    let world = World::within(Few::new(1, 9, 9));
    let wrong_door = Request::get("/messaging/threads").header(header::AUTHORIZATION, "Bearer host");
    let refused = world.call(wrong_door.body(Body::empty()).expect("a request")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(lists_as_the_namesake(&world).await.status, StatusCode::OK);
}
