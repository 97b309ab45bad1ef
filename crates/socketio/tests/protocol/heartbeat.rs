//! Pings, pongs and what happens without.

use std::time::{Duration, Instant};

use crate::harness::Server;

const INTERVAL: Duration = Duration::from_millis(120);

/// For clients that answer, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(4);
/// For clients that do not.
const STRICT: Duration = Duration::from_millis(80);

async fn server(ping_timeout: Duration) -> Server {
    Server::with(|config| {
        config.engine.ping_interval = INTERVAL;
        config.engine.ping_timeout = ping_timeout;
    })
    .await
}

#[tokio::test]
async fn the_first_ping_comes_after_one_interval() {
    let server = server(PATIENT).await;
    let begun = Instant::now();
    let mut client = server.websocket("").await;
    client.next().await;
    for round in 1..=3 {
        assert_eq!(client.next().await, "2");
        assert!(begun.elapsed() >= INTERVAL * round, "ping {round} after {:?}", begun.elapsed());
        client.send("3").await;
    }
}

#[tokio::test]
async fn polling_carries_pings_too() {
    let server = server(PATIENT).await;
    let begun = Instant::now();
    let sid = server.open().await;
    for round in 1..=2 {
        assert_eq!(server.get(&sid).await, (200, "2".to_owned()));
        assert!(begun.elapsed() >= INTERVAL * round);
        assert_eq!(server.post(&sid, "3").await, (200, "ok".to_owned()));
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_closed() {
    let server = server(STRICT).await;
    let mut client = server.client().await;
    client.closed().await;
    server.logged("disconnect / ping timeout").await;
    server.empty().await;
}

#[tokio::test]
async fn a_polling_client_that_stays_away_is_forgotten() {
    let server = server(STRICT).await;
    let sid = server.enter().await;
    server.logged("disconnect / ping timeout").await;
    assert_eq!(server.get(&sid).await.0, 400);
    server.empty().await;
}

#[tokio::test]
async fn messages_are_no_pongs() {
    let server = server(STRICT).await;
    let mut client = server.client().await;
    client.send("42[\"m\"]").await;
    client.closed().await;
    server.logged("disconnect / ping timeout").await;
}

#[tokio::test]
async fn a_client_whose_pong_waits_behind_a_full_inbox_is_spared() {
    let timeout = Duration::from_millis(500);
    let server = Server::with(|config| {
        config.engine.ping_interval = INTERVAL;
        config.engine.ping_timeout = timeout;
        config.engine.inbox_messages = 2;
    })
    .await;
    let mut client = server.client().await;
    for _ in 0..5 {
        client.send("42[\"gate\"]").await;
    }
    assert_eq!(client.next().await, "2", "written while a handler waits");
    client.send("3").await;
    client.send("420[\"m\"]").await;
    // Well past the time at which the pong was due.
    let patience = Instant::now() + timeout * 3;
    server.until(|| Instant::now() > patience).await;
    server.gate.add_permits(5);
    loop {
        match client.next().await.as_str() {
            "2" => client.send("3").await,
            "430[]" => break,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn clients_may_not_ping() {
    let server = server(PATIENT).await;
    let mut client = server.client().await;
    client.send("2").await;
    client.closed().await;
    server.logged("disconnect / parse error").await;
}
