//! Answers: short ones at once, long ones piece by piece as the client takes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{CommandError, Extent, Messaging, Outcome, ReadError, Rest};
use tidings_domain::ports::Budget;
use tidings_domain::user::Actor;
use tidings_wire::{Pieces, Reply, Route};
use tokio::sync::OwnedSemaphorePermit;

use crate::door::{Failed, response, unpanicked};
use crate::in_flight::{Place, Room};

/// An answer of up to so many bytes is not counted: it goes to the system at once, or nearly so.
const SHORT_BYTES: usize = 16 * 1024;
/// An answer of about so many bytes is still written as one, with its length.
const WHOLE_BYTES: usize = 256 * 1024;
/// A page whose reader asks on from where it ends is ended once it has so many bytes, as JSON.
pub const CURSOR_PAGE_BYTES: usize = 1024 * 1024;
/// More than a piece has as JSON, in bytes: 64 KiB of texts and the last one of them with every character escaped, and
/// what stands around them.
const PIECE_BYTES: usize = 768 * 1024;
/// How long an answer that has begun waits for room for its next piece.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(30);

/// Whatever is needed to write an answer.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) messaging: Messaging,
    pub(crate) actor: Actor,
    pub(crate) route: &'static Route,
    pub(crate) place: Arc<Place>,
}

/// An answer that is being written in pieces.
struct Written {
    by: Answering,
    pieces: Pieces,
    /// None when all has been read.
    rest: Option<Rest>,
    /// For what the rest takes in memory.
    rest_room: Room,
    has_items: bool,
    bytes: usize,
}

/// Why an answer that had begun was broken off.
#[derive(Debug)]
enum BrokenOff {
    Read(ReadError),
    Waited,
    Panicked,
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Waited => f.write_str("there was no room for the next piece in time"),
            Self::Panicked => f.write_str("reading the next piece panicked"),
        }
    }
}

impl std::error::Error for BrokenOff {}

impl Answering {
    /// The answer to what the route's command came to. `begun` is the leave to begin that a long read took; it is kept
    /// until there is room for the answer.
    pub(crate) async fn respond(
        self,
        mut result: Result<Outcome, CommandError>,
        begun: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, Failed> {
        let reply = (self.route.encode)(&self.actor, result.as_ref());
        let rest = result.as_mut().ok().and_then(Outcome::take_rest);
        // What is written is all that is needed of it.
        drop(result);
        match (reply.pieces, rest) {
            (Some(pieces), Some(rest)) => {
                let bytes = rest.bytes().saturating_add(WHOLE_BYTES + PIECE_BYTES);
                let room = self.place.in_flight().room(bytes, None).await?;
                drop(begun);
                self.in_pieces(reply, pieces, rest, room).await
            }
            (_, _) => self.whole(reply, None).await,
        }
    }

    /// An answer with its length.
    async fn whole(self, reply: Reply, room: Option<Room>) -> Result<Response, Failed> {
        let Some(text) = reply.body.as_ref().filter(|text| text.len() > SHORT_BYTES) else {
            return Ok(response(reply));
        };
        let room = match room {
            Some(room) => room,
            None => self.place.in_flight().room(text.len(), None).await?,
        };
        let place = self.place;
        Ok(with_body(reply, |text| Body::from(counted(text, room, place))))
    }

    async fn in_pieces(
        self,
        mut reply: Reply,
        pieces: Pieces,
        rest: Rest,
        mut room: Room,
    ) -> Result<Response, Failed> {
        let first = reply.body.take().unwrap_or_default();
        let mut text = String::with_capacity(WHOLE_BYTES);
        text.push_str(pieces.start);
        text.push_str(&first);
        let bytes = text.len();
        let (rest_room, has_items) = (room.split_off(WHOLE_BYTES + PIECE_BYTES), !first.is_empty());
        let mut written = Written { by: self, pieces, rest: Some(rest), rest_room, has_items, bytes };
        while text.len() < WHOLE_BYTES && written.rest.is_some() {
            let piece = written.next().await;
            match piece {
                Ok(piece) => text.push_str(&piece),
                Err(BrokenOff::Read(error)) => {
                    let route = written.by.route;
                    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable) {
                        let (method, route) = (route.method.as_str(), route.path);
                        tracing::error!(%error, method, route, "a request failed");
                    }
                    return Ok(response((route.encode)(&written.by.actor, Err(&error.into()))));
                }
                Err(BrokenOff::Waited) => return Err(Failed::Busy),
                Err(BrokenOff::Panicked) => return Err(Failed::Internal),
            }
        }
        room.shrink(text.len());
        if written.rest.is_none() {
            return written.by.whole(Reply { body: Some(text), ..reply }, Some(room)).await;
        }
        reply.body = Some(text);
        Ok(with_body(reply, |text| written.stream(text, room)))
    }
}

