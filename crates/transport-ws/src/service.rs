//! The Socket.IO side of the dialects: namespaces, sessions, events.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tidings_domain::id::UserId;
use tidings_domain::message::Origin;
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::{Budget, TokenVerifier, TooMany};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Actor, Identity};
use tidings_socketio::{Accepted, Ack, Begun, Body, Connect, Event, Reason, Service, Socket};
pub use tidings_socketio::{Origins, requested_headers};
use tidings_wire::{Answer, AuthFailure, Dialect, EventError, Intent, Refused};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Hub;
use crate::fanout::encode;
use crate::hub::Stopped;
use crate::input::{Input, Intended, Live, Reply, ThreadInput};
use crate::patience;
use crate::performer::{Performer, decode};
use crate::seats::Seat;
use crate::sessions::{Coming, Place, Session};

/// What a client hears that sends too many events.
const TOO_MANY_EVENTS: &str = "too many events in too short a time";
/// What a client hears that connects too often, and one whose user has too many sessions.
const TOO_MANY_REQUESTS: &str = "Too many requests";
const TOO_MANY_SESSIONS: &str = "Too many connections";

/// Serves the namespaces of dialects that share a Socket.IO path.
#[derive(Debug)]
pub struct DialectService {
    hub: Hub,
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    origins: Origins,
    dialects: Vec<&'static Dialect>,
    performer: Arc<Performer>,
}

/// What is remembered about a client in a namespace; nothing about one that is being turned away. Dropped, however
/// that comes about, it tells the hub that the session is gone.
#[derive(Debug)]
pub struct Known(Option<Here>);

#[derive(Debug)]
struct Here {
    session: Arc<Session>,
    hub: Hub,
    _seat: Seat,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.hub.went(self.session.id);
    }
}

impl DialectService {
    /// A service for `dialects`, which must have the same path and different namespaces.
    #[must_use]
    pub fn new(
        hub: Hub,
        messaging: Messaging,
        verifier: Arc<dyn TokenVerifier>,
        origins: Origins,
        dialects: Vec<&'static Dialect>,
    ) -> Self {
        let performer = Arc::new(Performer::new(hub.clone(), messaging.clone()));
        Self { hub, messaging, verifier, origins, dialects, performer }
    }

    /// When a session is closed whose token ends at `expires_at`; `None` for one beyond what the clock can count.
    fn end_of(&self, dialect: &Dialect, expires_at: Timestamp) -> Option<Instant> {
        let left = expires_at.as_millis().saturating_sub(self.messaging.now().as_millis());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        let beyond =
            if dialect.socket.outlives_token { self.hub.sockets_outlive_tokens() } else { Duration::ZERO };
        Instant::now().checked_add(left.checked_add(beyond)?)
    }

