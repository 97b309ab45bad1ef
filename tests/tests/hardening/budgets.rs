//! Budgets of users and addresses.

use anyhow::ensure;
use tidings_tests::Socket;

use crate::world::World;

#[test]
fn a_user_who_sends_too_much_is_told_when_to_go_on() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_SENDS", "2 per 1h")])?;
    let thread = world.thread()?;
    for text in ["one", "two"] {
        ensure!(world.sends(&world.users.alice, &thread, text)?.status == 201);
    }
    let refused = world.sends(&world.users.alice, &thread, "three")?;
    let wait: u64 = refused.header("retry-after").parse()?;
    ensure!(refused.status == 429 && (1_700..=1_800).contains(&wait), "{refused:?}");
    // The same budget on sockets, and nobody else's.
    let mut alice = Socket::connect(world.server.address(), &world.users.alice)?;
    let asked = alice.emit("sendMessage", &serde_json::json!({ "threadId": thread, "content": "three" }))?;
    let answer = alice.ack(asked)?;
    ensure!(answer["success"] == false && answer["code"] == "rate-limited", "{answer}");
    ensure!(world.sends(&world.users.bob, &thread, "unharmed")?.status == 201);
    ensure!(world.asks_as(&world.users.alice, "GET /messaging/threads", &[], "")?.status == 200);
    Ok(())
}

#[test]
fn the_host_and_a_user_of_the_same_id_have_budgets_of_their_own() -> anyhow::Result<()> {
    let puts = |world: &World| -> anyhow::Result<u16> {
        Ok(world.asks_as(&world.users.host, "PUT /v1/users/u1", &[], r#"{"name":"U"}"#)?.status)
    };
    let lists = |world: &World| -> anyhow::Result<u16> {
        Ok(world.asks_as(&world.users.namesake, "GET /messaging/threads", &[], "")?.status)
    };
    let world = World::with(&[("TIDINGS_LIMITS_REQUESTS", "1 per 1h")])?;
    ensure!(lists(&world)? == 200 && lists(&world)? == 429);
    ensure!(puts(&world)? == 200 && puts(&world)? == 200);
    let world = World::with(&[("TIDINGS_LIMITS_HOST_REQUESTS", "1 per 1h")])?;
    ensure!(puts(&world)? == 200 && puts(&world)? == 429);
    ensure!(lists(&world)? == 200 && lists(&world)? == 200);
    Ok(())
}

#[test]
fn an_address_of_strangers_is_limited_whatever_they_ask() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_STRANGERS", "6 per 1h")])?;
    let bad_sid = "GET /socket.io/?EIO=4&transport=polling&sid=nobody";
    let refusals = [
        ("GET /messaging/threads", 401),
        ("PUT /v1/users/x", 401),
        ("GET /v1/nowhere", 404),
        ("GET /messaging/nowhere", 404),
        ("GET /nowhere", 404),
        (bad_sid, 400),
    ];
    for (head, status) in refusals {
        let answer = world.asks(head, &[], "")?;
        ensure!(answer.status == status, "{head}: {answer:?}");
    }
    for (head, _) in refusals {
        // Somebody else's word about where they come from is nobody's.
        let refused = world.asks(head, &[("x-forwarded-for", "198.51.100.7")], "")?;
        ensure!(refused.status == 429 && !refused.header("retry-after").is_empty(), "{head}: {refused:?}");
    }
    // Whoever has a token is no stranger, and neither are probes nor who is about to show one.
    ensure!(world.asks_as(&world.users.alice, "GET /messaging/threads", &[], "")?.status == 200);
    ensure!(world.asks_as(&world.users.alice, "GET /messaging/threads/nowhere", &[], "")?.status == 400);
    ensure!(world.asks("GET /readyz", &[], "")?.status == 200);
    ensure!(world.asks("GET /socket.io/?EIO=4&transport=polling", &[], "")?.status == 200);
    Ok(())
}

#[test]
fn an_address_opens_so_many_sockets_that_nobody_enters() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_HANDSHAKES", "2 per 1h")])?;
    let handshake = "GET /socket.io/?EIO=4&transport=polling";
    // Those on which a valid token follows are not counted.
    for _ in 0..5 {
        Socket::connect(world.server.address(), &world.users.alice)?;
    }
    for _ in 0..2 {
        ensure!(world.asks(handshake, &[], "")?.status == 200);
    }
    let refused = world.asks(handshake, &[], "")?;
    ensure!(refused.status == 429 && !refused.header("retry-after").is_empty(), "{refused:?}");
    Ok(())
}

#[test]
fn probes_are_answered_however_many_there_are() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_PREFLIGHTS", "1 per 1h")])?;
    for head in ["GET /healthz", "GET /readyz", "GET /healthz"] {
        let answer = world.asks(head, &[], "")?;
        ensure!(answer.status == 200, "{head}: {answer:?}");
    }
    Ok(())
}

#[test]
fn a_trusted_proxy_says_whom_it_speaks_for() -> anyhow::Result<()> {
    let world = World::with(&[
        ("TIDINGS_LIMITS_HANDSHAKES", "1 per 1h"),
        ("TIDINGS_SERVER_TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8"),
    ])?;
    let status = |forwarded: &str| -> anyhow::Result<u16> {
        let head = "GET /socket.io/?EIO=4&transport=polling";
        Ok(world.asks(head, &[("x-forwarded-for", forwarded)], "")?.status)
    };
    ensure!(status("198.51.100.1")? == 200);
    ensure!(status("198.51.100.1")? == 429);
    ensure!(status("198.51.100.2, 10.1.2.3")? == 200);
    // What a client writes itself stands before what the proxy knows.
    ensure!(status("203.0.113.1, 198.51.100.2")? == 429);
    ensure!(status("2001:db8::1")? == 200 && status("2001:db8::2")? == 429);
    Ok(())
}
