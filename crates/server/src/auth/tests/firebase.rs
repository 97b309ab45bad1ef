//! Every check that Firebase asks for, one by one.

use serde_json::{Value, json};

use super::jwks_server::JwksServer;
use super::world::{OTHER_RSA, RSA, World, claims, in_seconds, shared};

const ISS: &str = "https://securetoken.google.com/my-project";

fn firebase(server: &JwksServer) -> World {
    World::new(&format!(
        "[auth.issuers.firebase]\nfirebase = \"my-project\"\njwks_url = \"{}\"",
        server.url()
    ))
}

/// An ID token as Firebase issues it, but for `besides`.
fn id_token(besides: &Value) -> Value {
    let mut token = json!({
        "iss": ISS, "aud": "my-project", "auth_time": in_seconds(-60), "iat": in_seconds(-60),
        "user_id": "ada", "firebase": {"sign_in_provider": "password"},
    });
    for (name, value) in besides.as_object().unwrap() {
        token[name] = value.clone();
    }
    claims(&token)
}

#[tokio::test]
async fn an_id_token_enters() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = firebase(&server);
    let identity = world.enters(&RSA.sign(Some("k1"), &id_token(&json!({})))).await.unwrap();
    assert_eq!(identity.user.id.as_str(), "ada");
}

#[tokio::test]
async fn what_is_no_id_token_of_the_project_is_refused() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = firebase(&server);
    for (besides, why) in [
        (json!({"exp": in_seconds(-10)}), "the token has expired"),
        (json!({"iat": in_seconds(60)}), "the token was not issued in the past"),
        (json!({"iat": null}), "the token was not issued in the past"),
        (json!({"auth_time": in_seconds(60)}), "the token's user did not sign in in the past"),
        (json!({"auth_time": null}), "the token's user did not sign in in the past"),
        (json!({"aud": "another-project"}), "the token is for another audience"),
        (json!({"aud": null}), "the token is for another audience"),
        (json!({"iss": "https://securetoken.google.com/another"}), "the token's issuer is not accepted"),
        (json!({"iss": null}), "the token's issuer is not accepted"),
        (json!({"sub": ""}), "the token names no user"),
        // The dialect would take `user_id`; Firebase asks for `sub`.
        (json!({"sub": null}), "the token names no user"),
    ] {
        assert_eq!(world.refuses(&RSA.sign(Some("k1"), &id_token(&besides))).await, why, "{besides}");
    }
    let good = id_token(&json!({}));
    assert_eq!(
        world.refuses(&OTHER_RSA.sign(Some("k1"), &good)).await,
        "the token's signature does not hold"
    );
    assert_eq!(world.refuses(&RSA.sign(Some("k2"), &good)).await, "the token's key is not known");
    let confused = shared(&RSA.public_pem, jsonwebtoken::Algorithm::HS256, &good);
    assert_eq!(world.refuses(&confused).await, "the token's signature does not hold");
    // What the emulator issues.
    let parts = RSA.sign(Some("k1"), &good);
    let payload = parts.split('.').nth(1).unwrap();
    assert_eq!(
        world.refuses(&format!("eyJhbGciOiJub25lIn0.{payload}.")).await,
        "the token's algorithm is not accepted"
    );
}
