//! Large messages: the memory that those of all connections may take together.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::harness::{Client, Server, within};

const LARGEST: usize = 100_000;

/// Where the largest message takes all the memory that there is for large ones.
async fn tight() -> Server {
    Server::with(|config| {
        config.engine.max_payload = LARGEST;
        config.engine.max_payload_unestablished = 1_000;
        config.engine.max_large_bytes = 0;
    })
    .await
}

fn echo(size: usize) -> String {
    format!("42[\"m\",\"{}\"]", "x".repeat(size))
}

/// Begins a message of the largest size, and sends half of it.
async fn half(client: &mut Client) {
    let mut bytes = vec![0x81, 0x80 | 127];
    bytes.extend(u64::try_from(LARGEST).unwrap().to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(echo(LARGEST).into_bytes().into_iter().take(LARGEST / 2));
    within(client.socket.get_mut().write_all(&bytes)).await.unwrap();
}

/// The other half.
async fn rest(client: &mut Client) {
    let whole = echo(LARGEST - echo(0).len());
    within(client.socket.get_mut().write_all(&whole.as_bytes()[LARGEST / 2..])).await.unwrap();
}

/// Shows that a client is served, and that what it sent before is still waiting.
async fn is_served(client: &mut Client) {
    client.send("427[\"m\"]").await;
    assert_eq!(client.next().await, "437[]");
}

#[tokio::test]
async fn a_large_message_waits_for_those_of_others_and_a_small_one_does_not() {
    let server = tight().await;
    let (mut slow, mut other, mut bystander) =
        (server.client().await, server.client().await, server.client().await);
    half(&mut slow).await;
    // Its own answer says that the server has read so far.
    server.until(|| server.io.connections() == 3).await;
    is_served(&mut bystander).await;
    other.send("42[\"before\"]").await;
    other.send(&echo(5_000)).await;
    assert_eq!(other.next().await, "42[\"echo\"]");
    for _ in 0..50 {
        is_served(&mut bystander).await;
    }
    assert_eq!(other.socket.next().now_or_never().map(|_| ()), None, "there is no memory for it");
    rest(&mut slow).await;
    assert_eq!(slow.next().await.len(), "42[\"echo\",\"\"]".len() + LARGEST - echo(0).len());
    assert!(other.next().await.ends_with("x\"]"), "now there is");
}

#[tokio::test]
async fn a_client_that_breaks_off_or_stays_silent_gives_way() {
    let server = Server::with(|config| {
        config.engine.max_payload = LARGEST;
        config.engine.max_large_bytes = 0;
        config.engine.ping_interval = Duration::from_millis(50);
        config.engine.ping_timeout = Duration::from_millis(50);
    })
    .await;
    let mut broken = server.client().await;
    half(&mut broken).await;
    drop(broken);
    let mut silent = server.client().await;
    half(&mut silent).await;
    // In the middle of a message no pong can come.
    let mut client = server.websocket("").await;
    client.next().await;
    client.join("40").await;
    client.send(&echo(50_000)).await;
    loop {
        let packet = client.next().await;
        match packet.as_str() {
            "2" => client.send("3").await,
            _ => break assert!(packet.starts_with("42[\"echo\""), "{packet}"),
        }
    }
    silent.closed().await;
    server.logged("disconnect / ping timeout").await;
}

#[tokio::test]
async fn a_message_in_fragments_takes_its_share_too() {
    let server = tight().await;
    let (mut slow, mut other) = (server.client().await, server.client().await);
    for index in 0..20 {
        let (kind, text) = if index == 0 { (Data::Text, "42[\"m\",\"") } else { (Data::Continue, "") };
        let frame = Frame::message(format!("{text}{}", "y".repeat(100)), OpCode::Data(kind), false);
        slow.socket.send(Message::Frame(frame)).await.unwrap();
    }
    within(slow.socket.send(Message::Ping("are you there?".into()))).await.unwrap();
    assert!(within(slow.socket.next()).await.unwrap().unwrap().is_pong(), "all of them were read");
    other.send(&echo(5_000)).await;
    let mut bystander = server.client().await;
    for _ in 0..50 {
        is_served(&mut bystander).await;
    }
    assert_eq!(other.socket.next().now_or_never().map(|_| ()), None);
    let frame = Frame::message("\"]", OpCode::Data(Data::Continue), true);
    slow.socket.send(Message::Frame(frame)).await.unwrap();
    assert!(slow.next().await.ends_with("y\"]"));
    assert!(other.next().await.ends_with("x\"]"));
}

#[tokio::test]
async fn polling_requests_take_their_share() {
    let server = tight().await;
    let mut slow = server.client().await;
    half(&mut slow).await;
    let mut bystander = server.client().await;
    for head in ["", "transfer-encoding: chunked\r\n"] {
        let sid = server.enter().await;
        let mut request = server.stream().await;
        let query = format!("EIO=4&transport=polling&sid={sid}");
        let body = echo(5_000);
        let request_text = if head.is_empty() {
            format!(
                "POST /socket.io/?{query} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        } else {
            format!(
                "POST /socket.io/?{query} HTTP/1.1\r\nhost: t\r\n{head}\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            )
        };
        request.write_all(request_text.as_bytes()).await.unwrap();
        for _ in 0..50 {
            is_served(&mut bystander).await;
        }
        let mut answer = [0; 15];
        assert!(request.read_exact(&mut answer).now_or_never().is_none(), "there is no memory for it");
        if head.is_empty() {
            rest(&mut slow).await;
            slow.next().await;
        } else {
            drop(std::mem::replace(&mut slow, server.client().await));
        }
        within(request.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        assert!(server.get(&sid).await.1.ends_with("x\"]"));
        half(&mut slow).await;
    }
}

#[tokio::test]
async fn large_messages_one_after_another_all_pass() {
    let server = tight().await;
    let client = server.client().await;
    let sizes: Vec<usize> = (0..60).map(|index| [1, 2_000, 50_000, 990, 99_000][index % 5]).collect();
    let (mut sink, mut stream) = client.socket.split();
    let sending = async {
        for size in &sizes {
            sink.send(Message::text(echo(*size))).await.unwrap();
        }
    };
    let receiving = async {
        for size in &sizes {
            let text = within(stream.next()).await.unwrap().unwrap();
            assert_eq!(text.len(), echo(*size).len() + "echo".len() - 1);
        }
    };
    tokio::join!(sending, receiving);
    drop(sink.reunite(stream));
}

/// The limit of strangers is still in force when the parser of a moving session is given what comes behind the move.
#[tokio::test]
async fn a_large_message_right_behind_a_move_takes_its_share() {
    let server = tight().await;
    let (mut slow, mut bystander) = (server.client().await, server.client().await);
    half(&mut slow).await;
    is_served(&mut bystander).await;
    let sid = server.enter().await;
    let mut client = server.websocket(&format!("&sid={sid}")).await;
    client.send("2probe").await;
    assert_eq!(client.next().await, "3probe");
    let mut bytes = vec![0x81, 0x80 | 1, 0, 0, 0, 0, b'5'];
    let message = echo(5_000);
    bytes.extend([0x81, 0x80 | 126]);
    bytes.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(message.as_bytes());
    client.socket.get_mut().write_all(&bytes).await.unwrap();
    for _ in 0..50 {
        is_served(&mut bystander).await;
    }
    assert_eq!(client.socket.next().now_or_never().map(|_| ()), None, "there is no memory for it");
    rest(&mut slow).await;
    assert!(client.next().await.ends_with("x\"]"));
}

#[tokio::test]
async fn a_message_that_does_not_come_on_gives_its_memory_back() {
    let server = Server::with(|config| {
        config.engine.max_payload = LARGEST;
        config.engine.max_payload_unestablished = 1_000;
        config.engine.max_large_bytes = 0;
        config.engine.large_rate = 1_000_000;
        config.engine.large_grace = Duration::from_millis(100);
    })
    .await;
    let (mut slow, mut other) = (server.client().await, server.client().await);
    half(&mut slow).await;
    is_served(&mut other).await;
    other.send(&echo(5_000)).await;
    assert_eq!(slow.closing().await, Some((1008, "message too slow".to_owned())));
    assert!(other.next().await.ends_with("x\"]"));
    server.logged("disconnect / message too slow").await;
}

#[tokio::test]
async fn a_message_that_waits_for_memory_too_long_closes_its_connection() {
    let server = Server::with(|config| {
        config.engine.max_payload = LARGEST;
        config.engine.max_payload_unestablished = 1_000;
        config.engine.max_large_bytes = 0;
        config.engine.large_wait = Duration::from_millis(100);
    })
    .await;
    let (mut slow, mut other) = (server.client().await, server.client().await);
    half(&mut slow).await;
    is_served(&mut other).await;
    other.send(&echo(5_000)).await;
    assert_eq!(other.closing().await, Some((1013, "no room for a large message".to_owned())));
    let sid = server.enter().await;
    assert_eq!(server.post(&sid, &echo(5_000)).await.0, 503);
}

#[tokio::test]
async fn who_leaves_in_the_same_breath_sends_no_large_message() {
    let server = tight().await;
    let (mut leaving, mut other) = (server.client().await, server.client().await);
    let mut bytes = vec![0x81, 0x80 | 2, 0, 0, 0, 0, b'4', b'1', 0x81, 0x80 | 127];
    bytes.extend(u64::try_from(LARGEST).unwrap().to_be_bytes());
    bytes.extend([0; 4]);
    leaving.socket.get_mut().write_all(&bytes).await.unwrap();
    assert_eq!(leaving.closing().await, Some((1009, "message too large".to_owned())));
    other.send(&echo(5_000)).await;
    assert!(other.next().await.ends_with("x\"]"));
}
