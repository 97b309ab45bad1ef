//! Socket.IO over Engine.IO: which namespaces a connection is in, and what its packets mean.

mod entering;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};
use serde::de::IgnoredAny;

use crate::codec::socket::{self as codec, Kind};
use crate::codec::{Text, json};
use crate::engine::{Begun, Body, CHATTER, Connection, Handshake, Message, Protocol};
use crate::event::{self, Args, Fault, Name};
use crate::socket::Client;
use crate::{Ack, Config, Event, Reason, Service, Socket};

/// Names that mean something to clients themselves and cannot be events.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Socket.IO as a protocol over Engine.IO.
pub(crate) struct Namespaces<S> {
    service: S,
    config: Config,
}

/// Puts packets together as they arrive.
pub(crate) struct Receiver {
    client: Arc<Client>,
    /// A binary packet whose attachments are still arriving. Boxed because it is rare.
    partial: Option<Box<Partial>>,
}

struct Partial {
    job: Job,
    missing: usize,
    bytes: usize,
}

/// What is remembered about a connection.
pub(crate) struct Session<S> {
    client: Arc<Client>,
    handshake: Arc<Handshake>,
    members: Vec<Member<S>>,
    /// The server has refused or ended a namespace, so packets for it may still be on their way.
    has_ended_some: bool,
    /// Refusals since the last acceptance.
    refusals: usize,
    /// The client has been in some namespace.
    has_entered: bool,
}

struct Member<S> {
    socket: Socket,
    session: S,
}

/// What is to be done, in order.
pub(crate) enum Job {
    Connect {
        namespace: Text,
        auth: Option<Text>,
    },
    Leave {
        namespace: Text,
    },
    Event {
        namespace: Text,
        id: Option<u64>,
        name: Name,
        args: Args,
    },
    Answer {
        id: u64,
        args: Args,
    },
    /// Some socket was disconnected by the server.
    Sweep,
}

impl<S: Service> Namespaces<S> {
    pub(crate) fn new(service: S, config: Config) -> Self {
        Self { service, config }
    }

    pub(crate) fn service(&self) -> &S {
        &self.service
    }

    fn decode(&self, receiver: &mut Receiver, text: &Text) -> Result<Option<Job>, Reason> {
        let limits =
            codec::Limits { attachments: self.config.max_attachments, namespace: self.config.max_namespace };
        let packet = codec::decode(text.as_str(), &limits).map_err(|_| Reason::ParseError)?;
        let missing = packet.attachments.unwrap_or_default();
        if missing > 0 && !receiver.client.connection.is_established() {
            // Nobody may make the server wait for bytes before being let in.
            return Err(Reason::ParseError);
        }
        let job = self.job(&packet, text)?;
        if missing == 0 {
            return Ok(complete(receiver, job));
        }
        receiver.partial = Some(Box::new(Partial { job, missing, bytes: 0 }));
        Ok(None)
    }

    fn job(&self, packet: &codec::Packet<'_>, text: &Text) -> Result<Job, Reason> {
        let part = |part: &str| {
            let start = text.offset_of(part);
            text.slice(start..start + part.len())
        };
        // A packet that names no namespace is in the main one, whose name is not in its text then.
        let namespace = if packet.namespace == "/" { "/".into() } else { part(packet.namespace) };
        let data = part(packet.data);
        Ok(match (packet.kind, packet.id) {
            (Kind::Connect, _) => Job::Connect { namespace, auth: self.auth(data)? },
            (Kind::Disconnect, _) => Job::Leave { namespace },
            (Kind::Event, id) => {
                let (name, args) = self.event(data)?;
                Job::Event { namespace, id, name, args }
            }
            (Kind::Ack, Some(id)) => Job::Answer { id, args: self.args(data, self.config.max_args)? },
            (Kind::Ack | Kind::ConnectError, _) => return Err(Reason::ParseError),
        })
    }

    fn auth(&self, data: Text) -> Result<Option<Text>, Reason> {
        if data.is_empty() {
            return Ok(None);
        }
        let valid = json::depth_within(&data, self.config.max_depth)
            && serde_json::from_str::<IgnoredAny>(&data).is_ok();
        if valid { Ok(Some(data)) } else { Err(Reason::ParseError) }
    }

    fn event(&self, data: Text) -> Result<(Name, Args), Reason> {
        let mut args = self.args(data, self.config.max_args.saturating_add(1))?;
        if args.items.is_empty() {
            return Err(Reason::ParseError);
        }
        let name = args.text.slice(args.items.remove(0));
        if !name.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
            return Err(Reason::ParseError);
        }
        let name = event::name(&name);
        if RESERVED.contains(&name.as_str()) {
            return Err(Reason::ParseError);
        }
        if args.fault.is_some() {
            args.items = Vec::new();
        }
        Ok((name, args))
    }

    /// Finds at most `limit` arguments; with too many or too deep ones, says so.
    fn args(&self, text: Text, limit: usize) -> Result<Args, Reason> {
        let (items, all) = json::elements(&text, limit).map_err(|_| Reason::ParseError)?;
        // As many levels take as many brackets of either kind, and most texts are shorter than that.
        let may_be_deep = text.len() / 2 > self.config.max_depth;
        let fault = if may_be_deep && !json::depth_within(&text, self.config.max_depth) {
            Some(Fault::TooDeep)
        } else if !all {
            Some(Fault::TooMany)
        } else {
            None
        };
        Ok(Args { text, items, attachments: Vec::new(), fault })
    }

    fn attach(&self, receiver: &mut Receiver, bytes: Bytes) -> Result<Option<Job>, Reason> {
        let mut partial = receiver.partial.take().ok_or(Reason::ParseError)?;
        partial.bytes += bytes.len();
        if partial.bytes > self.config.max_attachment_bytes {
            return Err(Reason::ParseError);
        }
        if let Job::Event { args, .. } | Job::Answer { args, .. } = &mut partial.job {
            args.attachments.push(bytes);
        }
        partial.missing -= 1;
        if partial.missing == 0 {
            return Ok(complete(receiver, partial.job));
        }
        receiver.partial = Some(partial);
        Ok(None)
    }

    /// Lets go of the sockets that the server has disconnected.
    async fn sweep(&self, session: &mut Session<S::Session>) {
        while let Some(index) = session.outsider() {
            session.has_ended_some = true;
            self.part(session, index, Reason::ServerDisconnect).await;
        }
    }

    async fn part(&self, session: &mut Session<S::Session>, index: usize, reason: Reason) {
        let member = session.members.remove(index);
        member.socket.leave();
        if session.members.is_empty() {
            session.client.connection.set_established(false);
        }
        self.service.disconnect(member.session, reason).await;
    }
}

