//! The one task of a session: reads, handles, writes, keeps time, takes leave.

mod clock;
mod leaving;
mod meter;
mod overlap;
mod traffic;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use self::leaving::Leaving;
use self::meter::Meter;
use self::overlap::Overlap;
use super::connection::wake;
use super::large::Share;
use super::polling::Upgrade;
use super::server::{Engine, Place};
use super::websocket::WebSocket;
use super::{Connection, Frame, Handshake, Protocol};
use crate::Reason;

pub(crate) use self::meter::CHATTER;

/// How often the task looks around before it lets others run.
const ROUNDS: usize = 16;

pub(crate) struct Driver<P: Protocol> {
    engine: Arc<Engine<P>>,
    connection: Connection,
    receiver: P::Receiver,
    /// Away while a job is being handled, gone when closed.
    session: Option<P::Session>,
    running: Option<Running<P::Session>>,
    overlap: Overlap,
    /// What a nudge has brought; it goes before the inbox.
    urgent: Option<P::Job>,
    inbox: VecDeque<Received<P::Job>>,
    inbox_bytes: usize,
    /// `None` while polling, and when the socket is gone.
    socket: Option<Box<WebSocket>>,
    /// Taken from the outbox, not yet given to the socket.
    batch: VecDeque<Frame>,
    blocked: bool,
    /// Nothing more is written before this.
    hold: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    heartbeat: Heartbeat,
    /// The answer to the last ping has been given more time because reading had paused.
    has_paused: bool,
    /// A part of something has come, and its end has not.
    is_midway: bool,
    meter: Meter,
    established: bool,
    establish_by: Option<Instant>,
    /// Since when a large message has not been read on, for want of room in the inbox or of credit.
    stopped: Option<Instant>,
    leaving: Option<Leaving>,
    _place: Place,
}

/// What waits to be handled.
struct Received<J> {
    job: J,
    /// The size of the message that it came from.
    weight: usize,
    /// What that message has of the memory for large ones.
    share: Option<Share>,
}

/// Gives the session back, or nothing when it was closed.
type Running<S> = Pin<Box<dyn Future<Output = Option<S>> + Send>>;

enum Heartbeat {
    PingAt(Instant),
    PongBy(Instant),
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
        let meter = Meter::new(&engine.config, established, now);
        Self {
            engine,
            connection,
            receiver,
            session: Some(session),
            running: None,
            overlap: Overlap::default(),
            urgent: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            socket,
            batch: VecDeque::new(),
            blocked: false,
            hold: None,
            sleep: Box::pin(sleep_until(establish_by.map_or(ping_at, |by| by.min(ping_at)))),
            heartbeat: Heartbeat::PingAt(ping_at),
            has_paused: false,
            is_midway: false,
            meter,
            established,
            establish_by,
            stopped: None,
            leaving: None,
            _place: place,
        }
    }

    /// Looks at what others have left in the shared state.
    fn look(&mut self) {
        let mut state = self.connection.lock();
        let ending = state.ending.filter(|_| self.leaving.is_none());
        let nudged = self.urgent.is_none() && std::mem::take(&mut state.nudged);
        let moved = match &mut state.polling {
            Some(polling) if polling.body.is_none() && matches!(polling.upgrade, Upgrade::Done(_)) => {
                state.polling.take()
            }
            _ => None,
        };
        drop(state);
        if let Some(polling) = moved {
            let mut polling = *polling;
            wake(polling.poll.wake());
            wake(polling.post.wake());
            if let Upgrade::Done(mut socket) = polling.upgrade {
                socket.set_max_payload(self.engine.config.payload_limit(self.established));
                if polling.ping {
                    socket.push_text("2");
                }
                self.socket = Some(socket);
            }
        }
        if nudged {
            self.urgent = self.engine.protocol.nudged(&mut self.receiver);
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
        if established {
            self.meter.trust(&self.engine.config);
        }
        let config = &self.engine.config;
        let timeout = config.connect_timeout.filter(|_| !established);
        self.establish_by = timeout.map(|timeout| Instant::now() + timeout);
        if let Some(socket) = &mut self.socket {
            socket.set_max_payload(config.payload_limit(established));
        }
        let mut state = self.connection.lock();
        let is_large = state.polling.as_mut().is_some_and(|polling| polling.large.is_some());
        drop(state);
        if is_large && !established {
            self.connection.close(Reason::TooLarge);
        }
    }

    /// Drives what is being handled, and begins what is next.
    fn work(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = self.overlap.advance(cx);
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
            progress |= self.begin(cx);
            if self.urgent.is_none() && !self.overlap.is_empty() {
                // What is next waits until they are done, and so does the end.
                return progress;
            }
            let ending =
                self.leaving.as_ref().filter(|leaving| !leaving.finishing).map(|leaving| leaving.reason);
            let job = self.next_job();
            if job.is_none() && ending.is_none() {
                return progress;
            }
            let Some(mut session) = self.session.take() else { return progress };
            let engine = Arc::clone(&self.engine);
            self.running = Some(match (job, ending) {
                (Some((job, share)), _) => Box::pin(async move {
                    let _share = share;
                    engine.protocol.handle(&mut session, job).await;
                    Some(session)
                }),
                (None, Some(reason)) => Box::pin(async move {
                    engine.protocol.close(session, reason).await;
                    None
                }),
                (None, None) => return progress,
            });
        }
    }

    fn next_job(&mut self) -> Option<(P::Job, Option<Share>)> {
        if let Some(job) = self.urgent.take() {
            return Some((job, None));
        }
        let Received { job, weight, share } = self.inbox.pop_front()?;
        self.overlap.next_waits = false;
        self.inbox_bytes -= weight;
        Some((job, share))
    }

    /// Whether there is nothing to do until somebody wakes the task.
    fn rests(&mut self, cx: &Context<'_>) -> bool {
        let (has_room, leaving) = (self.has_room(), self.leaving.is_some());
        let closed = self.leaving.as_ref().is_some_and(|leaving| leaving.closed);
        let finishing = self.leaving.as_ref().is_some_and(|leaving| leaving.finishing);
        let mut state = self.connection.lock();
        let news = (finishing && self.has_answered(&state))
            || (state.nudged && self.urgent.is_none())
            || (state.ending.is_some() && !leaving)
            || match &state.polling {
                Some(polling) => {
                    (polling.body.is_some() && has_room)
                        || (closed && polling.left)
                        || (polling.body.is_none() && matches!(polling.upgrade, Upgrade::Done(_)))
                }
                None => {
                    self.socket.is_some()
                        && !self.blocked
                        && (!leaving || finishing)
                        && !state.outbox.is_empty()
                }
            };
        if !news {
            state.blocked = self.blocked;
            state.sleeper = Some(cx.waker().clone());
        }
        drop(state);
        if self.inbox.is_empty() && self.inbox.capacity() > 0 {
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
        // Once the socket has nothing more it wakes the task when it has, and need not be asked in every round.
        let mut dry = false;
        for _ in 0..ROUNDS {
            this.look();
            let worked = this.work(cx);
            let read = (!dry || this.leaving.is_some()) && this.read(cx, &mut dry);
            let finished = this.finish();
            let ticked = this.tick();
            this.write(cx);
            if this.is_done() {
                return Poll::Ready(());
            }
            if worked || read || finished || ticked {
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
        // Nothing more will be answered, even if the task has panicked.
        self.connection.lock().finishing = false;
        // Says nothing new unless the task is dropped or has panicked.
        self.connection.close(Reason::TransportError);
    }
}
