//! What is to be said, gathered per connection until the turn ends.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use super::frame;

/// Most bytes that wait for a server that does not read.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A queue that has grown beyond this gives its memory back.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// The queues of all connections, by the connection's number.
#[derive(Debug, Default)]
pub struct Post {
    queues: Vec<Queue>,
    /// Those that got something to write in this turn.
    due: Vec<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    written: usize,
}

/// What a flush left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    All,
    /// The system takes no more for now.
    Partly,
}

impl Post {
    pub(super) fn new(connections: usize) -> Self {
        Self { queues: std::iter::repeat_with(Queue::default).take(connections).collect(), due: Vec::new() }
    }

    /// Says a text to the server over this connection: its parts, one after the other.
    pub fn say(&mut self, over: usize, parts: &[&[u8]]) {
        if let Some(bytes) = self.queue(over) {
            frame::text(bytes, parts);
        }
    }

    /// As [`Post::say`], of what [`Post::encoded`] gave.
    pub fn say_encoded(&mut self, over: usize, encoded: &[u8]) {
        self.raw(over, encoded);
    }

    /// A text as it goes over the wire, for saying it often.
    #[must_use]
    pub fn encoded(text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() + 14);
        frame::text(&mut bytes, &[text]);
        bytes
    }

    pub(super) fn pong(&mut self, over: usize, payload: &[u8]) {
        if let Some(bytes) = self.queue(over) {
            frame::pong(bytes, payload);
        }
    }

    pub(super) fn raw(&mut self, over: usize, raw: &[u8]) {
        if let Some(bytes) = self.queue(over) {
            bytes.extend_from_slice(raw);
        }
    }

    /// The queue to append to. Its connection is due, unless it waits for the system to take more anyway.
    fn queue(&mut self, over: usize) -> Option<&mut Vec<u8>> {
        let queue = self.queues.get_mut(over)?;
        if queue.bytes.is_empty() {
            self.due.push(over);
        }
        Some(&mut queue.bytes)
    }

    /// The system takes more of this connection again.
    pub(super) fn continues(&mut self, over: usize) {
        self.due.push(over);
    }

    pub(super) fn forget(&mut self, over: usize) {
        if let Some(queue) = self.queues.get_mut(over) {
            *queue = Queue::default();
        }
        self.due.retain(|due| *due != over);
    }

    pub(super) fn next_due(&mut self) -> Option<usize> {
        self.due.pop()
    }

    /// Writes what waits for this connection, as far as the system takes it.
    pub(super) fn flush(&mut self, over: usize, mut stream: &TcpStream) -> io::Result<Flushed> {
        let Some(queue) = self.queues.get_mut(over) else { return Ok(Flushed::All) };
        while let Some(rest @ [_, ..]) = queue.bytes.get(queue.written..) {
            match stream.write(rest) {
                Ok(written) => queue.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if queue.bytes.len() > WAITING_BYTES_MAX {
                        return Err(io::Error::other("the server has not read for 16 MiB"));
                    }
                    return Ok(Flushed::Partly);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        queue.written = 0;
        if queue.bytes.capacity() > KEPT_BYTES_MAX {
            queue.bytes = Vec::new();
        } else {
            queue.bytes.clear();
        }
        Ok(Flushed::All)
    }
}
