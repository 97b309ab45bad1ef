//! The one task of a session: reads, handles, writes, keeps time, takes leave.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::wake;
use super::outbox::shrink;
use super::polling::Upgrade;
use super::server::{Engine, Place};
use super::websocket::WebSocket;
use super::{Connection, Frame, Handshake, Message, Protocol};
use crate::Reason;
use crate::codec::engine::Packet;

/// How often the task looks around before it lets others run.
const ROUNDS: usize = 16;
/// How many packets it reads before it writes.
const READS_PER_ROUND: usize = 64;

pub(crate) struct Driver<P: Protocol> {
    engine: Arc<Engine<P>>,
    connection: Connection,
    receiver: P::Receiver,
    /// Away while a job is being handled, gone when closed.
    session: Option<P::Session>,
    running: Option<Running<P::Session>>,
    inbox: VecDeque<(P::Job, usize)>,
    inbox_bytes: usize,
    /// `None` while polling, and when the socket is gone.
    socket: Option<Box<WebSocket>>,
    /// Taken from the outbox, not yet given to the socket.
    batch: VecDeque<Frame>,
    blocked: bool,
    sleep: Pin<Box<Sleep>>,
    heartbeat: Heartbeat,
    established: bool,
    establish_by: Option<Instant>,
    leaving: Option<Leaving>,
    _place: Place,
}

/// Gives the session back, or nothing when it was closed.
type Running<S> = Pin<Box<dyn Future<Output = Option<S>> + Send>>;

enum Heartbeat {
    PingAt(Instant),
    PongBy(Instant),
}

/// How the task ends: what was received is handled, what was queued is sent, both sides take leave.
struct Leaving {
    reason: Reason,
    by: Instant,
    closed: bool,
    close_pushed: bool,
    shut_down: bool,
}

/// Nothing in it is pinned in place.
impl<P: Protocol> Unpin for Driver<P> {}

impl<P: Protocol> Driver<P> {
    pub(crate) fn new(
        engine: Arc<Engine<P>>,
        place: Place,
        connection: Connection,
        handshake: Handshake,
        socket: Option<Box<WebSocket>>,
    ) -> Self {
        let now = Instant::now();
        let ping_at = now + engine.config.ping_interval;
        let establish_by = engine.config.connect_timeout.map(|timeout| now + timeout);
        let (receiver, session) = engine.protocol.open(handshake, connection.clone());
        let established = connection.is_established();
        Self {
            engine,
            connection,
            receiver,
            session: Some(session),
            running: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            socket,
            batch: VecDeque::new(),
            blocked: false,
            sleep: Box::pin(sleep_until(establish_by.map_or(ping_at, |by| by.min(ping_at)))),
            heartbeat: Heartbeat::PingAt(ping_at),
            established,
            establish_by,
            leaving: None,
            _place: place,
        }
    }

    /// Looks at what others have left in the shared state.
    fn look(&mut self) {
        let mut state = self.connection.lock();
        let ending = state.ending.filter(|_| self.leaving.is_none());
        let nudged = std::mem::take(&mut state.nudged);
        let moved = match &mut state.polling {
            Some(polling) if polling.body.is_none() && matches!(polling.upgrade, Upgrade::Done(_)) => {
                state.polling.take()
            }
            _ => None,
        };
        drop(state);
        if let Some(polling) = moved {
            let polling = *polling;
            if let Upgrade::Done(mut socket) = polling.upgrade {
                socket.set_max_payload(self.engine.config.payload_limit(self.established));
                if polling.ping {
                    socket.push_text("2");
                }
                self.socket = Some(socket);
            }
        }
        if nudged && let Some(job) = self.engine.protocol.nudged(&mut self.receiver) {
            self.inbox.push_back((job, 0));
        }
        if let Some(reason) = ending {
            self.begin_leaving(reason);
        }
        self.follow_establishment();
    }

    fn follow_establishment(&mut self) {
        let established = self.connection.is_established();
        if established == self.established {
            return;
        }
        self.established = established;
        let config = &self.engine.config;
        let timeout = config.connect_timeout.filter(|_| !established);
        self.establish_by = timeout.map(|timeout| Instant::now() + timeout);
        if let Some(socket) = &mut self.socket {
            socket.set_max_payload(config.payload_limit(established));
        }
    }

