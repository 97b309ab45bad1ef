//! A WebSocket in as little memory as possible.
//!
//! Reading goes through tungstenite's parser. Writing is done here: server frames are a short header and the
//! payload, copied from shared frames into one buffer that exists only while something is unwritten.
//! Tungstenite's own answers (pong, close) go into the same buffer.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tungstenite::error::CapacityError;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode};
use tungstenite::{Error, Message as Raw, Utf8Bytes};

use super::Frame;
use super::frame::Head;
use super::gate::Gate;
use super::large::{LargeMessages, Share};
use crate::Reason;
use crate::codec::engine::{Packet, decode_text};

/// What one read takes from the socket; this much memory stays with an idle connection.
const READ_BUFFER: usize = 1024;
/// A message larger than this leaves a buffer behind that is worth giving back.
const LARGE: usize = 4 * READ_BUFFER;
/// How many bytes of a message are read before the reader is asked whether to go on. Without that, a message in
/// countless small fragments would be read in one go.
const READ_AT_ONCE: usize = 16 * 1024;
/// How many bytes are gathered for one write.
const WRITE_CHUNK: usize = 32 * 1024;
/// Pongs that a peer does not read are held back beyond this.
const MAX_UNWRITTEN_REPLIES: usize = 2 * WRITE_CHUNK;
/// How many reads in a row go to bytes that are thrown away.
const DISCARD_ROUNDS: usize = 64;
/// Tungstenite's own write buffer, which holds at most one answer.
const REPLY_BUFFER: usize = 256;

pub(crate) struct WebSocket {
    io: Gate<TokioIo<Upgraded>>,
    context: WebSocketContext,
    unwritten: Vec<u8>,
    written: usize,
    tally: Tally,
    /// The share of the last message, if it was a large one.
    share: Option<Share>,
    /// Bytes that were read since they were last [asked for](Self::take_bytes_read).
    bytes_read: usize,
    /// Set after an error of the parser, which must not be asked again: it stands in the middle of a frame.
    broken: bool,
}

/// What was read.
pub(crate) enum Incoming {
    Packet(Packet),
    /// A frame of the WebSocket protocol itself.
    Control,
    /// A part of something larger.
    Part,
    /// The end of a polling client's request.
    Request,
}

/// Tells when the parser has used up everything that it was given, so that it can be exchanged for one whose
/// buffer has not grown.
#[derive(Default)]
struct Tally {
    given: usize,
    used: usize,
    largest: usize,
}

impl Tally {
    /// Counts a frame with its header, assumed as short as can be. Where it is not, or a message comes in
    /// fragments, the buffer merely stays as it is.
    fn count(&mut self, payload: usize) {
        let length = match payload {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        self.used = self.used.wrapping_add(2 + length + 4 + payload);
        self.largest = self.largest.max(payload);
    }
}

impl WebSocket {
    pub(crate) fn new(upgraded: Upgraded, max_payload: usize, large: LargeMessages) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(REPLY_BUFFER)
            .max_message_size(Some(max_payload))
            .max_frame_size(Some(max_payload));
        let context = WebSocketContext::new(Role::Server, Some(config));
        let (io, tally) = (Gate::new(TokioIo::new(upgraded), large), Tally::default());
        Self {
            io,
            context,
            unwritten: Vec::new(),
            written: 0,
            tally,
            share: None,
            bytes_read: 0,
            broken: false,
        }
    }

    pub(crate) fn set_max_payload(&mut self, max_payload: usize) {
        self.context.set_config(|config| {
            config.max_message_size = Some(max_payload);
            config.max_frame_size = Some(max_payload);
        });
    }

    /// The share of the memory for large messages that the last message has, until it has been handled.
    pub(crate) const fn take_share(&mut self) -> Option<Share> {
        self.share.take()
    }

    /// Whether the client has begun a large message that there is no memory for yet.
    pub(crate) const fn waits_for_share(&self) -> bool {
        self.io.waits()
    }

