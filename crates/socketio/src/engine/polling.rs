//! HTTP long-polling: the state of such a session, and the requests that fetch packets.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use tokio::time::{Instant, timeout};

use super::connection::{State, wake};
use super::frame::Head;
use super::large::Share;
use super::requests::Refusal;
use super::websocket::WebSocket;
use super::{Body, Connection, Frame};
use crate::Reason;
use crate::codec::engine::{Payload, push_binary, push_text};

/// How long a poll that begins in the middle of an upgrade waits for its end, before it is answered with
/// nothing so that the client can go on. A client that has upgraded makes no more polls.
const UPGRADE_HOLD: Duration = Duration::from_millis(100);

/// The state of a session that uses long-polling.
#[derive(Default)]
pub(crate) struct Polling {
    /// A ping waits for the next poll.
    pub(crate) ping: bool,
    /// The waiting poll is to be answered with nothing, for the sake of an upgrade.
    pub(crate) release: bool,
    /// The last packets have been fetched.
    pub(crate) left: bool,
    pub(crate) poll: Seat,
    pub(crate) post: Seat,
    /// What a POST brought and the session has not taken yet.
    pub(crate) body: Option<Payload>,
    /// A POST whose body is a large one, until it is there.
    pub(crate) large: Option<Large>,
    /// Its share of the memory for large messages, if it is one.
    pub(crate) share: Option<Share>,
    pub(crate) upgrade: Upgrade,
    /// The task that looks after an upgrade.
    pub(crate) prober: Option<Waker>,
}

/// A place for one request at a time.
#[derive(Default)]
pub(crate) enum Seat {
    #[default]
    Free,
    Taken(Option<Waker>),
}

impl Seat {
    fn sit(&mut self) -> bool {
        let free = matches!(self, Self::Free);
        if free {
            *self = Self::Taken(None);
        }
        free
    }

    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        *self = Self::Taken(Some(cx.waker().clone()));
    }

    pub(crate) fn wake(&mut self) -> Option<Waker> {
        match self {
            Self::Free => None,
            Self::Taken(waker) => waker.take(),
        }
    }
}

/// How far a large POST is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Large {
    /// It waits for its share of the memory.
    Waits,
    /// It has one.
    Comes,
}

/// How far a session is on its way to a WebSocket.
#[derive(Default)]
pub(crate) enum Upgrade {
    #[default]
    None,
    /// A WebSocket is being opened for it.
    Begun,
    /// The client's probe has been answered.
    Probed,
    /// The client has moved; the session's task is to take it over.
    Done(Box<WebSocket>),
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Poll,
    Post,
}

/// Holds a seat while a request is waiting. A request that ends without an answer, because its client has gone
/// away, closes the session: what the answer would have carried is lost.
pub(super) struct Seated<'a> {
    connection: &'a Connection,
    kind: Kind,
    answered: bool,
}

impl<'a> Seated<'a> {
    pub(super) const fn new(connection: &'a Connection, kind: Kind) -> Self {
        Self { connection, kind, answered: false }
    }

    pub(super) fn leave(mut self) {
        self.answered = true;
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        // A session that has moved to a WebSocket does not mind.
        let Some(polling) = &mut state.polling else { return };
        match self.kind {
            Kind::Poll => polling.poll = Seat::Free,
            Kind::Post => polling.post = Seat::Free,
        }
        let moved = matches!(polling.upgrade, Upgrade::Done(_));
        // A refusal may wait until the poll is answered.
        let poster = if matches!(self.kind, Kind::Poll) { polling.post.wake() } else { None };
        drop(state);
        wake(poster);
        if !self.answered && !moved {
            self.connection.close(Reason::TransportError);
        }
    }
}

