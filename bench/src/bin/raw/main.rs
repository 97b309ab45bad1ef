//! The limit: what a server could reach that did nothing but pass frames on.
//!
//! One thread, epoll, frames encoded before anything begins, no JSON on the way. A `typing` event becomes the ready-made
//! frames of its sender for the other members of the thread, a `sendMessage` the thread's one ready-made `newMessage`
//! for everybody in it and a bare acknowledgement. What it needs to know of an event it finds by position, which means
//! that `threadId` comes first in a payload and `isTyping` last.
#![expect(clippy::print_stdout, reason = "it tells its parent that it listens")]

mod packet;
mod sockets;

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;

use packet::{ID_BYTES, Said, acknowledgement, event, frame, recognise, take_frame};
use sockets::{Seat, Sockets};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from the kernel in one turn.
const EVENTS: usize = 1024;
/// The largest request or frame of a client, in bytes.
const INPUT_BYTES_MAX: usize = 64 * 1024;
/// How often clients are pinged.
const PING_EVERY: Duration = Duration::from_secs(25);
/// The listener's place among the sockets.
const LISTENER: u64 = u64::MAX;

#[derive(Debug, Parser)]
struct Options {
    /// Whether the frames for one socket within one turn leave in one write.
    #[arg(long, value_enum, default_value = "yes")]
    coalesce: YesNo,
    #[arg(long, env = "PORT")]
    port: u16,
    /// The threads' JSON.
    #[arg(long, env = "FIXTURE")]
    fixture: PathBuf,
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    secret: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Deserialize)]
struct Planned {
    id: String,
    members: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    role: String,
}

#[derive(Debug)]
struct Thread {
    id: String,
    members: Vec<String>,
    /// The places of the sockets that joined it.
    joined: Vec<usize>,
    new_message: Vec<u8>,
}

#[derive(Debug)]
struct Server {
    sockets: Sockets,
    threads: Vec<Thread>,
    by_id: HashMap<[u8; ID_BYTES], usize>,
    key: Key,
}