    fn dialect(&self, namespace: &str) -> Option<&'static Dialect> {
        self.dialects.iter().find(|dialect| dialect.socket.namespace == namespace).copied()
    }

    async fn authenticate(&self, dialect: &Dialect, request: &Connect) -> Result<Identity, AuthFailure> {
        let authorization = request.handshake().header(&AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = (dialect.socket.handshake.token)(request.auth(), authorization);
        let token = token.ok_or(AuthFailure::Missing)?;
        if token.is_empty() {
            return Err(AuthFailure::Empty);
        }
        let identity = self.verifier.verify(dialect.name, &token).await;
        let identity = identity.map_err(|error| AuthFailure::Invalid(error.0))?;
        if identity.is_service {
            return Err(AuthFailure::Invalid("the token is the host's own and speaks for no user"));
        }
        Ok(identity)
    }

    /// Lets a peer open another connection; when it has opened too many, it waits.
    async fn welcomes(&self, request: &Parts, peer: Option<SocketAddr>) -> Result<(), TooMany> {
        // Requests of a session that is there already were let in with it.
        let is_new = request.method != Method::OPTIONS
            && !request.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("sid="));
        match peer {
            Some(peer) if is_new => {
                patience::take(self.messaging.limiter(), Budget::Handshakes(peer.ip())).await
            }
            _ => Ok(()),
        }
    }

    /// A seat for a session of a user with a valid token.
    async fn seat(&self, user: &UserId, request: &Connect) -> Result<Seat, tidings_socketio::Refused> {
        let limiter = self.messaging.limiter();
        // Entering costs more than any event, so a user who does nothing else has to wait.
        if patience::take(limiter, Budget::Sessions(user)).await.is_err() {
            return Err(tidings_socketio::Refused::new(TOO_MANY_REQUESTS));
        }
        let seat = self.hub.seats().take(user);
        let seat = seat.ok_or_else(|| tidings_socketio::Refused::new(TOO_MANY_SESSIONS))?;
        if request.is_first()
            && let Some(peer) = request.handshake().peer()
        {
            // The connection was no stranger's. However many come from one address, they do not use up its budget.
            limiter.give_back(Budget::Handshakes(peer.ip()));
        }
        Ok(seat)
    }

    /// Lets a client in that has a valid token.
    async fn welcome(
        &self,
        dialect: &'static Dialect,
        identity: Identity,
        socket: Socket,
        seat: Seat,
    ) -> Result<Accepted<Known>, tidings_socketio::Refused> {
        let until = self.end_of(dialect, identity.expires_at);
        let id = self.messaging.new_session_id();
        let (origin, within) = (Origin::Session(id), (dialect.within)());
        let (actor, user) = match self.messaging.actor_of(&identity, origin, within.clone()).await {
            Ok(known) => known,
            Err(error) => {
                // The token says enough to go on; the directory hears of the user another time.
                tracing::warn!(%error, "a user could not be kept");
                let user = Arc::new(identity.user);
                (Actor { within, ..Actor::new(user.id.clone(), user.role.clone(), origin) }, user)
            }
        };
        let frames = (dialect.socket.handshake.welcome)(&actor, &user);
        let frames = frames.iter().filter_map(|frame| encode(dialect, frame)).collect();
        let places = Semaphore::new(self.hub.session_events());
        let session = Arc::new(Session { id, actor, socket, dialect, until, places });
        // Known to the hub before the client hears that it is in: nothing after that passes it by.
        let coming = Coming::new(Arc::clone(&session));
        if self.hub.give(Input::Came(coming)).await.is_err() {
            return Err(tidings_socketio::Refused::new("Server unavailable"));
        }
        let here = Here { session, hub: self.hub.clone(), _seat: seat };
        Ok(Accepted::new(Known(Some(here))).frames(frames))
    }

    /// Handles an event, whatever it is: each is on its user's budget.
    async fn answer(&self, session: &Arc<Session>, event: Event) -> Result<(), Stopped> {
        match self.messaging.limiter().take(Budget::Events(&session.actor.user)) {
            Ok(()) => self.carry_out(session, event).await,
            Err(many) => Box::pin(self.refuse(session, event, many)).await,
        }
    }

    /// Refuses an event of a user who sends too many, and listens to this session no further for a moment.
    async fn refuse(&self, session: &Arc<Session>, mut event: Event, many: TooMany) -> Result<(), Stopped> {
        let ack = event.take_ack();
        match session.dialect.event(event.name()) {
            Some(inbound) => {
                let error = EventError::Limit(TOO_MANY_EVENTS);
                let place = Place::take(session).await;
                self.performer.reply(place, inbound, None, Err(&error), ack).await?;
            }
            None => self.unknown(session, event.name(), ack).await?,
        }
        patience::pause(&session.socket, many).await;
        Ok(())
    }

    /// Answers an event that the dialect does not have.
    async fn unknown(&self, session: &Arc<Session>, name: &str, ack: Option<Ack>) -> Result<(), Stopped> {
        if ack.is_none() {
            return Ok(());
        }
        let replies = (session.dialect.socket.unknown)(name);
        let place = Place::take(session).await;
        self.hub.give(Input::Reply(Reply { place, replies, ack })).await
    }

    async fn carry_out(&self, session: &Arc<Session>, mut event: Event) -> Result<(), Stopped> {
        let ack = event.take_ack();
        let Some(inbound) = session.dialect.event(event.name()) else {
            return Box::pin(self.unknown(session, event.name(), ack)).await;
        };
        let place = Place::take(session).await;
        let (thread, what) = match decode(inbound, &event) {
            Ok(Intent::Join(thread)) => (thread, Live::Join),
            Ok(Intent::Leave(thread)) => (thread, Live::Leave),
            Ok(Intent::Typing { thread, typing }) => (thread, Live::Typing(typing)),
            Ok(Intent::Nothing) => {
                return Box::pin(self.performer.reply(place, inbound, None, Ok(&Answer::Nothing), ack)).await;
            }
            // Boxed: else the future of every event would have room for the largest use case, and be moved with it.
            Ok(Intent::Execute(command)) => {
                return Box::pin(self.performer.carry_out(place, inbound, command, ack)).await;
            }
            Err(refusal) => {
                let error = EventError::Refused(refusal);
                return Box::pin(self.performer.reply(place, inbound, None, Err(&error), ack)).await;
            }
        };
        let intended = Intended { place, what, inbound, ack };
        self.hub.give(Input::Thread(thread, ThreadInput::Intent(intended))).await
    }
}

