//! What is refused whatever it claims.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::world::{OTHER_RSA, Pair, RSA, SECRET, World, claims, in_seconds, shared};

fn with_rsa(besides: &str) -> World {
    let key = format!("algorithm = \"RS256\"\npublic_key = \"\"\"{}\"\"\"", RSA.public_pem);
    World::new(&format!("[auth.issuers.app]\n{key}\n{besides}"))
}

fn raw(header: &serde_json::Value, claims: &serde_json::Value, signature: &str) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn a_good_token_of_every_algorithm_enters() {
    let world = World::new("");
    let identity = world.enters(&shared(SECRET, Algorithm::HS256, &claims(&json!({})))).await.unwrap();
    assert_eq!((identity.user.id.as_str(), identity.user.name.as_str()), ("ada", "Ada"));
    assert_eq!(identity.user.role.unwrap().as_str(), "ADVERTISER");
    assert_eq!(identity.expires_at.as_millis(), in_seconds(3_605) * 1_000, "with 5 s for clocks");
    assert!(!identity.is_service);
    for pair in [&*RSA, &Pair::new(Algorithm::ES256), &Pair::new(Algorithm::EdDSA)] {
        let world = World::new(&format!(
            "[auth.issuers.app]\nalgorithm = \"{:?}\"\npublic_key = \"\"\"{}\"\"\"",
            pair.algorithm, pair.public_pem
        ));
        assert!(world.enters(&pair.sign(None, &claims(&json!({})))).await.is_ok(), "{:?}", pair.algorithm);
        let other = Pair::new(pair.algorithm).sign(None, &claims(&json!({})));
        assert_eq!(world.refuses(&other).await, "the token's signature does not hold");
    }
}

#[tokio::test]
async fn times_are_kept_with_the_leeway() {
    let world = with_rsa("");
    let sign = |besides: serde_json::Value| RSA.sign(None, &claims(&besides));
    for good in [
        json!({"exp": in_seconds(-4)}),
        json!({"nbf": in_seconds(5)}),
        json!({"exp": in_seconds(60) as f64 + 0.5}),
    ] {
        assert!(world.enters(&sign(good.clone())).await.is_ok(), "{good}");
    }
    for (besides, why) in [
        (json!({"exp": in_seconds(-5)}), "the token has expired"),
        (json!({"exp": 0}), "the token has expired"),
        (json!({"exp": -1e300}), "the token has expired"),
        (json!({"exp": null}), "the token has no expiry"),
        (json!({"exp": "tomorrow"}), "the token's times are no numbers"),
        (json!({"nbf": in_seconds(7)}), "the token is not valid yet"),
        (json!({"nbf": "now"}), "the token's times are no numbers"),
    ] {
        assert_eq!(world.refuses(&sign(besides.clone())).await, why, "{besides}");
    }
    let strict = World::new(&format!("[auth]\nleeway = \"1s\"\nsecret = \"{SECRET}\""));
    let token = shared(SECRET, Algorithm::HS256, &claims(&json!({"exp": in_seconds(-3)})));
    assert_eq!(strict.refuses(&token).await, "the token has expired");
}

#[tokio::test]
async fn a_token_expires_while_the_server_runs() {
    let world = World::new("");
    let token = shared(SECRET, Algorithm::HS256, &claims(&json!({"exp": in_seconds(10)})));
    assert!(world.enters(&token).await.is_ok());
    world.wait(15);
    assert_eq!(world.refuses(&token).await, "the token has expired");
}

#[tokio::test]
async fn the_algorithm_is_the_issuers() {
    let world = with_rsa("");
    // A public key used as a shared secret, in the forms in which an attacker has it.
    for secret in [RSA.public_pem.as_str(), RSA.public_pem.trim()] {
        let confused = shared(secret, Algorithm::HS256, &claims(&json!({})));
        assert_eq!(world.refuses(&confused).await, "the token's signature does not hold");
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = shared(SECRET, algorithm, &claims(&json!({})));
        assert_eq!(world.refuses(&token).await, "the token's algorithm is not accepted");
    }
    let ec = Pair::new(Algorithm::ES256).sign(None, &claims(&json!({})));
    assert_eq!(world.refuses(&ec).await, "the token's algorithm is not accepted");
    for name in ["none", "None", "NONE", "", "HS256 ", "rs256"] {
        let token = raw(&json!({"alg": name}), &claims(&json!({})), "");
        assert_eq!(world.refuses(&token).await, "the token's algorithm is not accepted", "{name:?}");
    }
    for name in ["HS256", "RS256"] {
        let unsigned = raw(&json!({"alg": name}), &claims(&json!({})), "");
        assert_eq!(world.refuses(&unsigned).await, "the token's signature does not hold");
    }
}

