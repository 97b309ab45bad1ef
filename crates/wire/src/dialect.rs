//! The table that a dialect is.

use std::borrow::Cow;

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::{CommandError, MessageView, Outcome, ReadError};
use tidings_domain::thread::Thread;
use tidings_domain::typing::TypingChange;
use tidings_domain::user::{Actor, User, Within};

use crate::frame::{Frame, Outbound};
use crate::payload::Refusal;
use crate::rest::{Problem, Reply, Route};

/// One wire vocabulary: REST paths, event names and JSON shapes.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Its name in configuration and documentation.
    pub name: &'static str,
    /// The path prefixes under which its routes are served.
    pub prefixes: &'static [&'static str],
    /// Its routes.
    pub routes: &'static [Route],
    /// Its Socket.IO side.
    pub socket: Socket,
    /// Where its tokens say who somebody is.
    pub claims: ClaimNames,
    /// The shape of what goes wrong with a request.
    pub problem: fn(&Problem<'_>) -> Reply,
    /// Whether it can say anything about a thread. One that it cannot is absent from its lists and events.
    pub expresses: fn(&Thread) -> bool,
    /// The threads that exist for those who speak it; all, when `None`. No narrower than `expresses`.
    pub within: fn() -> Option<Within>,
}

/// The Socket.IO side of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Socket {
    /// The path of the transport.
    pub path: &'static str,
    /// The namespace.
    pub namespace: &'static str,
    /// How a session begins.
    pub handshake: Handshake,
    /// What clients may say.
    pub inbound: &'static [Inbound],
    /// What is answered to an event that the dialect does not have.
    pub unknown: fn(event: &str) -> Replies,
    /// What a commit's change sounds like. Empty: this dialect has no word for it.
    pub commit: fn(&Heard<'_>) -> Vec<Outbound>,
    /// What typing sounds like.
    pub typing: fn(&TypingChange) -> Option<Outbound>,
    /// After how many milliseconds without a sign typing ends.
    pub typing_expires_after_ms: i64,
    /// Whether an open socket may outlive the token it was opened with, for as long as the server allows. For clients
    /// that pass one token for good; one that can renew its token on an open socket needs no such time.
    pub outlives_token: bool,
}

/// How a session begins.
#[derive(Debug, Clone, Copy)]
pub struct Handshake {
    /// Finds the token in the CONNECT payload (JSON, if any) or the handshake's `Authorization` header (if any).
    pub token: fn(auth: Option<&str>, authorization: Option<&str>) -> Option<String>,
    /// What a client without a valid token sees.
    pub refused: fn(&AuthFailure) -> Refused,
    /// What an authenticated client hears first.
    pub welcome: fn(&Actor, &User) -> Vec<Frame>,
}

/// What a client without a valid token sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is let in, hears nothing and is disconnected at once.
    Disconnected,
    /// It is not let in: `connect_error` with this message and, perhaps, JSON data.
    ConnectError {
        /// The message.
        message: String,
        /// The error's `data`, as JSON.
        data: Option<String>,
    },
}

/// Why nobody is known to be acting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFailure {
    /// There is no token, or no header of the right form.
    Missing,
    /// The token is an empty text.
    Empty,
    /// The token does not hold; the text says why without giving anything away.
    Invalid(&'static str),
}

/// The claims in which a dialect's tokens say who somebody is; the first one present counts.
#[derive(Debug, Clone, Copy)]
pub struct ClaimNames {
    /// The user's id.
    pub user: &'static [&'static str],
    /// Their role.
    pub role: &'static [&'static str],
    /// Their name.
    pub name: &'static [&'static str],
    /// Where their picture is.
    pub avatar_url: &'static [&'static str],
}

/// An event that a client may send.
#[derive(Debug, Clone, Copy)]
pub struct Inbound {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the generated documentation.
    pub about: &'static str,
    /// Whether a client's later events of such kinds are begun before this one is done. For sends: the store keeps
    /// their order.
    pub overlaps: bool,
    /// Reads its arguments, each a JSON text.
    pub decode: fn(&[&str]) -> Result<Intent, Refusal>,
    /// What its sender is told.
    pub reply: fn(&Actor, Result<&Answer, &EventError>) -> Replies,
}

/// What a client's event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// A use case.
    Execute(tidings_domain::messaging::Command),
    /// To follow a thread on this session.
    Join(ThreadId),
    /// To follow it no longer.
    Leave(ThreadId),
    /// To show or end typing.
    Typing {
        /// Where.
        thread: ThreadId,
        /// Whether the user types now.
        typing: bool,
    },
    /// Nothing at all.
    Nothing,
}

/// What an [`Intent`] came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// The use case's outcome.
    Executed(Box<Outcome>),
    /// The session follows the thread.
    Joined(ThreadId),
    /// It does not follow it.
    Left(ThreadId),
    /// Typing was taken note of.
    Noted,
    /// Nothing was asked.
    Nothing,
}

/// Why an event was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// It could not be understood.
    Refused(Refusal),
    /// The use case failed.
    Command(CommandError),
    /// The session may not follow or type in the thread.
    Access(ReadError),
    /// A limit of the session was reached; the text names it.
    Limit(&'static str),
}

/// What the sender of an event is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replies {
    /// Events, in order.
    pub emit: Vec<Frame>,
    /// The arguments of the acknowledgement, if the client asked for one; JSON texts with commas between.
    pub ack: Option<Cow<'static, str>>,
}

/// One change of a commit, with what its encoders need to know.
#[derive(Debug)]
pub struct Heard<'a> {
    /// The commit it is part of.
    pub commit: &'a Commit,
    /// The change.
    pub change: &'a Change,
    /// The message as everybody sees it, for the changes that are about one.
    pub message: Option<&'a MessageView>,
}

impl Dialect {
    /// The inbound event of this name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&'static Inbound> {
        self.socket.inbound.iter().find(|inbound| inbound.name == name)
    }
}