    /// Whether a large message is on its way.
    pub(crate) const fn is_large(&self) -> bool {
        self.io.is_large()
    }

    /// When the client of a large message is to be closed, and why.
    pub(crate) fn due(&self) -> Option<(Instant, Reason)> {
        self.io.due()
    }

    /// Nothing was read for so long, for which the client is not to blame.
    pub(crate) fn excuse(&mut self, time: Duration) {
        self.io.excuse(time);
    }

    /// Gives up a large message that is on its way, and its memory: what still comes is thrown away.
    pub(crate) fn abandon(&mut self) {
        if self.is_large() {
            self.context = WebSocketContext::new(Role::Server, Some(*self.context.get_config()));
            self.broken = true;
            self.io.open();
        }
    }

    /// What comes next; after an error the connection is of no more use.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Reason>> {
        if self.broken {
            return self.poll_discard(cx).map(Err);
        }
        let given_before = self.tally.given;
        let given = &mut self.tally.given;
        let mut stream =
            Stream { io: &mut self.io, unwritten: &mut self.unwritten, given, left: READ_AT_ONCE, cx };
        let message = self.context.read(&mut stream);
        let is_interrupted = stream.left == 0;
        self.bytes_read += self.tally.given.wrapping_sub(given_before);
        if let Ok(message) = &message {
            self.tally.count(message.len());
            self.share = self.io.passed(message.len());
        }
        Poll::Ready(match message {
            Ok(Raw::Text(text)) => {
                decode_text(&text.into()).map(Incoming::Packet).map_err(|_| Reason::ParseError)
            }
            Ok(Raw::Binary(bytes)) => Ok(Incoming::Packet(Packet::Binary(bytes))),
            // The answer to a closing is on its way to the buffer; the next read says so.
            Ok(Raw::Ping(_) | Raw::Pong(_) | Raw::Frame(_) | Raw::Close(_)) => Ok(Incoming::Control),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_interrupted {
                    return Poll::Ready(Ok(Incoming::Part));
                }
                self.shrink();
                return Poll::Pending;
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => Err(Reason::TransportClose),
            Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                Err(Reason::TransportClose)
            }
            Err(error @ (Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_))) => {
                self.broken = true;
                self.io.open();
                let is_size = matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. }));
                Err(if is_size { Reason::TooLarge } else { Reason::ParseError })
            }
            Err(_) => Err(Reason::TransportError),
        })
    }

    /// How many bytes were read since this was last asked.
    pub(crate) const fn take_bytes_read(&mut self) -> usize {
        std::mem::replace(&mut self.bytes_read, 0)
    }

    /// Reads past whatever the peer still sends, until it ends.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        for _ in 0..DISCARD_ROUNDS {
            let mut bytes = [0; READ_BUFFER];
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => return Poll::Ready(Reason::TransportClose),
                Ok(()) => {}
                Err(_) => return Poll::Ready(Reason::TransportError),
            }
        }
        // There may be more; let the other tasks have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives back the memory that a large message took.
    fn shrink(&mut self) {
        let Tally { given, used, largest } = self.tally;
        if largest > LARGE && given == used && self.context.can_write() && self.unwritten.is_empty() {
            self.context = WebSocketContext::new(Role::Server, Some(*self.context.get_config()));
            self.tally = Tally::default();
        }
    }

    /// Whether there is room to gather more before writing.
    pub(crate) fn has_room(&self) -> bool {
        self.unwritten.len() - self.written < WRITE_CHUNK
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        self.unwritten.len() > self.written
    }

    pub(crate) fn push(&mut self, frame: &Frame) {
        match frame.head() {
            Head::Text(text) => self.push_raw(OPCODE_TEXT, text.as_bytes()),
            Head::Binary(bytes) => self.push_raw(OPCODE_BINARY, bytes),
        }
        for attachment in frame.attachments() {
            self.push_raw(OPCODE_BINARY, attachment);
        }
    }

    pub(crate) fn push_text(&mut self, packet: &str) {
        self.push_raw(OPCODE_TEXT, packet.as_bytes());
    }

    /// Takes leave: nothing may be pushed after it.
    pub(crate) fn push_close(&mut self, cx: &mut Context<'_>, reason: Reason) {
        let (code, words) = if reason == Reason::TooLarge {
            (CloseCode::Size, reason.as_str())
        } else if reason == Reason::TooSlow {
            (CloseCode::Policy, reason.as_str())
        } else if reason == Reason::NoRoom {
            (CloseCode::Again, reason.as_str())
        } else if reason == Reason::ParseError {
            (CloseCode::Protocol, "")
        } else {
            (CloseCode::Normal, "")
        };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(words) };
        let given = &mut self.tally.given;
        let mut stream =
            Stream { io: &mut self.io, unwritten: &mut self.unwritten, given, left: READ_AT_ONCE, cx };
        // It cannot block, and a connection that is closed already needs no close frame.
        drop(self.context.close(&mut stream, Some(frame)));
    }

    fn push_raw(&mut self, opcode: u8, payload: &[u8]) {
        if self.written > 0 {
            self.unwritten.drain(..self.written);
            self.written = 0;
        }
        let head = Header::new(opcode, payload.len());
        self.unwritten.reserve(head.len + payload.len());
        self.unwritten.extend_from_slice(head.bytes.get(..head.len).unwrap_or_default());
        self.unwritten.extend_from_slice(payload);
    }

    /// Writes everything that was pushed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.unwritten.get(self.written..).filter(|rest| !rest.is_empty()) {
            let len = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += len;
        }
        self.unwritten = Vec::new();
        self.written = 0;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Closes the sending side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// FIN and the opcode.
