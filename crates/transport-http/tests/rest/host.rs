//! The host API: for the host's own token alone, in problem documents.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn asks(world: &World, token: Option<&str>, method: Method, path: &str, body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    world.call(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// The code of a problem, whose status agrees with the reply's.
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body["status"], status, "{body}");
    body["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn the_host_tells_about_users_objects_and_threads() {
    let world = World::new();
    let host = Some("host");
    for (id, role) in [("u1", "ADVERTISER"), ("u2", "PROMOTER")] {
        let told = json!({ "name": id.to_uppercase(), "role": role });
        let answer = asks(&world, host, Method::PUT, &format!("/v1/users/{id}"), &told).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let parties = json!([{ "userId": "u1", "role": "ADVERTISER" }, { "userId": "u2", "role": "PROMOTER" }]);
    let context = json!({ "title": "Spring", "isPublic": true, "parties": parties });
    let answer = asks(&world, host, Method::PUT, "/v1/contexts/campaign/spring", &context).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let open = json!({ "context": { "kind": "campaign", "id": "spring" }, "parties": parties });
    for status in [201, 200] {
        let answer = asks(&world, host, Method::POST, "/v1/threads", &open).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    }
}

#[tokio::test]
async fn nobody_but_the_host_is_heard_and_their_bodies_are_not_read() {
    let world = World::new();
    for token in [None, Some("alice"), Some("expired"), Some("")] {
        let answer = asks(&world, token, Method::PUT, "/v1/users/u1", &json!("no object")).await;
        assert_eq!(problem(&answer, 401), "unauthenticated", "{token:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_problem_documents() {
    let world = World::new();
    let host = Some("host");
    let answer = asks(&world, host, Method::PUT, "/v1/users/u1", &json!({ "nam": "U" })).await;
    problem(&answer, 400);
    let answer =
        asks(&world, host, Method::PUT, "/v1/users/u1", &json!({ "name": "x".repeat(300_000) })).await;
    assert_eq!(problem(&answer, 413), "body-too-large");
    for (method, path) in [(Method::GET, "/v1/nowhere"), (Method::GET, "/v1/"), (Method::GET, "/v1/threads")]
    {
        let answer = asks(&world, host, method, path, &Value::Null).await;
        assert_eq!(problem(&answer, 404), "no-such-route", "{path}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_and_a_compressed_body_are_taken_and_a_form_is_not() {
    let world = World::new();
    let told = asks(&world, Some("host"), Method::PUT, "/v1/users/u1/", &json!({ "name": "U" })).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text);
    let put = |name, value, body: &'static str| {
        let request =
            Request::put("/v1/users/u1").header(header::AUTHORIZATION, "Bearer host").header(name, value);
        world.call(request.body(Body::from(body)).expect("a request"))
    };
    let form = put(header::CONTENT_TYPE, "application/x-www-form-urlencoded", "name=U").await;
    assert_eq!(problem(&form, 415), "unsupported-media-type");
    let zipped = put(header::CONTENT_ENCODING, "zstd", "{}").await;
    assert_eq!(problem(&zipped, 415), "unsupported-media-type");
    // With curl's own type for a body.
    let curled = put(header::CONTENT_TYPE, "application/x-www-form-urlencoded", r#"{"name":"U"}"#).await;
    assert_eq!(curled.status, StatusCode::OK, "{}", curled.text);
}

#[tokio::test]
async fn a_thread_that_no_dialect_can_show_is_said_to_be_one() {
    let world = World::new();
    let host = Some("host");
    let member = |user: &str, role: &str| json!({ "userId": user, "role": role });
    let opens = async |kind: &str| {
        let context = json!({ "kind": kind, "id": "1" });
        let parties = [member("u1", "ADVERTISER"), member("u2", "PROMOTER")];
        let open = json!({ "context": context, "parties": parties });
        let answer = asks(&world, host, Method::POST, "/v1/threads", &open).await;
        serde_json::from_str::<Value>(&answer.text).expect("JSON")
    };
    let (shown, unshown) = (opens("campaign").await, opens("job").await);
    assert_eq!((&shown["created"], &shown["shownIn"]), (&json!(true), &json!(["campaign"])));
    assert_eq!((&unshown["created"], &unshown["shownIn"]), (&json!(true), &json!([])));
    assert_eq!(opens("job").await["shownIn"], json!([]), "found again");
    let path = format!("/v1/threads/{}/members/u3", shown["id"].as_str().expect("an id"));
    let answer = asks(&world, host, Method::PUT, &path, &json!({ "role": "ADVERTISER" })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let third: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(third["shownIn"], json!([]), "a third member hides it from a dialect of two");
}
