//! A client that sends more than it may has to wait, and nobody else does.

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use tidings_socketio::Config;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::harness::Server;

/// Twenty at once, and as many in 400 ms.
fn few(config: &mut Config) {
    config.engine.burst = 20;
    config.engine.burst_refill = Duration::from_millis(400);
}

#[tokio::test]
async fn a_burst_is_handled_at_once_and_a_flood_when_it_may_come() {
    let server = Server::with(few).await;
    let mut client = server.client().await;
    let begun = Instant::now();
    for number in 0..60 {
        client.send(&format!("42{number}[\"m\"]")).await;
    }
    for number in 0..60 {
        assert_eq!(client.next().await, format!("43{number}[]"));
    }
    // Twenty were free, and those after them had to wait.
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn others_are_served_meanwhile() {
    let server = Server::with(|config| {
        few(config);
        config.engine.burst_refill = Duration::from_hours(1);
    })
    .await;
    let mut flooder = server.client().await;
    for _ in 0..200 {
        flooder.send("42[\"flood\"]").await;
    }
    let mut client = server.client().await;
    client.send("420[\"m\"]").await;
    assert_eq!(client.next().await, "430[]");
    let handled = server.seen.log.lock().iter().filter(|line| line.starts_with("flood")).count();
    assert!(handled < 200, "the flood was over before anybody else could be served beside it");
}

#[tokio::test]
async fn a_client_that_never_stops_is_closed() {
    let server = Server::with(|config| {
        few(config);
        config.engine.flood_timeout = Duration::from_millis(100);
    })
    .await;
    let mut client = server.client().await;
    for _ in 0..500 {
        if client.socket.send(Message::text("42[\"flood\"]")).await.is_err() {
            break;
        }
    }
    client.closed().await;
    server.logged("disconnect / too many packets").await;
}

#[tokio::test]
async fn control_frames_and_heartbeats_cost_more_than_events() {
    for packet in [Message::Ping(Bytes::new()), Message::text("6"), Message::text("3")] {
        let server = Server::with(|config| {
            config.engine.burst = 100;
            config.engine.burst_refill = Duration::from_hours(1);
        })
        .await;
        let mut client = server.client().await;
        for _ in 0..7 {
            client.socket.send(packet.clone()).await.unwrap();
        }
        client.send("420[\"m\"]").await;
        // What stands behind them is not read for an hour.
        let mut other = server.client().await;
        other.send("420[\"other\"]").await;
        assert_eq!(other.next().await, "430[]");
        assert!(!server.seen.log.lock().iter().any(|line| line.starts_with("m ")));
    }
}

#[tokio::test]
async fn a_stranger_that_sends_more_than_a_little_is_closed() {
    for packet in [Message::Ping(Bytes::new()), Message::text("6"), Message::text("40/nowhere,")] {
        let server = Server::with(|config| config.max_refusals = 1_000).await;
        let mut client = server.websocket("").await;
        for _ in 0..1_000 {
            if client.socket.send(packet.clone()).await.is_err() {
                break;
            }
        }
        client.closed().await;
        server.empty().await;
    }
}

/// The parser reads on as long as a message is not complete, and each of its fragments costs it as much as a message.
#[tokio::test]
async fn a_message_of_endless_fragments_is_not_read_to_its_end() {
    let server = Server::start().await;
    let mut client = server.websocket("").await;
    let first = Frame::message("4", OpCode::Data(Data::Text), false);
    client.socket.send(Message::Frame(first)).await.unwrap();
    // Empty fragments with a mask, as they are on the wire.
    let fragments = [0_u8, 0x80, 0, 0, 0, 0].repeat(10_000);
    for _ in 0..1_000 {
        if client.socket.get_mut().write_all(&fragments).await.is_err() {
            break;
        }
    }
    client.closed().await;
    server.empty().await;
}

#[tokio::test]
async fn who_is_closed_and_goes_on_sending_is_not_heard_out() {
    let server = Server::with(|config| config.engine.close_timeout = Duration::from_hours(1)).await;
    let mut client = server.client().await;
    client.send("42[\"close\"]").await;
    let pings = [0x89_u8, 0x80, 0, 0, 0, 0].repeat(10_000);
    while client.socket.get_mut().write_all(&pings).await.is_ok() {}
    server.empty().await;
}

#[tokio::test]
async fn requests_of_a_polling_client_are_answered_when_they_may_come() {
    let server = Server::with(few).await;
    let sid = server.enter().await;
    let begun = Instant::now();
    for body in ["", "", "6", ""] {
        assert_eq!(server.post(&sid, body).await, (200, "ok".to_owned()));
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_session_is_not_moved_over_and_over() {
    let server = Server::with(|config| config.engine.max_upgrades = 2).await;
    let sid = server.enter().await;
    for _ in 0..2 {
        drop(server.websocket(&format!("&sid={sid}")).await);
    }
    let upgrade =
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let (status, body) =
        server.request("GET", &query, &format!("connection: upgrade\r\n{upgrade}"), "").await;
    assert_eq!((status, body.as_str()), (400, "{\"code\":3,\"message\":\"Bad request\"}"));
    assert_eq!(server.post(&sid, "420[\"m\"]").await.0, 200);
    assert_eq!(server.get(&sid).await, (200, "430[]".to_owned()));
}
