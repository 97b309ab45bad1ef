//! Bytes on the HTTP port that no client sends. Whatever comes back, the server goes on for everybody else.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_tests::{DEADLINE, Data, Heard, Rest, Server, Socket, Store, Users, raw};

/// Two who chat over sockets that were there before the trouble began.
struct Bystanders {
    alice: Socket,
    bob: Socket,
    thread: String,
    sent: u32,
}

impl Bystanders {
    fn meet(server: &Server, users: &Users) -> anyhow::Result<Self> {
        let thread = open_thread(server, users)?;
        let alice = Socket::connect(server.address(), &users.alice)?;
        let bob = Socket::connect(server.address(), &users.bob)?;
        Ok(Self { alice, bob, thread, sent: 0 })
    }

    fn chat(&mut self) -> anyhow::Result<()> {
        self.sent += 1;
        let content = format!("unharmed {}", self.sent);
        let id = self.alice.emit("sendMessage", &json!({ "threadId": self.thread, "content": content }))?;
        let ack = self.alice.ack(id)?;
        ensure!(ack["success"] == true, "{ack}");
        self.bob.until(
            |heard| matches!(heard, Heard::Event(name, message) if name == "newMessage" && message["content"] == content.as_str()),
        )?;
        Ok(())
    }
}

fn open_thread(server: &Server, users: &Users) -> anyhow::Result<String> {
    let asked =
        json!({ "campaignId": "garbage", "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let opened = Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?;
    ensure!(opened.status == 201, "{opened:?}");
    Ok(opened.json()?["id"].as_str().context("a thread without an id")?.to_owned())
}

#[test]
fn garbage_is_answered_or_hung_up_on() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let server = Server::start(&data)?;
    let mut bystanders = Bystanders::meet(&server, &users)?;
    let long = "x".repeat(200_000);
    let texts = [
        "\r\n\r\n".to_owned(),
        "hello\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /messaging/threads HTTP/1.1\r\n\r\n".to_owned(),
        "GET /messaging/threads HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n".to_owned(),
        "GET /messaging/threads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \u{0}\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(5_000)),
        format!("{long}\r\n\r\n"),
        "POST /messaging/threads HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /messaging/threads HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
        "POST /messaging/threads HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_owned(),
        "POST /messaging/threads HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 1\r\nsec-websocket-key: x\r\n\r\n"
            .to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for text in &texts {
        // With nothing more to come: a request that is not whole must not be waited for once its sender has hung up.
        let answer = say(&server, text.as_bytes())?;
        let shown = text.chars().take(60).collect::<String>();
        let head = String::from_utf8_lossy(answer.get(..12).unwrap_or_default()).into_owned();
        ensure!(
            answer.is_empty() || head.starts_with("HTTP/1.1 4") || head.starts_with("HTTP/1.0 4"),
            "{shown:?} was answered {head:?}"
        );
    }
    bystanders.chat()?;
    for seed in 0..64_u64 {
        say(&server, &noise(seed, 4_096))?;
    }
    // A TLS greeting, as a client sends that was told https.
    say(&server, &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])?;
    bystanders.chat()?;
    server.unshaken()
}

/// Writes all of it, closes that half and reads to the end.
fn say(server: &Server, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server.address(), DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    // The server may answer and hang up in the middle of a long one.
    let _written = stream.write_all(bytes);
    let _closed = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            anyhow::bail!("the server neither answers nor hangs up on {} bytes", bytes.len())
        }
        Ok(_) | Err(_) => Ok(answer),
    }
}

/// Bytes that look like nothing, the same for a seed each time (a linear congruential generator).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn many_half_open_connections_hold_nobody_up() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let server = Server::start(&data)?;
    let mut bystanders = Bystanders::meet(&server, &users)?;
    let mut half_open = Vec::new();
    for at in 0..200 {
        let mut stream = TcpStream::connect_timeout(&server.address(), DEADLINE)?;
        let begun: &[u8] = match at % 4 {
            0 => b"",
            1 => b"GET /messaging/threads HTTP/1.1\r\nhost:",
            2 => b"POST /messaging/threads HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
            _ => b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        stream.write_all(begun)?;
        half_open.push(stream);
    }
    bystanders.chat()?;
    drop(half_open);
    bystanders.chat()?;
    server.unshaken()
}

/// A client that is still writing when it is refused must be let finish, within reason: a connection that is closed
/// over unread bytes is reset, and most clients then never see the answer.
#[test]
fn a_body_that_is_too_large_is_refused_without_a_reset() -> anyhow::Result<()> {
    const BODY: usize = 2_000_000;
    let users = Users::mint()?;
    let data = Data::new(Store::Memory)?;
    let server = Server::start(&data)?;
    let mut stream = TcpStream::connect_timeout(&server.address(), DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let head = format!(
        "POST /messaging/threads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {BODY}\r\n\r\n",
        users.alice.token
    );
    stream.write_all(head.as_bytes())?;
    let first = BODY / 2;
    stream.write_all(&vec![b' '; first])?;
    // The answer may come now or at the end; if it comes now, the rest is written after it.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    let _early = stream.peek(&mut [0]);
    stream.set_read_timeout(Some(DEADLINE))?;
    for chunk in vec![b' '; BODY - first].chunks(16 * 1024) {
        stream.write_all(chunk).context("the server hung up on a client that was still writing")?;
    }
    let mut status = [0; 12];
    stream.read_exact(&mut status).context("no answer")?;
    ensure!(&status == b"HTTP/1.1 413", "{}", String::from_utf8_lossy(&status));
    Ok(())
}

#[test]
fn a_pipelined_and_a_kept_connection_are_served() -> anyhow::Result<()> {
    let data = Data::new(Store::Memory)?;
    let server = Server::start(&data)?;
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = raw(server.address(), format!("{request}{request}{last}").as_bytes())?;
    let served = String::from_utf8_lossy(&answer).matches("HTTP/1.1 200").count();
    assert_eq!(served, 3, "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