impl Written {
    /// A body that reads a piece when the one before it has been taken.
    fn stream(self, first: String, room: Room) -> Body {
        let first = counted(first, room, Arc::clone(&self.by.place));
        Body::from_stream(stream::try_unfold((Some(first), self), |(first, mut written)| async move {
            if let Some(first) = first {
                return Ok(Some((first, (None, written))));
            }
            if written.rest.is_none() {
                return Ok(None);
            }
            match written.counted().await {
                Ok(piece) => Ok(Some((piece, (None, written)))),
                Err(error) => {
                    // The connection is closed over it, so that nobody takes what they have for the whole.
                    let (method, route) = (written.by.route.method.as_str(), written.by.route.path);
                    tracing::error!(%error, method, route, "an answer was broken off");
                    Err(error)
                }
            }
        }))
    }

    /// The next piece, counted from before it is read until it is taken.
    async fn counted(&mut self) -> Result<Bytes, BrokenOff> {
        let room = self.by.place.in_flight().room(PIECE_BYTES, Some(ROOM_WAIT_MAX)).await;
        let mut room = room.map_err(|_| BrokenOff::Waited)?;
        let piece = self.next().await?;
        room.shrink(piece.len());
        Ok(counted(piece, room, Arc::clone(&self.by.place)))
    }

    /// The next piece, with what stands before it and, if it is the last one, behind it.
    async fn next(&mut self) -> Result<String, BrokenOff> {
        let Some(rest) = self.rest.take() else { return Ok(String::new()) };
        let may_end = rest.extent() == Extent::MayEndEarly && self.bytes >= CURSOR_PAGE_BYTES;
        let mut text = String::new();
        if !may_end {
            let (piece, rest) = unpanicked(self.read(rest)).await.ok_or(BrokenOff::Panicked)??;
            self.rest = rest;
            if !piece.is_empty() {
                if self.has_items {
                    text.push_str(self.pieces.separator);
                }
                self.has_items = true;
                text.push_str(&piece);
            }
        }
        if self.rest.is_none() {
            text.push_str(self.pieces.end);
        }
        self.rest_room.shrink(self.rest.as_ref().map_or(0, Rest::bytes));
        self.bytes = self.bytes.saturating_add(text.len());
        Ok(text)
    }

    async fn read(&self, rest: Rest) -> Result<(String, Option<Rest>), BrokenOff> {
        let Answering { messaging, actor, place, .. } = &self.by;
        let reading = place.read().await.map_err(|_| BrokenOff::Waited)?;
        let mut outcome = messaging.read_on(actor, rest).await.map_err(BrokenOff::Read)?;
        drop(reading);
        // Nothing may have been waited for: others have their turn before this is written.
        tokio::task::yield_now().await;
        charge(messaging, actor, 1);
        let piece = (self.pieces.piece)(actor, &outcome);
        Ok((piece, outcome.take_rest()))
    }
}

/// Takes what a request has cost beyond the usual from its user's budget, as far as there is something left. It was
/// answered; the next ones have to wait.
pub(crate) fn charge(messaging: &Messaging, actor: &Actor, requests: u32) {
    for _ in 0..requests {
        if messaging.limiter().try_take(Budget::Requests(&actor.user)).is_err() {
            break;
        }
    }
}

/// The reply with another kind of body.
fn with_body(mut reply: Reply, body: impl FnOnce(String) -> Body) -> Response {
    let text = reply.body.replace(String::new()).unwrap_or_default();
    response(reply).map(|_| body(text))
}

/// Bytes that count until they are written: the server keeps them for as long as that takes.
fn counted(text: String, room: Room, place: Arc<Place>) -> Bytes {
    Bytes::from_owner(Counted { text, _room: room, _place: place })
}

struct Counted {
    text: String,
    _room: Room,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
