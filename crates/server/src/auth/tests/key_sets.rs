//! Published keys: found, exchanged, withheld, spoiled.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::jwks_server::JwksServer;
use super::world::{OTHER_RSA, Pair, RSA, World, claims, shared};

const UNKNOWN: &str = "the token's key is not known";
const UNAVAILABLE: &str = "the issuer's keys cannot be fetched now";
/// A flood.
const MANY: usize = 200;

fn world(server: &JwksServer) -> World {
    with_algorithm(server, "RS256")
}

fn with_algorithm(server: &JwksServer, algorithm: &str) -> World {
    let url = server.url();
    World::new(&format!(
        "[auth.issuers.id]\njwks_url = \"{url}\"\nalgorithm = \"{algorithm}\"\nissuer = \"id\""
    ))
}

fn token(pair: &Pair, kid: Option<&str>) -> String {
    pair.sign(kid, &claims(&json!({"iss": "id"})))
}

/// Waits until all fetches that were begun have ended.
async fn settled(world: &World) {
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !world.tasks.is_empty() {
        assert!(tokio::time::Instant::now() < until, "a fetch does not end");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_key_is_found_by_its_id_and_fetched_once() {
    let server = JwksServer::serving(&[OTHER_RSA.jwk("k0"), RSA.jwk("k1")]).await;
    let world = world(&server);
    for _ in 0..10 {
        assert!(world.enters(&token(&RSA, Some("k1"))).await.is_ok());
    }
    assert_eq!(server.asked(), 1);
    // The other key's signature under this key's id, and a token that leaves a choice.
    assert_eq!(world.refuses(&token(&OTHER_RSA, Some("k1"))).await, "the token's signature does not hold");
    assert_eq!(world.refuses(&token(&RSA, None)).await, UNKNOWN);
    let secret = shared(&RSA.public_pem, Algorithm::HS256, &claims(&json!({"iss": "id"})));
    assert_eq!(world.refuses(&secret).await, "the token's signature does not hold");
}

#[tokio::test]
async fn without_an_id_the_only_key_counts() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    assert!(world(&server).enters(&token(&RSA, None)).await.is_ok());
}

#[tokio::test]
async fn all_kinds_of_keys_are_understood() {
    for (name, algorithm) in [("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA)] {
        let pair = Pair::new(algorithm);
        let server = JwksServer::serving(&[RSA.jwk("k1"), pair.jwk("k2")]).await;
        let world = with_algorithm(&server, name);
        assert!(world.enters(&token(&pair, Some("k2"))).await.is_ok(), "{name}");
        // A key of another kind is in the set, but not for this issuer.
        assert_eq!(world.refuses(&token(&pair, Some("k1"))).await, UNKNOWN, "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_made_up_ids_fetches_next_to_nothing() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = world(&server);
    for wave in 0..3 {
        let tokens: Vec<String> =
            (0..MANY).map(|at| token(&OTHER_RSA, Some(&format!("{wave}-{at}")))).collect();
        let refused = tokens.iter().map(|token| world.refuses(token));
        for why in futures_util::future::join_all(refused).await {
            assert_eq!(why, UNKNOWN);
        }
        settled(&world).await;
        assert!(world.enters(&token(&RSA, Some("k1"))).await.is_ok());
        assert_eq!(server.asked(), 1 + wave, "wave {wave}");
        world.wait(31);
    }
    // An id that was looked for a moment ago is not looked for again, though the pause is over.
    assert_eq!(world.refuses(&token(&OTHER_RSA, Some("again"))).await, UNKNOWN);
    let asked = server.asked();
    world.wait(31);
    assert_eq!(world.refuses(&token(&OTHER_RSA, Some("again"))).await, UNKNOWN);
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn all_who_wait_share_one_fetch_even_if_the_first_hangs_up() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    server.shut();
    let world = world(&server);
    let good = token(&RSA, Some("k1"));
    let first = tokio::time::timeout(Duration::from_millis(1), world.enters(&good)).await;
    assert!(first.is_err());
    let rest = futures_util::future::join_all((0..MANY).map(|_| world.enters(&good)));
    let (answers, ()) = tokio::join!(rest, async { server.open() });
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_forgotten() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = world(&server);
    assert!(world.enters(&token(&RSA, Some("k1"))).await.is_ok());
    server.publish(&[OTHER_RSA.jwk("k2")]);
    // Too early after the last fetch.
    assert_eq!(world.refuses(&token(&OTHER_RSA, Some("k2"))).await, UNKNOWN);
    world.wait(31);
    assert!(world.enters(&token(&OTHER_RSA, Some("k2"))).await.is_ok());
    assert_eq!(world.refuses(&token(&RSA, Some("k1"))).await, UNKNOWN);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_set_that_grew_old_is_fetched_behind_the_scenes() {
    let server = JwksServer::serving(&[]).await;
    let set = json!({"keys": [RSA.jwk("k1")]}).to_string();
    server.answer_with("200 OK", "Cache-Control: public, max-age=120\r\n", &set);
    let world = World::new(&format!("[auth.issuers.id]\njwks_url = \"{}\"\nissuer = \"id\"", server.url()));
    let long =
        RSA.sign(Some("k1"), &claims(&json!({"iss": "id", "exp": super::world::in_seconds(1_000_000)})));
    assert!(world.enters(&long).await.is_ok());
    world.wait(119);
    assert!(world.enters(&long).await.is_ok());
    assert_eq!(server.asked(), 1);
    world.wait(2);
    server.publish(&[OTHER_RSA.jwk("k2")]);
    // The old set still counts while the new one is on its way.
    assert!(world.enters(&long).await.is_ok());
    settled(&world).await;
    assert_eq!(server.asked(), 2);
    assert_eq!(world.refuses(&long).await, UNKNOWN);
}

#[tokio::test]
async fn a_server_that_is_down_leaves_the_last_good_set() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = world(&server);
    let day = 24 * 3_600;
    let long = RSA.sign(Some("k1"), &claims(&json!({"iss": "id", "exp": super::world::in_seconds(3 * day)})));
    assert!(world.enters(&long).await.is_ok());
    for spoiled in spoiled() {
        server.answer_with(spoiled.0, "", &spoiled.1);
        world.wait(3_601);
        assert!(world.enters(&long).await.is_ok(), "{}", spoiled.0);
        settled(&world).await;
        assert!(world.enters(&long).await.is_ok(), "{}", spoiled.0);
    }
    assert_eq!(server.asked(), 1 + spoiled().len());
    // An unknown id looks again, though not at once after a failure.
    assert_eq!(world.refuses(&token(&RSA, Some("k9"))).await, UNKNOWN);
    assert_eq!(server.asked(), 1 + spoiled().len());
    world.wait(day);
    assert_eq!(world.refuses(&long).await, UNAVAILABLE);
    // Back again.
    server.publish(&[RSA.jwk("k1")]);
    world.wait(6);
    assert!(world.enters(&long).await.is_ok());
}

/// Answers that are no key set.
fn spoiled() -> Vec<(&'static str, String)> {
    let oct = json!({"kty": "oct", "kid": "k1", "alg": "HS256", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"});
    let mut encryption = RSA.jwk("k1");
    encryption["use"] = json!("enc");
    let mut other = RSA.jwk("k1");
    other["alg"] = json!("RS512");
    let crowd: Vec<Value> = (0..21).map(|at| RSA.jwk(&at.to_string())).collect();
    let of = |keys: Value| json!({"keys": keys}).to_string();
    vec![
        ("503 Service Unavailable", of(json!([RSA.jwk("k1")]))),
        ("302 Found", String::new()),
        ("200 OK", "<html>".to_owned()),
        ("200 OK", "{}".to_owned()),
        ("200 OK", of(json!([]))),
        ("200 OK", of(json!([oct]))),
        ("200 OK", of(json!([encryption]))),
        ("200 OK", of(json!([other]))),
        ("200 OK", of(json!(crowd))),
        ("200 OK", format!("{}{}", of(json!([RSA.jwk("k1")])), " ".repeat(70_000))),
    ]
}

#[tokio::test]
async fn a_spoiled_set_lets_nobody_in_and_a_strange_key_spoils_nothing() {
    for (status, body) in spoiled() {
        let server = JwksServer::serving(&[]).await;
        server.answer_with(status, "Location: http://127.0.0.1:9/\r\n", &body);
        assert_eq!(
            world(&server).refuses(&token(&RSA, Some("k1"))).await,
            UNAVAILABLE,
            "{status} {body:.80}"
        );
    }
    let strange = json!({"kty": "PQ", "kid": "k0", "use": 7});
    let server = JwksServer::serving(&[strange, RSA.jwk("k1")]).await;
    assert!(world(&server).enters(&token(&RSA, Some("k1"))).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, server) = (JwksServer::serving(&[RSA.jwk("k1")]).await, JwksServer::serving(&[]).await);
    server.answer_with("302 Found", &format!("Location: {}\r\n", elsewhere.url()), "");
    assert_eq!(world(&server).refuses(&token(&RSA, Some("k1"))).await, UNAVAILABLE);
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn nobody_there_is_refused_and_asked_again_after_a_pause() {
    let server = JwksServer::serving(&[]).await;
    let world = world(&server);
    let good = token(&RSA, Some("k1"));
    assert_eq!(world.refuses(&good).await, UNAVAILABLE);
    settled(&world).await;
    server.publish(&[RSA.jwk("k1")]);
    assert_eq!(world.refuses(&good).await, UNAVAILABLE);
    assert_eq!(server.asked(), 1);
    world.wait(6);
    assert!(world.enters(&good).await.is_ok());
}

/// Whoever waits for a fetch that is broken off is not left waiting, and another one may begin.
#[tokio::test]
async fn a_fetch_that_is_broken_off_has_failed() {
    let server = JwksServer::serving(&[RSA.jwk("k1")]).await;
    let world = world(&server);
    settled(&world).await;
    server.publish(&[RSA.jwk("k1"), OTHER_RSA.jwk("k2")]);
    server.shut();
    world.wait(31);
    let newer = token(&OTHER_RSA, Some("k2"));
    let waits = world.refuses(&newer);
    let breaks_off = async {
        while server.asked() < 2 {
            tokio::task::yield_now().await;
        }
        world.stop.cancel();
    };
    let (why, ()) = tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(waits, breaks_off) })
        .await
        .expect("nobody waits for a fetch that has been broken off");
    assert_eq!(why, UNKNOWN);
}
