//! Events encoded once for everybody who gets them.

use bytes::Bytes;
use serde::Serialize;

use crate::codec::socket::{Kind, push_header};
use crate::engine::Frame;

/// A packet encoded for one namespace, shared: cloning it copies a pointer.
#[derive(Debug, Clone)]
pub struct Encoded(pub(crate) Frame);

/// The value cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It cannot be written as JSON.
    #[error("cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The arguments are not written as a JSON array.
    #[error("arguments must be a tuple, an array or a sequence")]
    NotAnArray,
}

impl Encoded {
    /// An event. `args` is a tuple, an array or a sequence: its elements are the arguments, so one argument is
    /// `&(argument,)` and none is `&()` or `&[(); 0]`.
    ///
    /// # Errors
    /// When `args` cannot be written as a JSON array.
    pub fn event(namespace: &str, name: &str, args: &impl Serialize) -> Result<Self, EncodeError> {
        let args = serde_json::to_string(args)?;
        Self::raw_event(namespace, name, inside(&args)?, Vec::new())
    }

    /// An event whose arguments are JSON already, separated by commas, with the bytes that its placeholders
    /// `{"_placeholder":true,"num":0}` stand for. The JSON is not checked.
    ///
    /// # Errors
    /// When `name` cannot be written as JSON, which does not happen.
    pub fn raw_event(
        namespace: &str,
        name: &str,
        args: &str,
        attachments: Vec<Bytes>,
    ) -> Result<Self, EncodeError> {
        let mut packet = header(Kind::Event, attachments.len(), namespace, None, name.len() + args.len());
        push_event(&mut packet, name, args)?;
        Ok(Self(Frame::from_packet(packet, attachments)))
    }

    /// The same, marked as one that a full outbox may drop.
    #[must_use]
    pub fn ephemeral(self) -> Self {
        Self(self.0.ephemeral())
    }

    /// Whether a full outbox may drop it.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.0.is_ephemeral()
    }

    /// Its size in bytes, attachments included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// An event that asks for an ack.
    pub(crate) fn question(
        namespace: &str,
        name: &str,
        args: &impl Serialize,
        id: u64,
    ) -> Result<Self, EncodeError> {
        let args = serde_json::to_string(args)?;
        let args = inside(&args)?;
        let mut packet = header(Kind::Event, 0, namespace, Some(id), name.len() + args.len());
        push_event(&mut packet, name, args)?;
        Ok(Self(Frame::from_packet(packet, Vec::new())))
    }

    pub(crate) fn ack(namespace: &str, id: u64, args: &str, attachments: Vec<Bytes>) -> Self {
        let mut packet = header(Kind::Ack, attachments.len(), namespace, Some(id), args.len());
        packet.push('[');
        packet.push_str(args);
        packet.push(']');
        Self(Frame::from_packet(packet, attachments))
    }

    /// A packet with one JSON value behind its header, or nothing.
    pub(crate) fn control(kind: Kind, namespace: &str, json: &str) -> Self {
        let mut packet = header(kind, 0, namespace, None, json.len());
        packet.push_str(json);
        Self(Frame::from_packet(packet, Vec::new()))
    }
}

/// Engine.IO's digit for a message and a packet's header, with room for `json` bytes more.
fn header(kind: Kind, attachments: usize, namespace: &str, id: Option<u64>, json: usize) -> String {
    let mut packet = String::with_capacity(namespace.len() + json + 24);
    packet.push('4');
    push_header(&mut packet, kind, attachments, namespace, id);
    packet
}

/// Appends an event's JSON: its name, then its arguments.
fn push_event(packet: &mut String, name: &str, args: &str) -> Result<(), EncodeError> {
    packet.push('[');
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        // As nearly all are; nothing in it needs escaping.
        packet.push('"');
        packet.push_str(name);
        packet.push('"');
    } else {
        packet.push_str(&serde_json::to_string(name)?);
    }
    if !args.is_empty() {
        packet.push(',');
        packet.push_str(args);
    }
    packet.push(']');
    Ok(())
}

/// The elements of a JSON array, without its brackets; nothing for `null`, as which `()` is written.
pub(crate) fn inside(array: &str) -> Result<&str, EncodeError> {
    if array == "null" {
        return Ok("");
    }
    array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(EncodeError::NotAnArray)
}
