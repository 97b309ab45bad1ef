//! Engine.IO v4 packets, and the payloads that HTTP long-polling packs them into.
//!
//! A packet is one digit and its data; a binary message has no digit on a WebSocket and is `b` and base64
//! in a polling payload. Payloads join packets with the record separator, U+001E.
//! Source: <https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md>.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::Text;

/// Joins the packets of a polling payload.
pub const RECORD_SEPARATOR: char = '\u{1e}';

/// Stock clients pad; browsers' `btoa` does too, but padding carries no information.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packet that a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `1`: the client closes the session.
    Close,
    /// `2` with its data: only as `2probe`, on a WebSocket that a session is moving to.
    Ping(Text),
    /// `3`: the answer to the server's ping.
    Pong,
    /// `4` and a text.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
    /// `5`: the client goes on over this WebSocket.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// The bytes are not a packet that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No packet at all.
    #[error("empty packet")]
    Empty,
    /// The first character names no packet type, or one that only servers send.
    #[error("unknown packet type")]
    UnknownType,
    /// A `b` packet whose rest is not base64.
    #[error("invalid base64")]
    Base64,
}

/// Reads one text packet as a WebSocket carries it.
///
/// # Errors
/// [`Error::Empty`] and [`Error::UnknownType`].
pub fn decode_text(text: &Text) -> Result<Packet, Error> {
    let kind = text.as_str().as_bytes().first().ok_or(Error::Empty)?;
    let data = || text.slice(1..text.len());
    match kind {
        b'1' => Ok(Packet::Close),
        b'2' => Ok(Packet::Ping(data())),
        b'3' => Ok(Packet::Pong),
        b'4' => Ok(Packet::Text(data())),
        b'5' => Ok(Packet::Upgrade),
        b'6' => Ok(Packet::Noop),
        _ => Err(Error::UnknownType),
    }
}

/// The packets of a received polling payload, decoded one at a time.
///
/// Decoding lazily keeps a body of tiny packets from growing into a list many times its size.
///
/// The default is a payload without packets, which is not the same as one with an empty packet.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    text: Text,
    next: Option<usize>,
}

impl Payload {
    /// Reads packets from `text`, which is a whole request body.
    #[must_use]
    pub fn new(text: Text) -> Self {
        Self { text, next: Some(0) }
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next?;
        let rest = self.text.as_str().get(start..)?;
        let len = match rest.find(RECORD_SEPARATOR) {
            Some(len) => {
                self.next = Some(start + len + RECORD_SEPARATOR.len_utf8());
                len
            }
            None => {
                self.next = None;
                rest.len()
            }
        };
        let packet = self.text.slice(start..start + len);
        Some(match packet.strip_prefix('b') {
            Some(encoded) => {
                BASE64.decode(encoded).map(|bytes| Packet::Binary(bytes.into())).map_err(|_| Error::Base64)
            }
            None => decode_text(&packet),
        })
    }
}

/// Appends a text packet (already with its digit) to a polling payload.
pub fn push_text(payload: &mut String, packet: &str) {
    separate(payload);
    payload.push_str(packet);
}

/// Appends a binary message to a polling payload.
pub fn push_binary(payload: &mut String, bytes: &[u8]) {
    separate(payload);
    payload.push('b');
    BASE64.encode_string(bytes, payload);
}

fn separate(payload: &mut String) {
    if !payload.is_empty() {
        payload.push(RECORD_SEPARATOR);
    }
}
