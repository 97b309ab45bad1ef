//! What an operator sees: logs, metrics, notices.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use serde_json::Value;
use tidings_tests::{DEADLINE, Rest};

use crate::world::World;

/// The lines about requests, as JSON.
fn requests(lines: &[String]) -> Vec<Value> {
    let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["target"] == "tidings::access").collect()
}

#[test]
fn a_request_is_one_line_that_names_it_and_tells_no_secrets() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LOG", "debug"), ("TIDINGS_LOG_FORMAT", "json")])?;
    let thread = world.thread()?;
    let canary = "canary-4711";
    let path = format!("POST /messaging/threads/{thread}/messages?token={canary}");
    let body = format!(r#"{{"content":"{canary}"}}"#);
    let sent = world.asks_as(&world.users.alice, &path, &[("x-request-id", "mine-1.2_3")], &body)?;
    ensure!(sent.status == 201 && sent.header("x-request-id") == "mine-1.2_3", "{sent:?}");
    // A name that would break a line, or hide in one, is replaced.
    let odd = world.asks(&format!("GET /messaging/{canary}"), &[("x-request-id", "a b\"c")], "")?;
    let made = odd.header("x-request-id").to_owned();
    ensure!(odd.status == 404 && made.len() == 32 && made.chars().all(|c| c.is_ascii_hexdigit()), "{odd:?}");
    let polled = world.asks(&format!("GET /socket.io/?EIO=4&transport=polling&t={canary}"), &[], "")?;
    let lines = world.server.log().wait(DEADLINE, |lines| {
        let found = requests(lines);
        let last = polled.header("x-request-id");
        found.iter().any(|line| line["span"]["id"] == last).then_some(found)
    })?;
    let of = |id: &str| -> Vec<&Value> { lines.iter().filter(|line| line["span"]["id"] == id).collect() };
    let [line] = of("mine-1.2_3")[..] else { anyhow::bail!("not one line: {lines:?}") };
    let fields = &line["fields"];
    ensure!(fields["method"] == "POST" && fields["status"] == 201, "{line}");
    ensure!(fields["route"] == "/messaging/threads/{threadId}/messages", "{line}");
    ensure!(fields["duration_ms"].is_u64() && line["level"] == "DEBUG", "{line}");
    ensure!(of(&made).len() == 1 && of(&made)[0]["fields"]["route"] == "none", "{lines:?}");
    let log = world.server.log().text();
    ensure!(!log.contains(canary), "{log}");
    ensure!(!log.contains(&world.users.alice.token) && !log.contains(tidings_tests::SECRET), "{log}");
    // By default nothing is said about requests that went well.
    let quiet = World::with(&[("TIDINGS_LOG_FORMAT", "json")])?;
    quiet.thread()?;
    ensure!(requests(&quiet.server.log().wait(DEADLINE, |lines| Some(lines.to_vec()))?).is_empty());
    Ok(())
}

/// The samples of a page, by name with labels.
pub(crate) fn samples(page: &str) -> HashMap<&str, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect()
}

#[test]
fn what_happens_is_counted() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_SENDS", "2 per 1h")])?;
    let thread = world.thread()?;
    for text in ["one", "two", "three"] {
        world.sends(&world.users.alice, &thread, text)?;
    }
    world.asks("GET /some/made-up/path", &[], "")?;
    world.asks("BREW /messaging/threads", &[], "")?;
    let page = world.asks("GET /metrics", &[], "")?;
    ensure!(page.status == 200 && page.header("content-type").starts_with("text/plain; version=0.0.4"));
    let samples = samples(&page.body);
    let sample =
        |name: &str| samples.get(name).copied().with_context(|| format!("no {name} in\n{}", page.body));
    ensure!(sample(r#"tidings_sends_total{via="rest",outcome="stored"}"#)? >= 2.0);
    ensure!(sample(r#"tidings_sends_total{via="rest",outcome="refused"}"#)? >= 1.0);
    ensure!(sample(r#"tidings_rate_limited_total{budget="sends"}"#)? >= 1.0);
    ensure!(sample(r#"tidings_send_seconds_count{via="rest"}"#)? >= 2.0);
    let posted = r#"tidings_http_request_seconds_count{method="POST",route="/messaging/threads/{threadId}/messages",status="201"}"#;
    ensure!(sample(posted)? >= 2.0);
    ensure!(sample(r#"tidings_http_request_seconds_count{method="GET",route="none",status="404"}"#)? >= 1.0);
    ensure!(
        sample(r#"tidings_http_request_seconds_bucket{method="GET",route="none",status="404",le="+Inf"}"#)?
            >= 1.0
    );
    for name in ["tidings_sessions", "tidings_sockets", "tidings_hub_queue", "tidings_http_connections"] {
        sample(name)?;
    }
    // No label has what a client made up.
    ensure!(
        !page.body.contains("made-up") && !page.body.contains("BREW") && !page.body.contains(&thread),
        "{}",
        page.body
    );
    Ok(())
}

#[test]
fn metrics_are_for_this_machine_unless_they_have_a_port_of_their_own() -> anyhow::Result<()> {
    let world = World::with(&[])?;
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let passed_on = world.asks("GET /metrics", &[(header, "127.0.0.1")], "")?;
        ensure!(passed_on.status == 404, "{header}: {passed_on:?}");
    }
    let off = World::with(&[("TIDINGS_METRICS_ENABLED", "false")])?;
    ensure!(off.asks("GET /metrics", &[], "")?.status == 404);

    let apart = World::with(&[("TIDINGS_METRICS_LISTEN", "127.0.0.1:0")])?;
    ensure!(apart.asks("GET /metrics", &[], "")?.status == 404);
    let address = apart.server.log().wait(DEADLINE, |lines| {
        let line = lines.iter().find(|line| line.contains("metrics are told"))?;
        line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
    })?;
    let page = Rest::anonymous(address).get("/metrics")?;
    ensure!(page.status == 200 && page.text.contains("tidings_sessions 0"), "{page:?}");
    ensure!(Rest::anonymous(address).get("/messaging/threads")?.status == 404);
    Ok(())
}

#[test]
fn who_is_away_is_told_and_nothing_of_the_message_is() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_NOTICES_AFTER", "1s")])?;
    let thread = world.thread()?;
    ensure!(world.sends(&world.users.alice, &thread, "a secret of two")?.status == 201);
    let line = world
        .server
        .log()
        .wait(DEADLINE, |lines| lines.iter().find(|line| line.contains("somebody who is away")).cloned())?;
    ensure!(
        line.contains(world.users.bob.id) && line.contains(&thread) && line.contains("unread=1"),
        "{line}"
    );
    ensure!(!world.server.log().text().contains("a secret of two"));
    Ok(())
}
