//! A Socket.IO client over WebSocket, as small as can be.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidings_domain::id::ThreadId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Ws = WebSocketStream<Box<dyn Io>>;

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packet {
    /// The client is in.
    Accepted,
    /// An event and its first argument.
    Event(String, Value),
    /// The answer to the event with this id.
    Ack(u64, Value),
    /// The namespace is closed to it.
    Disconnected,
    /// It may not come in.
    Refused(Value),
    /// The connection has ended.
    Closed,
}

impl Packet {
    fn parse(text: &str, namespace: &str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(2)?;
        let rest = rest.strip_prefix(namespace).map(|rest| rest.strip_prefix(',').unwrap_or(rest))?;
        let (id, json) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        Some(match kind {
            "40" => Self::Accepted,
            "41" => Self::Disconnected,
            "42" => Self::Event(value[0].as_str()?.to_owned(), value[1].clone()),
            "43" => Self::Ack(id.parse().ok()?, value[0].clone()),
            "44" => Self::Refused(value),
            _ => return None,
        })
    }

    /// The seq, if it is a new message.
    pub(crate) fn seq(&self) -> Option<u64> {
        match self {
            Self::Event(name, message) if name == "newMessage" => message["seq"].as_u64(),
            _ => None,
        }
    }

    pub(crate) fn is_event(&self, event: &str) -> bool {
        matches!(self, Self::Event(name, _) if name == event)
    }
}

pub(crate) struct Client {
    sink: SplitSink<Ws, Message>,
    /// Not read until the client listens.
    unread: Option<SplitStream<Ws>>,
    heard: mpsc::UnboundedReceiver<Packet>,
    hears: mpsc::UnboundedSender<Packet>,
    namespace: &'static str,
    next_ack: u64,
    /// The connection breaks off when the client is dropped.
    held: CancellationToken,
    _hold: DropGuard,
}

impl Client {
    /// Opens the transport and asks to enter a namespace; sees nothing of what comes then, not even whether it is in.
    pub(crate) async fn deaf(io: Box<dyn Io>, namespace: &'static str, token: &str) -> Self {
        let url = "ws://tidings.test/socket.io/?EIO=4&transport=websocket";
        let (ws, _) = tokio_tungstenite::client_async(url, io).await.expect("the transport opens");
        let (mut sink, mut stream) = ws.split();
        let open = stream.next().await.expect("a packet").expect("no error");
        assert!(open.to_text().expect("text").starts_with("0{"), "{open}");
        let connect = format!("40{namespace},{}", json!({ "token": token }));
        sink.send(Message::text(connect)).await.expect("it is sent");
        let (hears, heard) = mpsc::unbounded_channel();
        let held = CancellationToken::new();
        let hold = held.clone().drop_guard();
        Self { sink, unread: Some(stream), heard, hears, namespace, next_ack: 0, held, _hold: hold }
    }

    /// Begins to read.
    pub(crate) fn listen(&mut self, tasks: &TaskTracker) {
        let Some(mut stream) = self.unread.take() else { return };
        let (hears, namespace, held) = (self.hears.clone(), self.namespace, self.held.clone());
        tasks.spawn(async move {
            while let Some(Some(Ok(message))) = held.run_until_cancelled(stream.next()).await {
                let Some(packet) = message.to_text().ok().and_then(|text| Packet::parse(text, namespace))
                else {
                    continue;
                };
                if hears.send(packet).is_err() {
                    return;
                }
            }
            drop(hears.send(Packet::Closed));
        });
    }

    pub(crate) async fn say(&mut self, packet: String) {
        // A connection that has ended says so when it is read.
        drop(self.sink.send(Message::text(packet)).await);
    }

    pub(crate) async fn emit(&mut self, event: &str, payload: &Value) {
        let packet = format!("42{},{}", self.namespace, json!([event, payload]));
        self.say(packet).await;
    }

    /// Emits with a callback; gives the id of its answer.
    pub(crate) async fn ask(&mut self, event: &str, payload: &Value) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        let packet = format!("42{},{id}{}", self.namespace, json!([event, payload]));
        self.say(packet).await;
        id
    }

    /// Leaves the namespace.
    pub(crate) async fn leave(&mut self) {
        let packet = format!("41{},", self.namespace);
        self.say(packet).await;
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Packet {
        let next = timeout(DEADLINE, self.heard.recv()).await.expect("something comes in time");
        next.unwrap_or(Packet::Closed)
    }

    /// The payload of the next event of this name; what comes before it is passed over.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        loop {
            match self.next().await {
                Packet::Event(name, payload) if name == event => return payload,
                Packet::Closed => unreachable!("closed while waiting for {event}"),
                _ => {}
            }
        }
    }

    /// The answer to an event, and everything that came before it.
    pub(crate) async fn answer(&mut self, asked: u64) -> (Value, Vec<Packet>) {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Packet::Ack(id, answer) if id == asked => return (answer, before),
                Packet::Closed => unreachable!("closed while waiting for an answer; before: {before:?}"),
                packet => before.push(packet),
            }
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn asks(&mut self, event: &str, payload: &Value) -> Value {
        let id = self.ask(event, payload).await;
        self.answer(id).await.0
    }

    /// Everything that the hub has told it up to now: an answer through the hub is behind it all.
    pub(crate) async fn heard(&mut self) -> Vec<Packet> {
        let id = self.ask("no such event", &Value::Null).await;
        self.answer(id).await.1
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<Packet> {
        let mut rest = Vec::new();
        loop {
            match self.next().await {
                Packet::Closed => return rest,
                packet => rest.push(packet),
            }
        }
    }

    /// The seqs of the next new messages up to `last`.
    pub(crate) async fn seqs_up_to(&mut self, last: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.last().is_none_or(|seq| *seq < last) {
            let message = self.event("newMessage").await;
            seqs.push(message["seq"].as_u64().expect("a seq"));
        }
        seqs
    }

    pub(crate) async fn joins(&mut self, thread: ThreadId) {
        let answer = self.asks("joinThread", &json!({ "threadId": thread.to_string() })).await;
        assert_eq!(answer["success"], true, "{answer}");
    }

    pub(crate) async fn types(&mut self, thread: ThreadId, typing: bool) -> Value {
        self.asks("typing", &json!({ "threadId": thread.to_string(), "isTyping": typing })).await
    }
}

/// The seqs of the new messages among packets.
pub(crate) fn seqs(packets: &[Packet]) -> Vec<u64> {
    packets.iter().filter_map(Packet::seq).collect()
}

pub(crate) fn message(thread: ThreadId, text: &str) -> Value {
    json!({ "threadId": thread.to_string(), "content": text })
}