/// What opens tokens.
struct Key(DecodingKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Server {
    /// Takes what a socket sent; `false` when it is done with.
    fn receive(&mut self, place: usize, buffer: &mut [u8]) -> bool {
        let Some(socket) = self.sockets.at(place) else { return true };
        let read = match socket.stream.read(buffer) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        let Some(read) = buffer.get_mut(..read) else { return false };
        if socket.input.is_empty() {
            return self.take_all(place, read).is_ok();
        }
        let mut input = std::mem::take(&mut socket.input);
        input.extend_from_slice(read);
        self.take_all(place, &mut input).is_ok()
    }

    fn take_all(&mut self, place: usize, mut input: &mut [u8]) -> anyhow::Result<()> {
        if self.sockets.at(place).is_some_and(|socket| !socket.upgraded) {
            let Some(end) = input.windows(4).position(|at| at == b"\r\n\r\n") else {
                return self.keep(place, input);
            };
            let (head, rest) = input.split_at_mut(end + 4);
            self.upgrade(place, head)?;
            input = rest;
        }
        while let Some((opcode, end, text)) = take_frame(input)? {
            match opcode {
                1 => self.act(place, text)?,
                8 => bail!("the client closes"),
                _ => {}
            }
            input = input.get_mut(end..).unwrap_or_default();
        }
        self.keep(place, input)
    }

    /// Keeps the beginning of a frame for when the rest is here.
    fn keep(&mut self, place: usize, input: &[u8]) -> anyhow::Result<()> {
        ensure!(input.len() <= INPUT_BYTES_MAX, "the client's frame does not end");
        if let Some(socket) = self.sockets.at(place) {
            socket.input.extend_from_slice(input);
        }
        Ok(())
    }

    fn upgrade(&mut self, place: usize, head: &[u8]) -> anyhow::Result<()> {
        let head = std::str::from_utf8(head)?;
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        let key = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
        let (_, key) = key.context("not a WebSocket's request")?;
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.trim().as_bytes())
        );
        let session = json!({ "sid": format!("raw-{place}"), "upgrades": [], "pingInterval": PING_EVERY.as_millis(),
            "pingTimeout": 20_000, "maxPayload": INPUT_BYTES_MAX });
        self.sockets.give(place, answer.as_bytes());
        self.sockets.give(place, &frame(format!("0{session}").as_bytes()));
        if let Some(socket) = self.sockets.at(place) {
            socket.upgraded = true;
        }
        Ok(())
    }

    fn act(&mut self, place: usize, text: &[u8]) -> anyhow::Result<()> {
        let Self { sockets, threads, by_id, .. } = self;
        match recognise(text) {
            Said::Typing(id, is_typing) => {
                let Some((number, thread)) = by_id.get(id).and_then(|at| Some((*at, threads.get(*at)?)))
                else {
                    return Ok(());
                };
                let seat = sockets
                    .at(place)
                    .and_then(|socket| socket.seats.iter().find(|seat| seat.thread == number));
                let Some(seat) = seat else { return Ok(()) };
                let heard = Rc::clone(if is_typing { &seat.typing } else { &seat.not_typing });
                for other in thread.joined.iter().filter(|other| **other != place) {
                    sockets.give(*other, &heard);
                }
            }
            Said::Send(ack, id) => {
                let thread = by_id.get(id).and_then(|at| threads.get(*at));
                if let Some(thread) = thread {
                    for member in &thread.joined {
                        sockets.give(*member, &thread.new_message);
                    }
                }
                sockets.give(place, &acknowledgement(ack, thread.is_some()));
            }
            Said::Join(ack, id) => {
                let joined = self.join(place, id).is_some();
                self.sockets.give(place, &acknowledgement(ack, joined));
            }
            Said::Leave(ack, id) => {
                if let Some(number) = by_id.get(id).copied() {
                    self.leave(place, |thread| thread == number);
                }
                self.sockets.give(place, &acknowledgement(ack, true));
            }
            Said::Connect(auth) => self.connect(place, auth)?,
            Said::Other => {}
        }
        Ok(())
    }

    fn connect(&mut self, place: usize, auth: &[u8]) -> anyhow::Result<()> {
        let auth: Value = serde_json::from_slice(auth)?;
        let token = auth.get("token").and_then(Value::as_str).context("no token")?;
        let checks = Validation::new(Algorithm::HS256);
        let Claims { sub, role } = jsonwebtoken::decode(token, &self.key.0, &checks)?.claims;
        let welcome = json!({ "userId": sub, "role": role, "message": "Connected to messaging" });
        let session = json!({ "sid": format!("raw-{place}") });
        self.sockets.give(place, &frame(format!("40/messaging,{session}").as_bytes()));
        self.sockets.give(place, &event("connected", &welcome));
        if let Some(socket) = self.sockets.at(place) {
            socket.user = Some(sub);
        }
        Ok(())
    }

    fn join(&mut self, place: usize, id: &[u8; ID_BYTES]) -> Option<()> {
        let number = *self.by_id.get(id)?;
        let thread = self.threads.get_mut(number)?;
        let socket = self.sockets.at(place)?;
        let user = socket.user.as_ref().filter(|user| thread.members.contains(user))?;
        if !thread.joined.contains(&place) {
            let typing = |is: bool| {
                Rc::from(event(
                    "userTyping",
                    &json!({ "threadId": thread.id, "userId": user, "isTyping": is }),
                ))
            };
            socket.seats.push(Seat { thread: number, typing: typing(true), not_typing: typing(false) });
            thread.joined.push(place);
        }
        Some(())
    }

    fn leave(&mut self, place: usize, is: impl Fn(usize) -> bool) {
        let Some(socket) = self.sockets.at(place) else { return };
        for seat in socket.seats.extract_if(.., |seat| is(seat.thread)) {
            if let Some(thread) = self.threads.get_mut(seat.thread) {
                thread.joined.retain(|joined| *joined != place);
            }
        }
    }

    fn close(&mut self, place: usize) {
        self.leave(place, |_| true);
        self.sockets.dismiss(place);
    }

    fn serve(&mut self, listener: &TcpListener) -> anyhow::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        let mut next_ping = Instant::now() + PING_EVERY;
        loop {
            let rest = Timespec::try_from(next_ping.saturating_duration_since(Instant::now()))?;
            events.clear();
            match epoll::wait(self.sockets.epoll(), spare_capacity(&mut events), Some(&rest)) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            for event in &events {
                let (flags, data) = (event.flags, event.data.u64());
                if data == LISTENER {
                    while let Ok((stream, _)) = listener.accept() {
                        self.sockets.admit(stream)?;
                    }
                    continue;
                }
                let place = usize::try_from(data)?;
                if flags.contains(epoll::EventFlags::OUT) {
                    self.sockets.resume(place);
                }
                if flags != epoll::EventFlags::OUT && !self.receive(place, &mut buffer) {
                    self.close(place);
                }
            }
            if Instant::now() >= next_ping {
                next_ping += PING_EVERY;
                self.sockets.places().for_each(|place| self.sockets.give(place, &frame(b"2")));
            }
            for place in self.sockets.settle()? {
                self.close(place);
            }
        }
    }
}

fn thread(Planned { id, members }: Planned) -> Thread {
    const WRITTEN: &str = "2025-01-01T00:00:00.000Z";
    let sender = members.first();
    let new_message = event(
        "newMessage",
        &json!({ "id": id, "threadId": id, "senderId": sender, "senderType": "ADVERTISER", "content": "x".repeat(180),
            "isRead": false, "createdAt": WRITTEN, "updatedAt": WRITTEN, "seq": 1,
            "sender": { "id": sender, "username": sender, "profilePictureUrl": null } }),
    );
    Thread { id, members, joined: Vec::new(), new_message }
}

fn main() -> anyhow::Result<()> {
    let Options { coalesce, port, fixture, secret } = Options::parse();
    let planned: Vec<Planned> = serde_json::from_slice(&std::fs::read(fixture)?)?;
    let threads: Vec<Thread> = planned.into_iter().map(thread).collect();
    let id = |thread: &Thread| thread.id.as_bytes().first_chunk().copied();
    let by_id =
        threads.iter().enumerate().filter_map(|(number, thread)| Some((id(thread)?, number))).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let sockets = Sockets::new(epoll, coalesce == YesNo::Yes);
    let key = Key(DecodingKey::from_secret(secret.as_bytes()));
    println!("listening");
    Server { sockets, threads, by_id, key }.serve(&listener)
}