/// Answers a GET: waits until there is something to send.
pub(crate) async fn poll(connection: &Connection) -> Result<Response<Body>, Refusal> {
    let upgrading = sit(connection, Kind::Poll)?;
    let seated = Seated::new(connection, Kind::Poll);
    let mut frames = VecDeque::new();
    let answer = poll_fn(|cx| take(connection, &mut frames, cx));
    let tail =
        if upgrading { timeout(UPGRADE_HOLD, answer).await.unwrap_or(Ok(Tail::Noop)) } else { answer.await };
    seated.leave();
    let mut payload = String::new();
    let tail = tail?;
    if tail == Tail::Ping {
        push_text(&mut payload, "2");
    }
    for frame in &frames {
        push_frame(&mut payload, frame);
    }
    match tail {
        Tail::Close => push_text(&mut payload, "1"),
        Tail::Noop => push_text(&mut payload, "6"),
        Tail::None | Tail::Ping => {}
    }
    Ok(text(payload))
}

/// What a poll's answer has besides frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    None,
    Ping,
    Noop,
    Close,
}

/// Takes the place of a request; two of a kind at once are a client's fault that ends the session.
/// Says whether an upgrade is under way.
pub(super) fn sit(connection: &Connection, kind: Kind) -> Result<bool, Refusal> {
    let mut state = connection.lock();
    if state.pong_due.is_some_and(|due| due <= Instant::now()) && !state.keeps_post_waiting() {
        // The session's task may be a little late to notice.
        drop(state);
        connection.close(Reason::PingTimeout);
        return Err(Refusal::UnknownSession);
    }
    // As long as answers are missing, both kinds of requests wait for them.
    let ending = state.ending.filter(|_| !state.finishing);
    let Some(polling) = &mut state.polling else { return Err(Refusal::BadRequest) };
    let seat = match kind {
        // The last packets may still be fetched, once.
        Kind::Poll if polling.left || ending.is_some_and(|reason| !reason.takes_leave()) => {
            return Err(Refusal::UnknownSession);
        }
        Kind::Post if ending.is_some() => return Err(Refusal::UnknownSession),
        Kind::Poll => &mut polling.poll,
        Kind::Post => &mut polling.post,
    };
    if !seat.sit() {
        drop(state);
        connection.close(Reason::TransportError);
        return Err(Refusal::BadRequest);
    }
    Ok(matches!(polling.upgrade, Upgrade::Probed))
}

/// Takes what a poll is to be answered with, or waits for it.
fn take(
    connection: &Connection,
    frames: &mut VecDeque<Frame>,
    cx: &mut Context<'_>,
) -> Poll<Result<Tail, Refusal>> {
    let mut guard = connection.lock();
    let State { ending, finishing, outbox, sleeper, polling, .. } = &mut *guard;
    let Some(polling) = polling.as_mut().filter(|polling| !matches!(polling.upgrade, Upgrade::Done(_)))
    else {
        return Poll::Ready(Err(Refusal::BadRequest));
    };
    if *finishing {
        // A client that has an answer has to ask again before it hears the rest, and may find the server gone: all the
        // answers and the close go together.
        polling.poll.wait(cx);
        return Poll::Pending;
    }
    if let Some(reason) = *ending {
        polling.left = true;
        outbox.take(frames);
        let sleeper = sleeper.take();
        drop(guard);
        wake(sleeper);
        let tail = if reason == Reason::TransportClose { Tail::Noop } else { Tail::Close };
        return Poll::Ready(Ok(tail));
    }
    let tail = if std::mem::take(&mut polling.ping) {
        Tail::Ping
    } else if std::mem::take(&mut polling.release) {
        Tail::Noop
    } else {
        Tail::None
    };
    if tail == Tail::None && outbox.is_empty() {
        polling.poll.wait(cx);
        return Poll::Pending;
    }
    outbox.take(frames);
    Poll::Ready(Ok(tail))
}

fn push_frame(payload: &mut String, frame: &Frame) {
    match frame.head() {
        Head::Text(packet) => push_text(payload, packet),
        Head::Binary(bytes) => push_binary(payload, bytes),
    }
    for attachment in frame.attachments() {
        push_binary(payload, attachment);
    }
}

/// A successful answer.
pub(crate) fn text(payload: String) -> Response<Body> {
    let mut response = Response::new(Body::new(payload.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
