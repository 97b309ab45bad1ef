//! What a client has sent: an event's name, its arguments as raw JSON, its attachments.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::Text;
use crate::encoded::inside;
use crate::{EncodeError, Encoded, Socket};

/// The arguments of an event or an ack, as the client wrote them: raw JSON, checked to be JSON, not decoded.
#[derive(Clone, Default)]
pub struct Args {
    pub(crate) text: Text,
    pub(crate) items: Vec<Range<usize>>,
    pub(crate) attachments: Vec<Bytes>,
    pub(crate) fault: Option<Fault>,
}

/// Why arguments are withheld. The event itself is handed over, so that it can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// JSON nested deeper than [`Config::max_depth`](crate::Config::max_depth).
    #[error("nested too deeply")]
    TooDeep,
    /// More than [`Config::max_args`](crate::Config::max_args) arguments.
    #[error("too many arguments")]
    TooMany,
}

/// An argument could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no such argument.
    #[error("argument {0} is missing")]
    Missing(usize),
    /// The arguments broke a limit.
    #[error("the arguments are {0}")]
    Withheld(Fault),
    /// It has not the expected shape; a lone surrogate in a string ends here too.
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
}

/// What stands in an event's JSON for the bytes at [`Args::attachments`]`[num]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Placeholder {
    /// Always true.
    #[serde(rename = "_placeholder")]
    pub placeholder: bool,
    /// Which attachment.
    pub num: usize,
}

impl Args {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The JSON of one argument.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.items.get(index).and_then(|range| self.text.as_str().get(range.clone()))
    }

    /// The JSON of each argument.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|range| self.text.as_str().get(range.clone()))
    }

    /// The JSON of all arguments as the client wrote them, separated by commas.
    #[must_use]
    pub fn raw(&self) -> &str {
        let (Some(first), Some(last)) = (self.items.first(), self.items.last()) else { return "" };
        self.text.as_str().get(first.start..last.end).unwrap_or_default()
    }

    /// Decodes one argument; it may borrow from the message.
    ///
    /// # Errors
    /// When it is missing, withheld or has not the shape of `T`.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, DecodeError> {
        if let Some(fault) = self.fault {
            return Err(DecodeError::Withheld(fault));
        }
        let json = self.get(index).ok_or(DecodeError::Missing(index))?;
        Ok(serde_json::from_str(json)?)
    }

    /// Why there are no arguments although the client sent some.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The binary attachments, in the order in which placeholders count them. A placeholder's number is the
    /// client's word: use `get`.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

/// Without the arguments themselves: they are nobody's business but the service's.
impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("len", &self.items.len())
            .field("attachments", &self.attachments.len())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// An event that a client has sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event {
    pub(crate) name: Name,
    pub(crate) args: Args,
    pub(crate) ack: Option<Ack>,
}

#[derive(Debug)]
pub(crate) enum Name {
    Plain(Text),
    Decoded(Box<str>),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text.as_str(),
            Self::Decoded(text) => text,
        }
    }
}

impl Event {
    /// Its name. A name that is not text (a number, a string with a lone surrogate) is given as its raw JSON.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its arguments.
    #[must_use]
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// Decodes one argument; shorthand for [`Args::decode`].
    ///
    /// # Errors
    /// When it is missing, withheld or has not the shape of `T`.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, DecodeError> {
        self.args.decode(index)
    }

    /// The client's callback, the first time it is asked for; `None` if it gave none.
    pub fn take_ack(&mut self) -> Option<Ack> {
        self.ack.take()
    }
}

/// A client's callback for one event. Dropped unused, the client gets no ack.
///
/// A connection that the server closes is closed when what the client has asked is answered, or after
/// [`finish_timeout`](crate::engine::Config::finish_timeout).
#[derive(Debug)]
pub struct Ack {
    owed: Owed,
    id: u64,
}

/// That an answer is owed: the end of the connection waits for it.
#[derive(Debug)]
struct Owed {
    socket: Socket,
    is_settled: bool,
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.is_settled {
            self.socket.settle();
        }
    }
}

impl Ack {
    pub(crate) fn new(socket: &Socket, id: u64) -> Self {
        socket.owe();
        Self { owed: Owed { socket: socket.clone(), is_settled: false }, id }
    }

    /// Calls it with `args`: a tuple, an array or a sequence, as for [`Encoded::event`].
    ///
    /// # Errors
    /// When `args` cannot be written as a JSON array.
    pub fn send(self, args: &impl Serialize) -> Result<(), EncodeError> {
        let args = serde_json::to_string(args)?;
        self.send_raw(inside(&args)?, Vec::new());
        Ok(())
    }

    /// Calls it with arguments that are JSON already, separated by commas, and attachments.
    pub fn send_raw(mut self, args: &str, attachments: Vec<Bytes>) {
        let socket = &self.owed.socket;
        socket.answer(&Encoded::ack(socket.namespace(), self.id, args, attachments));
        self.owed.is_settled = true;
    }
}

/// Reads the JSON of an event's name.
pub(crate) fn name(json: &Text) -> Name {
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('\\') => Name::Plain(json.slice(1..1 + inner.len())),
        Some(_) => match serde_json::from_str::<Cow<'_, str>>(json) {
            Ok(name) => Name::Decoded(name.into()),
            Err(_) => Name::Plain(json.clone()),
        },
        None => Name::Plain(json.clone()),
    }
}
