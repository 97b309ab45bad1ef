//! Moving from polling to WebSocket.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::harness::{Client, Server, within};

async fn probe(server: &Server, sid: &str) -> Client {
    let mut client = server.websocket(&format!("&sid={sid}")).await;
    client.send("2probe").await;
    assert_eq!(client.next().await, "3probe");
    client
}

#[tokio::test]
async fn a_session_moves_with_everything_that_waits_for_it() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut client = probe(&server, &sid).await;
    server.post(&sid, "42[\"m\",1]\u{1e}42[\"m\",2]").await;
    client.send("5").await;
    client.send("42[\"m\",3]").await;
    for number in 1..=3 {
        assert_eq!(client.next().await, format!("42[\"echo\",{number}]"));
    }
    assert_eq!(server.io.connections(), 1);
}

#[tokio::test]
async fn a_waiting_poll_is_released() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut poll = server.begin("GET", &format!("EIO=4&transport=polling&sid={sid}"), "", "").await;
    let _client = probe(&server, &sid).await;
    let mut answer = String::new();
    within(poll.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n6"), "{answer}");
    assert_eq!(server.get(&sid).await, (200, "6".to_owned()), "a later one too");
}

#[tokio::test]
async fn requests_after_the_move_are_refused() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut client = probe(&server, &sid).await;
    client.send("5").await;
    client.send("420[\"m\"]").await;
    assert_eq!(client.next().await, "430[]");
    assert_eq!(server.get(&sid).await.0, 400);
    assert_eq!(server.post(&sid, "42[\"m\"]").await.0, 400);
    server.websocket(&format!("&sid={sid}")).await.closed().await;
    client.send("421[\"m\"]").await;
    assert_eq!(client.next().await, "431[]", "the session is unharmed");
}

#[tokio::test]
async fn a_poll_that_crosses_the_move_is_refused() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut client = server.websocket(&format!("&sid={sid}")).await;
    client.send("2probe").await;
    client.send("5").await;
    assert_eq!(server.get(&sid).await.0, 400);
}

#[tokio::test]
async fn only_one_websocket_may_try() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut first = probe(&server, &sid).await;
    server.websocket(&format!("&sid={sid}")).await.closed().await;
    first.send("5").await;
    first.send("420[\"m\"]").await;
    assert_eq!(first.next().await, "430[]");
}

#[tokio::test]
async fn a_failed_move_leaves_the_session_where_it_was() {
    let server = Server::start().await;
    let sid = server.enter().await;
    for wrong in ["2", "5", "4hello", "3probe", "garbage"] {
        let mut client = server.websocket(&format!("&sid={sid}")).await;
        client.send(wrong).await;
        client.closed().await;
    }
    drop(probe(&server, &sid).await);
    server.post(&sid, "420[\"m\"]").await;
    let mut answer = server.get(&sid).await;
    if answer.1 == "6" {
        answer = server.get(&sid).await;
    }
    assert_eq!(answer, (200, "430[]".to_owned()));
    // The broken attempts have given their claim back.
    let mut client = loop {
        let mut client = server.websocket(&format!("&sid={sid}")).await;
        client.send("2probe").await;
        let answer = within(futures_util::StreamExt::next(&mut client.socket)).await;
        if matches!(&answer, Some(Ok(message)) if message.is_text()) {
            break client;
        }
    };
    client.send("5").await;
    client.send("421[\"m\"]").await;
    assert_eq!(client.next().await, "431[]");
}

#[tokio::test]
async fn an_unfinished_move_times_out() {
    let server = Server::with(|config| config.engine.upgrade_timeout = Duration::from_millis(50)).await;
    let sid = server.enter().await;
    let mut silent = server.websocket(&format!("&sid={sid}")).await;
    silent.closed().await;
    let mut probed = probe(&server, &sid).await;
    probed.closed().await;
    server.post(&sid, "420[\"m\"]").await;
    assert_eq!(server.get(&sid).await.1, "430[]");
}

#[tokio::test]
async fn half_finished_moves_leak_nothing() {
    let server = Server::start().await;
    let mut kept = Vec::new();
    for number in 0..60 {
        let sid = server.open().await;
        let mut client = server.websocket(&format!("&sid={sid}")).await;
        if number % 2 == 0 {
            client.send("2probe").await;
        }
        if number % 3 == 0 {
            kept.push(client);
        }
        server.post(&sid, "1").await;
    }
    server.empty().await;
    for client in &mut kept {
        client.closed().await;
    }
    server.tasks.close();
    within(server.tasks.wait()).await;
}

#[tokio::test]
async fn another_protocol_version_is_refused() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let upgrade =
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for version in ["EIO=3&", ""] {
        let query = format!("{version}transport=websocket&sid={sid}");
        assert_eq!(server.request("GET", &query, upgrade, "").await.0, 400);
    }
    server.post(&sid, "420[\"m\"]").await;
    assert_eq!(server.get(&sid).await.1, "430[]", "the session is unharmed");
}

#[tokio::test]
async fn closing_ends_a_move() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut client = probe(&server, &sid).await;
    server.post(&sid, "42[\"close\"]").await;
    client.closed().await;
    server.logged("disconnect / told").await;
    server.get(&sid).await;
    server.empty().await;
}