/// A whole packet has arrived. Answers go to those who wait for them at once: a handler may be one of them.
fn complete(receiver: &Receiver, job: Job) -> Option<Job> {
    let Job::Answer { id, args } = job else { return Some(job) };
    receiver.client.answer(id, args);
    None
}

impl<S> Session<S> {
    fn member(&self, namespace: &str) -> Option<usize> {
        self.members.iter().position(|member| member.socket.namespace() == namespace)
    }

    fn outsider(&self) -> Option<usize> {
        self.members.iter().position(|member| member.socket.is_outside())
    }

    /// A packet for a namespace that the client is not in. It may have crossed the server's word on its way;
    /// otherwise the client breaks the protocol.
    fn astray(&self) {
        if !self.has_ended_some {
            self.client.connection.close(Reason::ParseError);
        }
    }
}

impl<S: Service> Protocol for Namespaces<S> {
    type Receiver = Receiver;
    type Session = Session<S::Session>;
    type Job = Job;

    async fn admit(
        &self,
        request: &Parts,
        peer: Option<SocketAddr>,
    ) -> Result<HeaderMap, Box<Response<Body>>> {
        self.service.admit(request, peer).await
    }

    fn open(&self, handshake: Handshake, connection: Connection) -> (Self::Receiver, Self::Session) {
        let client =
            Arc::new(Client::new(connection, self.config.max_early_frames, self.config.max_pending_acks));
        let receiver = Receiver { client: Arc::clone(&client), partial: None };
        let handshake = Arc::new(handshake);
        let session = Session {
            client,
            handshake,
            members: Vec::new(),
            has_ended_some: false,
            refusals: 0,
            has_entered: false,
        };
        (receiver, session)
    }

    fn cost(&self, message: &Message) -> u32 {
        // Entering a namespace, and leaving it.
        let is_chatter = matches!(message, Message::Text(text) if text.as_str().starts_with(['0', '1']));
        if is_chatter { CHATTER } else { 1 }
    }

    fn receive(&self, receiver: &mut Self::Receiver, message: Message) -> Result<Option<Job>, Reason> {
        match message {
            Message::Text(_) if receiver.partial.is_some() => Err(Reason::ParseError),
            Message::Text(text) => self.decode(receiver, &text),
            Message::Binary(bytes) => self.attach(receiver, bytes),
        }
    }

    fn nudged(&self, _: &mut Self::Receiver) -> Option<Job> {
        Some(Job::Sweep)
    }

    fn ending(&self, receiver: &mut Self::Receiver) {
        receiver.client.abandon_all();
    }

    fn begin(&self, session: &mut Self::Session, job: Job) -> Begun<Job> {
        let Job::Event { namespace, id, name, args } = job else { return Begun::Waits(job) };
        let member = match session.member(&namespace) {
            // Those who were disconnected are let go first.
            Some(at) if session.outsider().is_none() => session.members.get_mut(at),
            _ => None,
        };
        let Some(member) = member else { return Begun::Waits(Job::Event { namespace, id, name, args }) };
        let ack = id.map(|id| Ack::new(&member.socket, id));
        match self.service.begin(&mut member.session, Event { name, args, ack }) {
            Begun::GoesOn(remainder) => Begun::GoesOn(remainder),
            Begun::Waits(Event { name, args, .. }) => Begun::Waits(Job::Event { namespace, id, name, args }),
        }
    }

    async fn handle(&self, session: &mut Self::Session, job: Job) {
        // What is rare is boxed: the future of each event would else have room for it, and be moved with it.
        if session.outsider().is_some() {
            // A client that was disconnected may ask to come back before this was noticed.
            Box::pin(self.sweep(session)).await;
        }
        match job {
            Job::Connect { namespace, auth } => Box::pin(self.connect(session, namespace, auth)).await,
            Job::Leave { namespace } => match session.member(&namespace) {
                Some(index) => Box::pin(self.part(session, index, Reason::ClientDisconnect)).await,
                None => session.astray(),
            },
            Job::Event { namespace, id, name, args } => {
                let Some(member) = session.member(&namespace).and_then(|at| session.members.get_mut(at))
                else {
                    return session.astray();
                };
                let ack = id.map(|id| Ack::new(&member.socket, id));
                self.service.event(&mut member.session, Event { name, args, ack }).await;
            }
            Job::Answer { .. } | Job::Sweep => {}
        }
    }

    async fn close(&self, session: Self::Session, reason: Reason) {
        for Member { socket, session } in session.members {
            let reason = if socket.is_outside() { Reason::ServerDisconnect } else { reason };
            socket.leave();
            self.service.disconnect(session, reason).await;
        }
    }
}