    fn begin_leaving(&mut self, reason: Reason) {
        let by = Instant::now() + self.engine.config.close_timeout;
        self.leaving = Some(Leaving { reason, by, closed: false, close_pushed: false, shut_down: false });
        if reason.is_servers_choice() {
            self.inbox.clear();
        }
        if reason == Reason::Slow {
            self.batch.clear();
        }
        if self.connection.lock().polling.is_none() || !reason.takes_leave() {
            self.engine.forget(self.connection.id());
        }
        tracing::debug!(session = %self.connection.id(), %reason, "closing");
    }

    /// Drives what is being handled, and begins what is next.
    fn work(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        loop {
            if let Some(running) = &mut self.running {
                let Poll::Ready(session) = running.as_mut().poll(cx) else { return progress };
                self.running = None;
                if session.is_none()
                    && let Some(leaving) = &mut self.leaving
                {
                    leaving.closed = true;
                }
                self.session = session;
                progress = true;
                // What has been handled may have ended the session, or established it.
                self.look();
            }
            if self.inbox.is_empty() && self.leaving.is_none() {
                return progress;
            }
            let Some(mut session) = self.session.take() else { return progress };
            let engine = Arc::clone(&self.engine);
            self.running = Some(match (self.inbox.pop_front(), &self.leaving) {
                (Some((job, weight)), _) => {
                    self.inbox_bytes -= weight;
                    Box::pin(async move {
                        engine.protocol.handle(&mut session, job).await;
                        Some(session)
                    })
                }
                (None, Some(Leaving { reason, .. })) => {
                    let reason = *reason;
                    Box::pin(async move {
                        engine.protocol.close(session, reason).await;
                        None
                    })
                }
                (None, None) => return progress,
            });
        }
    }

    fn has_room(&self) -> bool {
        self.leaving.is_none()
            && self.inbox.len() < self.engine.config.inbox_messages
            && self.inbox_bytes < self.engine.config.inbox_bytes
    }

