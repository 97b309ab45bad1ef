//! Who a token speaks for, and where it may enter.

use std::collections::HashMap;

use jsonwebtoken::Algorithm;
use serde_json::json;
use tidings_domain::ports::Directory;
use tidings_domain::time::Timestamp;
use tidings_domain::user::User;

use super::world::{SECRET, World, claims, in_seconds, shared};

fn issuer(besides: &str) -> World {
    World::new(&format!("[auth.issuers.app]\nsecret = \"{SECRET}\"\n{besides}"))
}

fn token(besides: &serde_json::Value) -> String {
    shared(SECRET, Algorithm::HS256, &claims(besides))
}

#[tokio::test]
async fn a_prefix_keeps_issuers_apart() {
    let world = issuer("user_prefix = \"app:\"");
    let identity = world.enters(&token(&json!({"sub": "42"}))).await.unwrap();
    assert_eq!(identity.user.id.as_str(), "app:42");
    // Numbers are ids, too.
    assert_eq!(world.enters(&token(&json!({"sub": 42}))).await.unwrap().user.id.as_str(), "app:42");
    for (sub, why) in [
        (json!("a b"), "the token's user is not 1 to 128 visible characters"),
        (json!("x".repeat(125)), "the token's user is not 1 to 128 visible characters"),
        (json!(""), "the token names no user"),
        (json!(null), "the token names no user"),
        (json!(["ada"]), "the token names no user"),
        (json!(-1), "the token names no user"),
    ] {
        assert_eq!(world.refuses(&token(&json!({"sub": sub}))).await, why, "{sub}");
    }
}

#[tokio::test]
async fn claims_have_the_issuers_names() {
    let world = issuer(
        "user_claim = [\"uid\"]\nrole_claim = \"https://a.org/role\"\nname_claim = \"nick\"\navatar_claim = \"pic\"",
    );
    let besides =
        json!({"uid": "u1", "https://a.org/role": "PROMOTER", "nick": "Addie", "pic": "https://a.org/1"});
    let user = world.enters(&token(&besides)).await.unwrap().user;
    assert_eq!((user.id.as_str(), user.name.as_str()), ("u1", "Addie"));
    assert_eq!(user.role.unwrap().as_str(), "PROMOTER");
    assert_eq!(user.avatar_url.as_deref(), Some("https://a.org/1"));
    assert_eq!(world.refuses(&token(&json!({}))).await, "the token names no user");
    let bad_role = json!({"uid": "u1", "https://a.org/role": "a b"});
    assert!(world.refuses(&token(&bad_role)).await.contains("role"));
    let long = json!({"uid": "u1", "nick": "n".repeat(1_000), "pic": "p".repeat(3_000)});
    let user = world.enters(&token(&long)).await.unwrap().user;
    assert_eq!((user.name.chars().count(), user.avatar_url), (128, None));
}

/// No store could keep the id, or look it up; the others are left out, or cleaned where they are taken in.
#[tokio::test]
async fn claims_with_control_characters_enter_or_are_refused_clearly() {
    let malformed = "the token's user is not 1 to 128 visible characters";
    for besides in ["", "subject = \"directory\""] {
        let world = issuer(besides);
        for sub in ["a\u{0}da", "\u{0}", "ada\u{7f}", "ada\n"] {
            assert_eq!(world.refuses(&token(&json!({"sub": sub}))).await, malformed, "{sub:?} {besides}");
        }
    }
    let world = issuer("");
    assert!(world.refuses(&token(&json!({"role": "ADMIN\u{0}"}))).await.contains("role"));
    let identity = world.enters(&token(&json!({"name": "A\u{0}da", "picture": "https://a.org/\u{0}"}))).await;
    assert_eq!(identity.unwrap().user.id.as_str(), "ada");
    assert!(world.at_host(&token(&json!({"sub": "a\u{0}", "scope": "service"}))).await.is_err());
}

/// From when a token is decides what is believed of its user.
#[tokio::test]
async fn a_token_says_when_it_was_issued() {
    let world = issuer("");
    let issued = in_seconds(-60);
    for (iat, as_of) in [
        (json!(issued), Timestamp::from_millis(issued * 1_000)),
        (
            json!(f64::from(i32::try_from(issued).unwrap()) + 0.5),
            Timestamp::from_millis(issued * 1_000 + 500),
        ),
        (json!(null), Timestamp::from_millis(0)),
        (json!("yesterday"), Timestamp::from_millis(0)),
    ] {
        let user = world.enters(&token(&json!({"iat": iat}))).await.unwrap().user;
        assert_eq!(user.as_of, as_of, "{iat}");
    }
}