const OPCODE_TEXT: u8 = 0x81;
const OPCODE_BINARY: u8 = 0x82;

/// The header of an unmasked frame (RFC 6455, section 5.2).
struct Header {
    bytes: [u8; 10],
    len: usize,
}

impl Header {
    fn new(opcode: u8, payload: usize) -> Self {
        let long = u64::try_from(payload).unwrap_or(u64::MAX).to_be_bytes();
        let [.., seventh, eighth] = long;
        let mut bytes = [0; 10];
        let (first, rest) = bytes.split_at_mut(2);
        let len = match payload {
            0..=125 => {
                first.copy_from_slice(&[opcode, eighth]);
                2
            }
            126..=0xffff => {
                first.copy_from_slice(&[opcode, 126]);
                rest.iter_mut().zip([seventh, eighth]).for_each(|(to, from)| *to = from);
                4
            }
            _ => {
                first.copy_from_slice(&[opcode, 127]);
                rest.copy_from_slice(&long);
                10
            }
        };
        Self { bytes, len }
    }
}

/// What tungstenite reads from and writes to: never blocks.
struct Stream<'a, 'b> {
    io: &'a mut Gate<TokioIo<Upgraded>>,
    unwritten: &'a mut Vec<u8>,
    given: &'a mut usize,
    /// How many bytes may still be read in one go.
    left: usize,
    cx: &'a mut Context<'b>,
}

impl Read for Stream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let len = buffer.filled().len();
                *self.given = self.given.wrapping_add(len);
                self.left = self.left.saturating_sub(len);
                Ok(len)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Stream<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unwritten.len() > MAX_UNWRITTEN_REPLIES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unwritten.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_every_length() {
        let header = |len| {
            let header = Header::new(OPCODE_TEXT, len);
            header.bytes[..header.len].to_vec()
        };
        assert_eq!(header(0), [0x81, 0]);
        assert_eq!(header(125), [0x81, 125]);
        assert_eq!(header(126), [0x81, 126, 0, 126]);
        assert_eq!(header(65535), [0x81, 126, 0xff, 0xff]);
        assert_eq!(header(65536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