impl Service for DialectService {
    type Session = Known;

    fn has_namespace(&self, namespace: &str) -> bool {
        self.dialect(namespace).is_some()
    }

    async fn admit(
        &self,
        request: &Parts,
        peer: Option<SocketAddr>,
    ) -> Result<HeaderMap, Box<Response<Body>>> {
        let mut headers = self.origins.check(request)?;
        let Err(many) = self.welcomes(request, peer).await else { return Ok(headers) };
        headers.insert(RETRY_AFTER, HeaderValue::from(many.retry_after_ms.div_ceil(1_000)));
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        *response.headers_mut() = headers;
        Err(Box::new(response))
    }

    async fn connect(
        &self,
        request: Connect,
        socket: Socket,
    ) -> Result<Accepted<Known>, tidings_socketio::Refused> {
        let Some(dialect) = self.dialect(request.namespace()) else {
            return Err(tidings_socketio::Refused::new("Invalid namespace"));
        };
        let failure = match self.authenticate(dialect, &request).await {
            Ok(identity) => {
                let seat = self.seat(&identity.user.id, &request).await?;
                return self.welcome(dialect, identity, socket, seat).await;
            }
            Err(failure) => failure,
        };
        // Whoever keeps trying on one connection uses up the budget of their address as with new ones.
        if let Some(peer) = request.handshake().peer()
            && self.messaging.limiter().take(Budget::Strangers(peer.ip())).is_err()
        {
            return Err(tidings_socketio::Refused::new(TOO_MANY_REQUESTS));
        }
        match (dialect.socket.handshake.refused)(&failure) {
            Refused::Disconnected => {
                socket.disconnect();
                Ok(Accepted::new(Known(None)))
            }
            Refused::ConnectError { message, data } => {
                let refused = tidings_socketio::Refused::new(message);
                let data = data.and_then(|data| serde_json::value::RawValue::from_string(data).ok());
                Err(match data {
                    Some(data) => refused.clone().with_data(&data).unwrap_or(refused),
                    None => refused,
                })
            }
        }
    }

    fn begin(&self, known: &mut Known, mut event: Event) -> Begun<Event> {
        let Some(Here { session, .. }) = &known.0 else { return Begun::Waits(event) };
        let inbound = session.dialect.event(event.name()).filter(|inbound| inbound.overlaps);
        // Who is not known has to be asked for first, and other sends would pass by meanwhile.
        let Some((inbound, sender)) = inbound.zip(self.messaging.remembered(&session.actor.user)) else {
            return Begun::Waits(event);
        };
        if self.messaging.limiter().try_take(Budget::Events(&session.actor.user)).is_err() {
            // It is refused in its turn, and what comes after it has to wait.
            return Begun::Waits(event);
        }
        let ack = event.take_ack();
        let (performer, session) = (Arc::clone(&self.performer), Arc::clone(session));
        Begun::GoesOn(Box::pin(async move {
            if performer.perform(&session, sender, inbound, event, ack).await.is_err() {
                session.socket.close(Reason::Shutdown);
            }
        }))
    }

    async fn event(&self, known: &mut Known, event: Event) {
        let Some(here) = &known.0 else { return };
        if self.answer(&here.session, event).await.is_err() {
            // Without a hub nobody would answer, nor tell it anything.
            here.session.socket.close(Reason::Shutdown);
        }
    }

    async fn disconnect(&self, session: Known, reason: Reason) {
        if let Some(here) = &session.0 {
            tracing::debug!(session = ?here.session.id, %reason, "a session ends");
        }
    }
}
