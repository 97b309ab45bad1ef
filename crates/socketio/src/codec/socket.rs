//! Socket.IO v5 packets, as carried by Engine.IO text messages.
//!
//! A packet is `type [attachments-] [/namespace,] [ack id] [JSON]`. Source:
//! <https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md>.

/// The kinds of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0`: asks to enter a namespace; its data is the auth payload.
    Connect,
    /// `1`: leaves a namespace.
    Disconnect,
    /// `2`: an event, or `5` with binary attachments.
    Event,
    /// `3`: the answer to an event, or `6` with binary attachments.
    Ack,
    /// `4`: entering a namespace was refused.
    ConnectError,
}

/// A packet's parts, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub kind: Kind,
    /// How many binary messages follow and belong to it; `None` for the plain kinds.
    pub attachments: Option<usize>,
    /// The namespace with its leading slash; `/` when the packet names none.
    pub namespace: &'a str,
    /// The ack id.
    pub id: Option<u64>,
    /// The JSON, unchecked; empty when there is none.
    pub data: &'a str,
}

/// What a packet's header may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most binary attachments of one packet; 0 refuses the binary kinds.
    pub attachments: usize,
    /// Longest namespace in bytes, with its slash.
    pub namespace: usize,
}

/// The text is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first character names no packet type.
    #[error("unknown packet type")]
    UnknownType,
    /// A binary packet without a count, or with more than allowed.
    #[error("illegal attachments")]
    Attachments,
    /// A namespace longer than allowed, or with control characters.
    #[error("illegal namespace")]
    Namespace,
    /// An ack id over 2^53 - 1, the largest integer that JavaScript counts exactly.
    #[error("illegal ack id")]
    Id,
    /// An ACK without an id, or data where none may be.
    #[error("illegal payload")]
    Payload,
}

const MAX_ID: u64 = (1 << 53) - 1;

/// Takes a packet apart. The JSON stays unchecked.
///
/// # Errors
/// Names the part that is wrong or over its limit.
pub fn decode<'a>(text: &'a str, limits: &Limits) -> Result<Packet<'a>, Error> {
    let (kind, binary) = match text.as_bytes().first() {
        Some(b'0') => (Kind::Connect, false),
        Some(b'1') => (Kind::Disconnect, false),
        Some(b'2') => (Kind::Event, false),
        Some(b'3') => (Kind::Ack, false),
        Some(b'4') => (Kind::ConnectError, false),
        Some(b'5') => (Kind::Event, true),
        Some(b'6') => (Kind::Ack, true),
        _ => return Err(Error::UnknownType),
    };
    let rest = text.get(1..).unwrap_or_default();
    let (attachments, rest) = if binary {
        let (count, rest) = number(rest).ok_or(Error::Attachments)?;
        let count = usize::try_from(count).map_err(|_| Error::Attachments)?;
        let rest = rest.strip_prefix('-').ok_or(Error::Attachments)?;
        if count > limits.attachments || limits.attachments == 0 {
            return Err(Error::Attachments);
        }
        (Some(count), rest)
    } else {
        (None, rest)
    };
    let (namespace, rest) = namespace(rest, limits.namespace)?;
    let (id, data) = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (id, data) = number(rest).filter(|(id, _)| *id <= MAX_ID).ok_or(Error::Id)?;
        (Some(id), data)
    } else {
        (None, rest)
    };
    let packet = Packet { kind, attachments, namespace, id, data };
    match kind {
        Kind::Ack if id.is_none() => Err(Error::Payload),
        Kind::Event | Kind::Ack if !data.starts_with('[') => Err(Error::Payload),
        Kind::Connect if !(data.is_empty() || data.starts_with('{')) => Err(Error::Payload),
        Kind::Disconnect if !data.is_empty() => Err(Error::Payload),
        Kind::Connect | Kind::Disconnect if id.is_some() => Err(Error::Payload),
        Kind::Connect | Kind::Disconnect | Kind::Event | Kind::Ack | Kind::ConnectError => Ok(packet),
    }
}

fn namespace(text: &str, limit: usize) -> Result<(&str, &str), Error> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    // Clients of old put a query string behind the name; it means nothing any more.
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    if name.len() > limit || name.contains(|c: char| c.is_control()) {
        return Err(Error::Namespace);
    }
    Ok((name, rest))
}

/// The decimal number at the beginning of `text`, and the rest.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// Appends a packet's header, without its JSON, to `text`.
pub fn push_header(text: &mut String, kind: Kind, attachments: usize, namespace: &str, id: Option<u64>) {
    text.push(match (kind, attachments > 0) {
        (Kind::Connect, _) => '0',
        (Kind::Disconnect, _) => '1',
        (Kind::Event, false) => '2',
        (Kind::Ack, false) => '3',
        (Kind::ConnectError, _) => '4',
        (Kind::Event, true) => '5',
        (Kind::Ack, true) => '6',
    });
    if attachments > 0 {
        text.push_str(&attachments.to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        text.push_str(&id.to_string());
    }
}