#[tokio::test]
async fn a_token_brings_no_key_of_its_own() {
    let world = with_rsa("");
    let jwk = OTHER_RSA.jwk("mine");
    for header in [
        json!({"alg": "RS256", "jwk": jwk}),
        json!({"alg": "RS256", "jku": "https://evil.example.org/keys"}),
        json!({"alg": "RS256", "x5u": "https://evil.example.org/cert"}),
        json!({"alg": "RS256", "crit": ["exp"]}),
        json!({"alg": "RS256", "b64": false}),
        json!({"alg": "RS256", "crit": null}),
    ] {
        let token = raw(&header, &claims(&json!({})), "AAAA");
        assert_eq!(world.refuses(&token).await, "the token has a header that is not accepted", "{header}");
    }
}

#[tokio::test]
async fn issuer_and_audience_are_exact() {
    let world = with_rsa("issuer = \"https://id.example.org/\"\naudience = [\"tidings\", \"chat\"]");
    let sign = |besides: serde_json::Value| RSA.sign(None, &claims(&besides));
    let iss = "https://id.example.org/";
    for aud in [json!("tidings"), json!("chat"), json!(["other", "chat"])] {
        assert!(world.enters(&sign(json!({"iss": iss, "aud": aud}))).await.is_ok(), "{aud}");
    }
    for aud in [json!("other"), json!(["other"]), json!([]), json!(null), json!(1), json!("tidings ")] {
        let token = sign(json!({"iss": iss, "aud": aud}));
        assert_eq!(world.refuses(&token).await, "the token is for another audience", "{aud}");
    }
    for iss in [json!("https://id.example.org"), json!(["https://id.example.org/"]), json!(null)] {
        let token = sign(json!({"iss": iss, "aud": "chat"}));
        assert_eq!(world.refuses(&token).await, "the token's issuer is not accepted", "{iss}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new("");
    let good = shared(SECRET, Algorithm::HS256, &claims(&json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("{good}") };
    for wrong in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        "garbage".to_owned(),
        format!("{header}.{payload}"),
        format!("{good}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!(" {good}"),
        raw(&json!([]), &json!({}), signature),
        raw(&json!({"alg": 1}), &json!({}), signature),
        raw(&json!({"alg": "HS256", "kid": 1}), &json!({}), signature),
        raw(&json!({"alg": "HS256", "kid": "k".repeat(300)}), &json!({}), signature),
        raw(&json!({"alg": "HS256"}), &json!("ada"), signature),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(5_000))),
    ] {
        assert_eq!(world.refuses(&wrong).await, "the token is malformed", "{wrong}");
    }
    assert_eq!(world.refuses(&"a".repeat(9_000)).await, "the token is too long");
    let tampered = raw(&json!({"alg": "HS256"}), &claims(&json!({"sub": "bob"})), signature);
    assert_eq!(world.refuses(&tampered).await, "the token's signature does not hold");
}

#[tokio::test]
async fn the_issuer_is_the_one_that_the_token_names() {
    let other = "fedcba9876543210fedcba9876543210";
    let world = World::new(&format!(
        "[auth.issuers.a]\nsecret = \"{SECRET}\"\nissuer = \"a\"\nuser_prefix = \"a:\"\n\
         [auth.issuers.b]\nsecret = \"{other}\"\nissuer = \"b\"\nuser_prefix = \"b:\"\n\
         [auth.issuers.c]\nsecret = \"{other}\"\nuser_prefix = \"c:\"\n"
    ));
    let id = |secret: &'static str, iss: serde_json::Value| {
        let token = shared(secret, Algorithm::HS256, &claims(&json!({"iss": iss})));
        let world = &world;
        async move { world.enters(&token).await.map(|identity| identity.user.id.as_str().to_owned()) }
    };
    assert_eq!(id(SECRET, json!("a")).await.unwrap(), "a:ada");
    assert_eq!(id(other, json!("b")).await.unwrap(), "b:ada");
    assert_eq!(id(other, json!(null)).await.unwrap(), "c:ada");
    assert_eq!(id(other, json!("unknown")).await.unwrap(), "c:ada");
    // b's key does not sign for a, whatever the token says.
    assert!(id(other, json!("a")).await.is_err());
}
