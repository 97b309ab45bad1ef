//! Whatever a client does, it costs a bounded amount and hurts nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::harness::{Server, within};

async fn small() -> Server {
    Server::with(|config| {
        config.engine.max_payload = 1000;
        config.engine.max_payload_unestablished = 200;
        config.max_attachments = 2;
        config.max_attachment_bytes = 100;
        config.max_depth = 4;
        config.max_args = 3;
        config.max_namespaces = 2;
        config.max_refusals = 3;
    })
    .await
}

#[tokio::test]
async fn a_message_over_the_limit_closes_a_websocket() {
    let server = small().await;
    let mut client = server.client().await;
    let fits = format!("42[\"m\",\"{}\"]", "x".repeat(900));
    client.send(&fits).await;
    assert!(client.next().await.starts_with("42[\"echo\""));
    client.send(&format!("42[\"m\",\"{}\"]", "x".repeat(1000))).await;
    assert_eq!(client.closing().await, Some((1009, "message too large".to_owned())));
    server.logged("disconnect / message too large").await;
}

/// After an error the parser must not be asked again: what the peer still sends is read past it.
#[tokio::test]
async fn a_giant_message_is_read_past_the_parser() {
    // A panic ends only the connection's own task, so it would go unseen.
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|at| at.file().contains("tungstenite")) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
        usual(panic);
    }));
    let server = small().await;
    for size in [1_001, 1_100, 5_000, 70_000, 3_000_000] {
        let mut client = server.client().await;
        // The server may have closed before all of it is written.
        drop(client.socket.send(Message::text(format!("42[\"m\",\"{}\"]", "x".repeat(size)))).await);
        client.closed().await;
        server.empty().await;
    }
    server.logged("disconnect / message too large").await;
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn fragments_add_up_to_the_limit() {
    let server = small().await;
    let mut client = server.client().await;
    for number in 0..2000 {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message("4", OpCode::Data(kind), false);
        if client.socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    client.closed().await;
    server.logged("disconnect / message too large").await;
}

#[tokio::test]
async fn a_post_over_the_limit_is_refused_unread() {
    let server = small().await;
    let sid = server.enter().await;
    let large = format!("42[\"first\"]\u{1e}42[\"m\",\"{}\"]", "x".repeat(1000));
    assert_eq!(server.post(&sid, &large).await.0, 413);
    assert_eq!(server.get(&sid).await.0, 400);
    server.logged("disconnect / message too large").await;
    assert!(
        !server.seen.log.lock().iter().any(|line| line.starts_with("first")),
        "all of a request or nothing"
    );

    let sid = server.enter().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..3 {
        let chunk = format!("190\r\n{}\r\n", "4".repeat(400));
        drop(stream.write_all(chunk.as_bytes()).await);
    }
    let mut status = [0; 12];
    within(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    server.logged("disconnect / message too large").await;
    server.empty().await;
}

#[tokio::test]
async fn strangers_get_less() {
    let server = small().await;
    let mut client = server.websocket("").await;
    client.next().await;
    client.send(&format!("40{{\"token\":\"{}\"}}", "x".repeat(300))).await;
    client.closed().await;
    let sid = server.open().await;
    assert_eq!(server.post(&sid, &format!("40{{\"token\":\"{}\"}}", "x".repeat(300))).await.0, 413);
    let mut client = server.websocket("").await;
    client.next().await;
    client.send("451-[\"m\"]").await;
    client.closed().await;
    server.empty().await;
}

#[tokio::test]
async fn who_enters_no_namespace_must_go() {
    let server = Server::with(|config| config.engine.connect_timeout = Some(Duration::from_millis(60))).await;
    let begun = Instant::now();
    let mut stranger = server.websocket("").await;
    stranger.next().await;
    let mut member = server.client().await;
    stranger.closed().await;
    assert!(begun.elapsed() >= Duration::from_millis(60));
    member.send("420[\"m\"]").await;
    assert_eq!(member.next().await, "430[]");
    member.send("41").await;
    member.closed().await;
    let sid = server.open().await;
    assert_eq!(server.get(&sid).await, (200, "1".to_owned()));
    server.empty().await;
}

#[tokio::test]
async fn attachments_are_limited_before_they_come() {
    let server = small().await;
    for packet in ["453-[\"m\"]", "4551999999-[\"m\"]", "4518446744073709551616-[\"m\"]"] {
        let mut client = server.client().await;
        client.send(packet).await;
        client.closed().await;
    }
    let mut client = server.client().await;
    client.send("452-[\"m\"]").await;
    client.send_bytes(&[0; 60]).await;
    client.send_bytes(&[0; 60]).await;
    client.closed().await;
    server.empty().await;
}

#[tokio::test]
async fn attachments_can_be_switched_off() {
    let server = Server::with(|config| config.max_attachments = 0).await;
    for packet in ["451-[\"m\"]", "450-[\"m\"]", "461-0[]"] {
        let mut client = server.client().await;
        client.send(packet).await;
        client.closed().await;
    }
    server.logged("disconnect / parse error").await;
}

#[tokio::test]
async fn too_deep_or_too_many_arguments_are_withheld_and_can_be_answered() {
    let server = small().await;
    let mut client = server.client().await;
    client.send("420[\"m\",[[[]]]]").await;
    assert_eq!(client.next().await, "430[[[[]]]]");
    client.send("42[\"text\",[[[[]]]]]").await;
    assert_eq!(client.next().await, "42[\"text\",\"the arguments are nested too deeply\"]");
    client.send("42[\"text\",1,2,3,4]").await;
    assert_eq!(client.next().await, "42[\"text\",\"the arguments are too many arguments\"]");
    client.send("421[\"m\",1,2,3]").await;
    assert_eq!(client.next().await, "431[1,2,3]");
}

#[tokio::test]
async fn a_very_deep_message_does_no_harm() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let deep = format!("42[\"text\",{}{}]", "[".repeat(400_000), "]".repeat(400_000));
    client.send(&deep).await;
    assert_eq!(client.next().await, "42[\"text\",\"the arguments are nested too deeply\"]");
}

#[tokio::test]
async fn namespaces_are_limited() {
    let server = small().await;
    let mut client = server.client().await;
    client.join("40/room1,").await;
    client.send("40/room2,").await;
    client.closed().await;
    let mut client = server.websocket("").await;
    client.next().await;
    for _ in 0..4 {
        client.send("40/nowhere,").await;
        assert!(client.next().await.starts_with("44/nowhere,"));
    }
    client.closed().await;
    for name in [format!("/{}", "n".repeat(128)), "/a\u{7}".to_owned()] {
        let mut client = server.client().await;
        client.send(&format!("40{name},")).await;
        client.closed().await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_refused() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let frame = Frame::message(vec![b'4', 0xed, 0xa0, 0x80], OpCode::Data(Data::Text), true);
    client.socket.send(Message::Frame(frame)).await.unwrap();
    client.closed().await;
    server.logged("disconnect / parse error").await;
}

#[tokio::test]
async fn garbage_after_the_handshake_ends_only_that_connection() {
    let server = Server::start().await;
    let mut bystander = server.client().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let garbage = prop::collection::vec(any::<u8>(), 1..200);
    for _ in 0..100 {
        let bytes = garbage.new_tree(&mut runner).unwrap().current();
        let mut stream = server.client().await.socket;
        drop(stream.get_mut().write_all(&bytes).await);
        drop(stream);
        let query: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        server.request("GET", &format!("EIO=4&transport={query}&sid={query}"), "", "").await;
        server.request("GET", &format!("{query}&EIO=4&transport=polling&sid={query}"), "", "").await;
    }
    server.until(|| server.io.connections() == 1).await;
    bystander.send("420[\"m\"]").await;
    assert_eq!(bystander.next().await, "430[]");
}
