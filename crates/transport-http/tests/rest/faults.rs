//! When the store fails, or we do.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use tidings_domain::error::StoreError;
use tidings_testkit::ALICE;

use crate::store::Fault;
use crate::world::World;

const INTERNAL: &str = "row 7 of table secret";

fn requests(thread: tidings_domain::id::ThreadId) -> [(Method, String, &'static str); 7] {
    let at = format!("/messaging/threads/{thread}");
    [
        (Method::GET, "/messaging/threads".to_owned(), ""),
        (Method::GET, at.clone(), ""),
        (Method::GET, format!("{at}/messages"), ""),
        (Method::POST, format!("{at}/messages"), r#"{"content":"hello"}"#),
        (Method::PATCH, format!("{at}/read"), ""),
        (Method::PATCH, format!("/messaging/messages/{thread}/read"), ""),
        (
            Method::POST,
            "/messaging/threads".to_owned(),
            r#"{"campaignId":"c","promoterId":"alice","advertiserId":"bob"}"#,
        ),
    ]
}

#[tokio::test]
async fn a_failing_store_is_told_by_its_sort_and_without_its_words() {
    let world = World::new();
    let thread = world.thread().await;
    let unavailable = "The service is not available now, try again";
    for (error, status, told) in [
        (StoreError::Unavailable(INTERNAL.into()), 503, unavailable),
        (StoreError::Unknown(INTERNAL.into()), 503, unavailable),
        (StoreError::Busy { limit: 7 }, 429, "Too many requests, try again later"),
        (StoreError::Corrupt(INTERNAL.into()), 500, "Internal server error"),
        (StoreError::Internal(INTERNAL.into()), 500, "Internal server error"),
    ] {
        for (method, path, body) in requests(thread) {
            world.faults(Some(Fault::Fails(error.clone())));
            let answer = world.asks(ALICE, method, &path, body).await;
            assert_eq!(answer.error(status), told, "{path}");
        }
    }
    world.faults(None);
    assert_eq!(world.gets(ALICE, "/messaging/threads").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_our_mistake_and_nobody_elses() {
    let world = World::new();
    let thread = world.thread().await;
    for (method, path, body) in requests(thread) {
        world.faults(Some(Fault::Panics));
        let answer = world.asks(ALICE, method.clone(), &path, body).await;
        assert_eq!(answer.error(500), "Internal server error", "{path}");
        assert_eq!(answer.json(), json!({ "statusCode": 500, "message": "Internal server error" }));
        world.faults(None);
    }
    world.directory_faults(Some(Fault::Panics));
    let told = world.gets(ALICE, "/messaging/threads").await.error(500);
    assert_eq!(told, "Internal server error");
    world.directory_faults(None);
    world.sends(ALICE, thread, "life goes on").await;
}

#[tokio::test]
async fn a_directory_that_fails_is_no_reason_to_log_in_again() {
    let world = World::new();
    world.directory_faults(Some(Fault::Fails(StoreError::Unavailable(INTERNAL.into()))));
    let answer = world.asks(ALICE, Method::GET, "/messaging/threads", Body::empty()).await;
    assert_eq!(answer.error(503), "The service is not available now, try again");
}
