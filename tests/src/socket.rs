//! A small blocking Socket.IO client over WebSocket, for tests that count and kill: it does one thing at a time and
//! lets its test see every packet. What stock clients see is tested with stock clients.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::DEADLINE;
use crate::users::User;

const NAMESPACE: &str = "/messaging";

/// What came in.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An event: its name and its first argument.
    Event(String, Value),
    /// The answer to an emit, by the number that [`Socket::emit`] gave: its first argument.
    Ack(u64, Value),
}

/// One connection of one user.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocket<TcpStream>,
    emitted: u64,
    put_back: VecDeque<Heard>,
}

impl Socket {
    /// Connects and waits until the server has said `connected`.
    ///
    /// # Errors
    /// When it does not, within the deadline.
    pub fn connect(address: SocketAddr, user: &User) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = tungstenite::client(url, stream).context("the WebSocket handshake")?;
        let mut socket = Self { stream, emitted: 0, put_back: VecDeque::new() };
        let open = socket.frame()?;
        ensure!(open.starts_with("0{"), "not an Engine.IO open packet: {open}");
        socket.write(format!("40{NAMESPACE},{}", json!({ "token": user.token })))?;
        let connect = socket.frame()?;
        ensure!(connect.starts_with(&format!("40{NAMESPACE},{{")), "not connected: {connect}");
        socket.until(|heard| matches!(heard, Heard::Event(name, _) if name == "connected"))?;
        Ok(socket)
    }

    /// Emits an event with one argument and asks for an ack; its number is the answer's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn emit(&mut self, event: &str, argument: &Value) -> anyhow::Result<u64> {
        self.emitted += 1;
        let id = self.emitted;
        self.write(format!("42{NAMESPACE},{id}{}", json!([event, argument])))?;
        Ok(id)
    }

    /// The next packet.
    ///
    /// # Errors
    /// When none comes within the deadline, or the connection ends.
    pub fn hear(&mut self) -> anyhow::Result<Heard> {
        match self.put_back.pop_front() {
            Some(heard) => Ok(heard),
            None => self.incoming(),
        }
    }

    /// The next packet that `wanted` accepts. The ones before it are kept for later calls, in their order.
    ///
    /// # Errors
    /// When none comes within the deadline, or the connection ends.
    pub fn until(&mut self, wanted: impl Fn(&Heard) -> bool) -> anyhow::Result<Heard> {
        if let Some(at) = self.put_back.iter().position(&wanted)
            && let Some(found) = self.put_back.remove(at)
        {
            return Ok(found);
        }
        loop {
            let heard = self.incoming()?;
            if wanted(&heard) {
                return Ok(heard);
            }
            self.put_back.push_back(heard);
        }
    }

    /// The ack of the emit with this number.
    ///
    /// # Errors
    /// When none comes within the deadline, or the connection ends.
    pub fn ack(&mut self, id: u64) -> anyhow::Result<Value> {
        match self.until(|heard| matches!(heard, Heard::Ack(of, _) if *of == id))? {
            Heard::Ack(_, answer) => Ok(answer),
            Heard::Event(name, _) => bail!("{name} is not an ack"),
        }
    }

    fn incoming(&mut self) -> anyhow::Result<Heard> {
        let frame = self.frame()?;
        let (kind, rest) = frame.split_at_checked(2).context("an empty packet")?;
        let packet = rest.strip_prefix(NAMESPACE).and_then(|rest| rest.strip_prefix(','));
        let packet = packet.with_context(|| format!("not of this namespace: {frame}"))?;
        let digits = packet.find(|c: char| !c.is_ascii_digit()).unwrap_or(packet.len());
        let (id, arguments) = packet.split_at(digits);
        let mut arguments: VecDeque<Value> =
            serde_json::from_str(arguments).with_context(|| format!("odd arguments: {frame}"))?;
        let mut next = || arguments.pop_front().unwrap_or_default();
        match kind {
            "42" => Ok(Heard::Event(next().as_str().context("an event without a name")?.to_owned(), next())),
            "43" => Ok(Heard::Ack(id.parse().context("an ack without a number")?, next())),
            _ => bail!("the server sent {frame}"),
        }
    }

    /// The next frame that is not a ping.
    fn frame(&mut self) -> anyhow::Result<String> {
        loop {
            match self.stream.read().context("reading the socket")? {
                Message::Text(text) if text.as_str() == "2" => self.write("3".to_owned())?,
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(reason) => bail!("the server closed the socket: {reason:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn write(&mut self, frame: String) -> anyhow::Result<()> {
        self.stream.send(Message::text(frame)).context("writing to the socket")
    }
}
