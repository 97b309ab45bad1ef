//! Pages of other origins.

use anyhow::ensure;

use crate::world::{Answer, World};

const PAGE: &str = "https://app.example.org";
/// A page with tracing asks for headers that no list foresees.
const PREFLIGHT: [(&str, &str); 2] = [
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization,content-type,sentry-trace,traceparent,x-request-id"),
];

fn is_closed(answer: &Answer) -> bool {
    answer.header("access-control-allow-origin").is_empty()
        && answer.header("access-control-allow-credentials").is_empty()
}

#[test]
fn pages_of_the_allowed_origins_may_use_rest_and_sockets() -> anyhow::Result<()> {
    let world = World::with(&[("CORS_ORIGINS", PAGE)])?;
    let from = |origin: &'static str| [("origin", origin), PREFLIGHT[0], PREFLIGHT[1]];
    for head in [
        "OPTIONS /messaging/threads",
        "OPTIONS /api/messaging/threads/x/messages",
        "OPTIONS /socket.io/?EIO=4",
    ] {
        let answer = world.asks(head, &from(PAGE), "")?;
        ensure!(answer.status == 204, "{head}: {answer:?}");
        ensure!(answer.header("access-control-allow-origin") == PAGE, "{head}: {answer:?}");
        ensure!(answer.header("access-control-allow-credentials") == "true", "{head}: {answer:?}");
        ensure!(answer.header("vary").eq_ignore_ascii_case("origin"), "{head}: {answer:?}");
        ensure!(answer.header("access-control-allow-headers") == PREFLIGHT[1].1, "{head}: {answer:?}");
        ensure!(is_closed(&world.asks(head, &from("https://evil.example.org"), "")?), "{head}");
    }
    let origin = [("origin", PAGE)];
    let read = world.asks_as(&world.users.alice, "GET /messaging/threads", &origin, "")?;
    ensure!(read.status == 200 && read.header("access-control-allow-origin") == PAGE, "{read:?}");
    let refused = world.asks("GET /messaging/threads", &origin, "")?;
    ensure!(refused.status == 401 && refused.header("access-control-allow-origin") == PAGE, "{refused:?}");
    // A page of another origin gets an answer that its browser does not show it, and one without any the same.
    for headers in [[("origin", "http://localhost:3000")].as_slice(), &[]] {
        let read = world.asks_as(&world.users.alice, "GET /messaging/threads", headers, "")?;
        ensure!(read.status == 200 && is_closed(&read) && read.header("vary") == "Origin", "{read:?}");
    }
    Ok(())
}

/// Native apps send an `Origin` that names the host they connect to.
#[test]
fn an_origin_that_names_the_host_is_never_foreign() -> anyhow::Result<()> {
    let proxied = [("CORS_ORIGINS", PAGE), ("TIDINGS_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
    for (settings, host) in [(&proxied[..1], "host"), (&proxied[..], "x-forwarded-host")] {
        let world = World::with(settings)?;
        let own = [("origin", "https://chat.example.org"), (host, "chat.example.org")];
        let polled = world.asks("GET /socket.io/?EIO=4&transport=polling", &own, "")?;
        ensure!(polled.status == 200, "{polled:?}");
        let read = world.asks_as(&world.users.alice, "GET /messaging/threads", &own, "")?;
        ensure!(read.header("access-control-allow-origin") == own[0].1, "{read:?}");
        let foreign = [("origin", "https://evil.example.org"), (host, "chat.example.org")];
        let polled = world.asks("GET /socket.io/?EIO=4&transport=polling", &foreign, "")?;
        ensure!(polled.status == 403, "{polled:?}");
        ensure!(is_closed(&world.asks_as(&world.users.alice, "GET /messaging/threads", &foreign, "")?));
        let null = [("origin", "null"), (host, "null")];
        ensure!(world.asks("GET /socket.io/?EIO=4&transport=polling", &null, "")?.status == 403);
    }
    Ok(())
}

#[test]
fn the_host_api_is_for_no_page() -> anyhow::Result<()> {
    let world = World::with(&[("CORS_ORIGINS", PAGE)])?;
    let origin = ("origin", PAGE);
    let preflight = world.asks("OPTIONS /v1/users/u1", &[origin, PREFLIGHT[0], PREFLIGHT[1]], "")?;
    ensure!(preflight.status == 404 && is_closed(&preflight), "{preflight:?}");
    let told = world.asks_as(&world.users.host, "PUT /v1/users/u1", &[origin], r#"{"name":"U"}"#)?;
    ensure!(told.status == 200 && is_closed(&told), "{told:?}");
    let refused = world.asks_as(&world.users.alice, "PUT /v1/users/u1", &[], r#"{"name":"U"}"#)?;
    ensure!(refused.status == 401, "{refused:?}");
    ensure!(refused.header("content-type") == "application/problem+json", "{refused:?}");
    Ok(())
}

#[test]
fn in_strict_mode_only_what_the_host_has_told_about_has_threads() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_DIALECTS_CAMPAIGN_STRICT", "true")])?;
    let (alice, bob) = (&world.users.alice, &world.users.bob);
    let open = || {
        let body =
            format!(r#"{{"campaignId":"spring","promoterId":"{}","advertiserId":"{}"}}"#, bob.id, alice.id);
        world.asks_as(alice, "POST /messaging/threads", &[], &body)
    };
    let unknown = open()?;
    ensure!(unknown.status == 404 && unknown.body.contains("Campaign not found"), "{unknown:?}");
    for user in [alice, bob] {
        let body = format!(r#"{{"name":"{}","role":"{}"}}"#, user.name, user.role);
        let told = world.asks_as(&world.users.host, &format!("PUT /v1/users/{}", user.id), &[], &body)?;
        ensure!(told.status == 200, "{told:?}");
    }
    let parties = format!(
        r#"[{{"userId":"{}","role":"ADVERTISER"}},{{"userId":"{}","role":"PROMOTER"}}]"#,
        alice.id, bob.id
    );
    let body = format!(r#"{{"title":"Spring","isPublic":true,"parties":{parties}}}"#);
    let told = world.asks_as(&world.users.host, "PUT /v1/contexts/campaign/spring", &[], &body)?;
    ensure!(told.status == 204, "{told:?}");
    let opened = open()?;
    ensure!(opened.status == 201, "{opened:?}");
    Ok(())
}
