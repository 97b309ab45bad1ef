//! What a client hears, and which of the sessions hear it.

use serde::Serialize;
use tidings_domain::id::UserId;

/// An event for clients: a name and its arguments, already JSON. Encoded once, however many hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The event's name.
    pub event: &'static str,
    /// The arguments as JSON texts with commas between, without brackets.
    pub args: String,
}

impl Frame {
    /// An event with one argument.
    #[must_use]
    pub fn new(event: &'static str, payload: &impl Serialize) -> Self {
        Self { event, args: json(payload) }
    }
}

/// JSON of a wire struct. Those hold texts, numbers and lists alone, which always have a JSON form.
pub(crate) fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).unwrap_or_else(|_| "null".to_owned())
}

/// JSON of many, with commas between them.
pub(crate) fn items<T: Serialize>(payloads: impl Iterator<Item = T>) -> String {
    let mut text = Vec::new();
    for payload in payloads {
        let end = text.len();
        if end > 0 {
            text.push(b',');
        }
        if serde_json::to_writer(&mut text, &payload).is_err() {
            text.truncate(end);
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// A frame with those who hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// What they hear.
    pub frame: Frame,
    /// Who.
    pub audience: Audience,
}

/// Which sessions hear a frame about a thread. Only sessions of users who take part in the thread are ever asked;
/// each of them hears it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Whose doing the frame tells of.
    pub actor: Option<UserId>,
    /// Which sessions of the actor hear it.
    pub own: Reach,
    /// Which sessions of the others hear it.
    pub others: Reach,
}

/// How far a frame reaches among a user's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// None of them.
    Nobody,
    /// Those that have joined the thread.
    Joined,
    /// All of them.
    Everyone,
}

impl Reach {
    /// Whether a session hears the frame.
    #[must_use]
    pub const fn includes(self, joined: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Joined => joined,
            Self::Everyone => true,
        }
    }
}

impl Audience {
    /// Whether a session of `user` hears the frame.
    #[must_use]
    pub fn includes(&self, user: &UserId, joined: bool) -> bool {
        if self.actor.as_ref() == Some(user) {
            self.own.includes(joined)
        } else {
            self.others.includes(joined)
        }
    }
}
