//! Reading packets and writing frames.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::super::connection::wake;
use super::super::outbox::shrink;
use super::super::websocket::Incoming;
use super::meter::CHATTER;
use super::{Driver, Heartbeat, Leaving, Received};
use crate::Reason;
use crate::codec::engine::Packet;
use crate::engine::large::Share;
use crate::engine::{Message, Protocol};

/// How long nothing follows a frame that stands alone, so that it does not arrive in one chunk with the next.
///
/// Clients that wait for one message and only then listen for the next one, as the official test suites do,
/// would miss it.
const STANDS_ALONE_FOR: Duration = Duration::from_millis(5);
/// How many packets are read before something is written.
const READS_PER_ROUND: usize = 64;

impl<P: Protocol> Driver<P> {
    /// Whether more is read.
    pub(super) fn has_room(&self) -> bool {
        self.leaving.is_none() && !self.meter.is_paused() && self.inbox_has_room()
    }

    pub(super) fn inbox_has_room(&self) -> bool {
        let config = &self.engine.config;
        let bytes = if self.established { config.inbox_bytes } else { config.max_payload_unestablished };
        self.inbox.is_empty() || (self.inbox.len() < config.inbox_messages && self.inbox_bytes < bytes)
    }

    /// Receives as long as the inbox has room. `dry`: the socket has nothing more, and will wake the task.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, dry: &mut bool) -> bool {
        let mut progress = false;
        for _ in 0..READS_PER_ROUND {
            if self.leaving.is_some() {
                return self.drain_socket(cx) || progress;
            }
            if !self.has_room() {
                return progress;
            }
            let (received, bytes) = match &mut self.socket {
                Some(socket) => match socket.poll_read(cx) {
                    Poll::Pending => {
                        let bytes = socket.take_bytes_read();
                        *dry = true;
                        return self.awaits_more(bytes) || progress;
                    }
                    Poll::Ready(received) => (received, socket.take_bytes_read()),
                },
                None => match self.next_posted() {
                    None => {
                        self.meter.rest();
                        return progress;
                    }
                    Some(received) => (received, 0),
                },
            };
            progress = true;
            if let Err(reason) = received.and_then(|received| self.receive(received, bytes)) {
                self.connection.close(reason);
                self.look();
            }
        }
        progress
    }

    /// The socket has nothing more. What came without making up a packet costs a unit besides its bytes.
    fn awaits_more(&mut self, bytes: usize) -> bool {
        if bytes == 0 {
            if !self.is_midway {
                self.meter.rest();
            }
            return false;
        }
        self.is_midway = true;
        if let Err(reason) = self.meter.charge_part(1, bytes, &self.engine.config) {
            self.connection.close(reason);
        }
        true
    }

    /// What a POST brought next.
    fn next_posted(&mut self) -> Option<Result<Incoming, Reason>> {
        let mut state = self.connection.lock();
        let polling = state.polling.as_mut()?;
        if let Some(packet) = polling.body.as_mut()?.next() {
            return Some(packet.map(Incoming::Packet).map_err(|_| Reason::ParseError));
        }
        (polling.body, polling.share) = (None, None);
        let waker = polling.post.wake();
        drop(state);
        wake(waker);
        Some(Ok(Incoming::Request))
    }

    /// Receives something that `bytes` had to be read for, as far as they are known.
    fn receive(&mut self, received: Incoming, bytes: usize) -> Result<(), Reason> {
        self.is_midway = matches!(received, Incoming::Part);
        let message = match received {
            Incoming::Packet(Packet::Text(text)) => Message::Text(text),
            Incoming::Packet(Packet::Binary(bytes)) => Message::Binary(bytes),
            Incoming::Packet(packet) => {
                self.meter.charge(CHATTER, bytes, &self.engine.config)?;
                return self.control(&packet);
            }
            Incoming::Control | Incoming::Request => {
                return self.meter.charge(CHATTER, bytes, &self.engine.config);
            }
            Incoming::Part => return self.meter.charge_part(0, bytes, &self.engine.config),
        };
        let weight = message.size();
        let share = self.take_share();
        let bytes = if self.socket.is_some() { bytes } else { weight };
        let units = self.engine.protocol.cost(&message);
        self.meter.charge(units, bytes, &self.engine.config)?;
        if let Some(job) = self.engine.protocol.receive(&mut self.receiver, message)? {
            if self.inbox.capacity() == 0 {
                // Nearly always one at a time: room for that one alone.
                self.inbox.reserve_exact(1);
            }
            self.inbox.push_back(Received { job, weight, share });
            self.inbox_bytes += weight;
        }
        Ok(())
    }

    /// What the message that has just come has of the memory for large ones.
    fn take_share(&mut self) -> Option<Share> {
        match &mut self.socket {
            Some(socket) => socket.take_share(),
            None => self.connection.lock().polling.as_ref()?.share.clone(),
        }
    }

    /// Receives a packet of Engine.IO itself.
    fn control(&mut self, packet: &Packet) -> Result<(), Reason> {
        match packet {
            Packet::Pong => {
                self.heartbeat = Heartbeat::PingAt(Instant::now() + self.engine.config.ping_interval);
                self.connection.lock().pong_due = None;
                Ok(())
            }
            Packet::Noop => Ok(()),
            Packet::Close => Err(Reason::TransportClose),
            // Messages are received elsewhere.
            Packet::Ping(_) | Packet::Upgrade | Packet::Text(_) | Packet::Binary(_) => {
                Err(Reason::ParseError)
            }
        }
    }

    /// Waits for the other side to close: dropping a socket with unread bytes would reset it, and could take
    /// the last packets from the client.
    fn drain_socket(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(socket), Some(Leaving { close_pushed: true, patience, .. })) =
            (&mut self.socket, &mut self.leaving)
        else {
            return false;
        };
        if *patience == 0 {
            // Not a client that takes leave. What it is still told may not arrive.
            if socket.poll_flush(cx).is_pending() {
                return false;
            }
            self.socket = None;
            return true;
        }
        match socket.poll_read(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(_)) => {
                *patience = patience.saturating_sub(socket.take_bytes_read());
                true
            }
            Poll::Ready(Err(_)) => {
                // The answer to the closing may still be unwritten.
                if socket.poll_flush(cx).is_ready() {
                    self.socket = None;
                }
                true
            }
        }
    }

    /// Writes what waits, gathered into large writes.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) {
        // While held back, as when the socket takes no more, new frames need not wake the task.
        self.blocked = self.hold.is_some_and(|until| Instant::now() < until);
        if !self.blocked {
            self.hold = None;
        }
        while let Some(socket) = &mut self.socket {
            while socket.has_room() && self.hold.is_none() {
                match self.batch.pop_front() {
                    Some(frame) => {
                        socket.push(&frame);
                        if frame.stands_alone() {
                            self.hold = Some(Instant::now() + STANDS_ALONE_FOR);
                            self.blocked = true;
                        }
                    }
                    None => {
                        self.connection.take(&mut self.batch);
                        if self.batch.is_empty() {
                            break;
                        }
                    }
                }
            }
            if let Some(leaving) = &mut self.leaving
                && !leaving.finishing
                && self.batch.is_empty()
                && self.hold.is_none()
                && !std::mem::replace(&mut leaving.close_pushed, true)
            {
                socket.push_close(cx, leaving.reason);
            }
            if !socket.has_unwritten() {
                break;
            }
            match socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    self.blocked = true;
                    break;
                }
                Poll::Ready(Err(_)) => {
                    self.socket = None;
                    self.connection.close(Reason::TransportError);
                    self.look();
                }
            }
        }
        shrink(&mut self.batch);
        self.shut_down(cx);
    }

    /// Closes the sending side when everything is sent.
    fn shut_down(&mut self, cx: &mut Context<'_>) {
        if let (Some(leaving), Some(socket)) = (&mut self.leaving, &mut self.socket)
            && leaving.close_pushed
            && !leaving.shut_down
            && !socket.has_unwritten()
        {
            leaving.shut_down = socket.poll_shutdown(cx).is_ready();
        }
    }
}