    /// Receives as long as the inbox has room.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        for _ in 0..READS_PER_ROUND {
            if self.leaving.is_some() {
                return self.drain_socket(cx) || progress;
            }
            if !self.has_room() {
                return progress;
            }
            let packet = match &mut self.socket {
                Some(socket) => match socket.poll_read(cx) {
                    Poll::Pending => return progress,
                    Poll::Ready(packet) => packet,
                },
                None => match self.next_posted() {
                    None => return progress,
                    Some(packet) => packet,
                },
            };
            progress = true;
            if let Err(reason) = packet.and_then(|packet| self.receive(packet)) {
                self.connection.close(reason);
                self.look();
            }
        }
        progress
    }

    /// The next packet that a POST brought.
    fn next_posted(&mut self) -> Option<Result<Packet, Reason>> {
        let mut state = self.connection.lock();
        let polling = state.polling.as_mut()?;
        if let Some(packet) = polling.body.as_mut()?.next() {
            return Some(packet.map_err(|_| Reason::ParseError));
        }
        polling.body = None;
        let waker = polling.post.wake();
        drop(state);
        wake(waker);
        None
    }

    fn receive(&mut self, packet: Packet) -> Result<(), Reason> {
        let message = match packet {
            Packet::Text(text) => Message::Text(text),
            Packet::Binary(bytes) => Message::Binary(bytes),
            Packet::Pong => {
                self.heartbeat = Heartbeat::PingAt(Instant::now() + self.engine.config.ping_interval);
                self.connection.lock().pong_due = None;
                return Ok(());
            }
            Packet::Noop => return Ok(()),
            Packet::Close => return Err(Reason::TransportClose),
            Packet::Ping(_) | Packet::Upgrade => return Err(Reason::ParseError),
        };
        let weight = message.size();
        if let Some(job) = self.engine.protocol.receive(&mut self.receiver, message)? {
            self.inbox.push_back((job, weight));
            self.inbox_bytes += weight;
        }
        Ok(())
    }

    /// Waits for the other side to close: dropping a socket with unread bytes would reset it, and could take
    /// the last packets from the client.
    fn drain_socket(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        match socket.poll_read(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(_)) => true,
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
    fn write(&mut self, cx: &mut Context<'_>) {
        self.blocked = false;
        while let Some(socket) = &mut self.socket {
            while socket.has_room() {
                match self.batch.pop_front() {
                    Some(frame) => socket.push(&frame),
                    None => {
                        self.connection.take(&mut self.batch);
                        if self.batch.is_empty() {
                            break;
                        }
                    }
                }
            }
            if let Some(leaving) = &mut self.leaving
                && self.batch.is_empty()
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

    /// Does what the clock says.
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        if let Some(leaving) = &self.leaving {
            let late = now >= leaving.by;
            return late && self.socket.take().is_some();
        }
        if self.establish_by.is_some_and(|by| now >= by) {
            self.connection.close(Reason::ConnectTimeout);
            return true;
        }
        match self.heartbeat {
            Heartbeat::PingAt(at) if now >= at => self.ping(at),
            // Its answer may wait behind the messages that there is no room for.
            Heartbeat::PongBy(by) if now >= by && !self.has_room() => {
                self.expect_pong(now + self.engine.config.ping_timeout);
            }
            Heartbeat::PongBy(by) if now >= by => self.connection.close(Reason::PingTimeout),
            Heartbeat::PingAt(_) | Heartbeat::PongBy(_) => return false,
        }
        true
    }

    fn ping(&mut self, at: Instant) {
        self.expect_pong(at + self.engine.config.ping_timeout);
        if let Some(socket) = &mut self.socket {
            socket.push_text("2");
            return;
        }
        let mut state = self.connection.lock();
        if let Some(polling) = &mut state.polling {
            polling.ping = true;
            let waker = polling.poll.wake();
            drop(state);
            wake(waker);
        }
    }

    fn expect_pong(&mut self, by: Instant) {
        self.heartbeat = Heartbeat::PongBy(by);
        self.connection.lock().pong_due = Some(by);
    }

    fn is_done(&self) -> bool {
        let Some(leaving) = &self.leaving else { return false };
        if !leaving.closed || self.socket.is_some() {
            return false;
        }
        let state = self.connection.lock();
        match &state.polling {
            Some(polling) => polling.left || !leaving.reason.takes_leave() || Instant::now() >= leaving.by,
            None => true,
        }
    }

    /// Whether the clock has something to say already; otherwise it will wake the task.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = match (&self.leaving, &self.heartbeat) {
            (Some(leaving), _) => leaving.by,
            (None, Heartbeat::PingAt(at) | Heartbeat::PongBy(at)) => {
                self.establish_by.map_or(*at, |by| by.min(*at))
            }
        };
        if next < self.sleep.deadline() || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        self.sleep.as_mut().poll(cx)
    }

    /// Whether there is nothing to do until somebody wakes the task.
    fn rests(&mut self, cx: &Context<'_>) -> bool {
        let (has_room, leaving) = (self.has_room(), self.leaving.is_some());
        let mut state = self.connection.lock();
        let news = state.nudged
            || (state.ending.is_some() && !leaving)
            || match &state.polling {
                Some(polling) => {
                    (polling.body.is_some() && has_room)
                        || (polling.body.is_none() && matches!(polling.upgrade, Upgrade::Done(_)))
                }
                None => self.socket.is_some() && !self.blocked && !leaving && !state.outbox.is_empty(),
            };
        if !news {
            state.blocked = self.blocked;
            state.sleeper = Some(cx.waker().clone());
        }
        drop(state);
        if self.inbox.is_empty() {
            // An idle connection keeps nothing that it does not need.
            self.inbox = VecDeque::new();
        }
        !news
    }
}

impl<P: Protocol> Future for Driver<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            this.look();
            let worked = this.work(cx);
            let read = this.read(cx);
            let ticked = this.tick();
            this.write(cx);
            if this.is_done() {
                return Poll::Ready(());
            }
            if worked || read || ticked {
                continue;
            }
            if this.poll_clock(cx).is_pending() && this.rests(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<P: Protocol> Drop for Driver<P> {
    fn drop(&mut self) {
        self.engine.forget(self.connection.id());
        // Says nothing new unless the task is dropped or has panicked.
        self.connection.close(Reason::TransportError);
    }
}