#[tokio::test]
async fn the_directory_says_whose_a_subject_is() {
    let mut ada = User::unknown("user-1".parse().unwrap());
    ada.name = "Ada of the directory".to_owned();
    let subjects = HashMap::from([(("app", "uid-of-ada"), ada.clone())]);
    let file = format!("[auth.issuers.app]\nsecret = \"{SECRET}\"\nsubject = \"directory\"");
    let world = World::with_subjects(&file, subjects.clone());
    // The directory's word counts, not the token's.
    assert_eq!(world.enters(&token(&json!({"sub": "uid-of-ada"}))).await.unwrap().user, ada);
    // The subject itself names nobody, not even the user with that id.
    for unknown in ["user-1", "uid-of-bob"] {
        assert_eq!(
            world.refuses(&token(&json!({"sub": unknown}))).await,
            "the token's user is not known here"
        );
    }
    let guests = format!("{file}\nfirst_sight = true\nuser_prefix = \"guest:\"");
    let world = World::with_subjects(&guests, subjects);
    assert_eq!(world.enters(&token(&json!({"sub": "uid-of-ada"}))).await.unwrap().user.id.as_str(), "user-1");
    assert_eq!(
        world.enters(&token(&json!({"sub": "user-1"}))).await.unwrap().user.id.as_str(),
        "guest:user-1"
    );
}

#[tokio::test]
async fn without_first_sight_the_host_has_told_about_a_user() {
    let world = issuer("first_sight = false");
    assert_eq!(world.refuses(&token(&json!({}))).await, "the token's user is not known here");
    world.directory.put_user(User::unknown("ada".parse().unwrap()), None).await.unwrap();
    assert!(world.enters(&token(&json!({}))).await.is_ok());
}

#[tokio::test]
async fn an_issuer_enters_only_its_dialects() {
    let world = issuer("dialects = []");
    assert_eq!(world.refuses(&token(&json!({}))).await, "the token may not enter here");
}

#[tokio::test]
async fn services_use_the_host_api_and_enter_no_dialect() {
    let world = World::new("");
    for scope in [
        json!({"scope": "service"}),
        json!({"scope": "read service"}),
        json!({"scope": ["service"]}),
        json!({"scopes": ["a", "service"]}),
    ] {
        let token = token(&scope);
        let identity = world.at_host(&token).await.unwrap();
        assert!(identity.is_service, "{scope}");
        assert_eq!(identity.user.id.as_str(), "ada");
        assert_eq!(
            world.refuses(&token).await,
            "the token is a service's, which may not enter here",
            "{scope}"
        );
    }
    for scope in
        [json!({}), json!({"scope": "services"}), json!({"scopes": "self-service"}), json!({"scope": 1})]
    {
        let token = token(&scope);
        assert_eq!(
            world.at_host(&token).await.unwrap_err().0,
            "the token lacks the scope service",
            "{scope}"
        );
        assert!(world.enters(&token).await.is_ok(), "{scope}");
    }
}

#[tokio::test]
async fn a_named_issuer_speaks_for_services_only_where_it_may() {
    let other = "fedcba9876543210fedcba9876543210";
    let token = shared(other, Algorithm::HS256, &claims(&json!({"scope": "service"})));
    let file = format!("[auth.issuers.app]\nsecret = \"{other}\"\n");
    let refused = World::new(&file).at_host(&token).await.unwrap_err();
    assert_eq!(refused.0, "the token's issuer may not speak for services");
    assert!(World::new(&format!("{file}service = true")).at_host(&token).await.unwrap().is_service);
}

#[tokio::test]
async fn beside_named_issuers_the_own_secret_is_for_services_alone() {
    let world =
        World::new("[auth.issuers.fb]\nsecret = \"fedcba9876543210fedcba9876543210\"\nissuer = \"fb\"");
    assert_eq!(world.refuses(&token(&json!({}))).await, "the token may not enter here");
    assert!(world.at_host(&token(&json!({"scope": "service"}))).await.unwrap().is_service);
}
