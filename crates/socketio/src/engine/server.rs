//! The sessions of a server, and the way from an HTTP request to them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::driver::Driver;
use super::large::LargeMessages;
use super::outbox::Limits;
use super::requests::{Parameters, Peer, Refusal};
use super::seldom::Seldom;
use super::{Body, Config, Connection, Handshake, Protocol, Transport, polling, posts, upgrade};
use crate::{Id, Reason};

/// An Engine.IO server: answers HTTP requests under one path. Cloning it copies a pointer.
///
/// The HTTP connection must be served with upgrades enabled, and its TCP socket should have `TCP_NODELAY` set.
pub struct EngineIo<P: Protocol>(Arc<Engine<P>>);

pub(crate) struct Engine<P> {
    pub(crate) protocol: P,
    pub(crate) config: Arc<Config>,
    large: LargeMessages,
    /// Messages that were larger than they may be.
    pub(crate) too_large: Seldom,
    tasks: TaskTracker,
    sessions: Mutex<HashMap<Id, Connection>>,
    /// How many sessions there are or are about to be.
    places: Arc<AtomicUsize>,
    draining: AtomicBool,
}

/// A place among [`Config::max_sessions`].
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<P: Protocol> Engine<P> {
    fn claim_place(&self) -> Result<Place, Refusal> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Refusal::Unavailable);
        }
        let place = Place(Arc::clone(&self.places));
        if self.places.fetch_add(1, Ordering::AcqRel) < self.config.max_sessions {
            Ok(place)
        } else {
            Err(Refusal::Unavailable)
        }
    }

    fn find(&self, sid: Result<Id, ()>) -> Result<Connection, Refusal> {
        let id = sid.map_err(|()| Refusal::UnknownSession)?;
        self.sessions.lock().get(&id).cloned().ok_or(Refusal::UnknownSession)
    }

    /// No request finds the session any more.
    pub(crate) fn forget(&self, id: Id) {
        self.sessions.lock().remove(&id);
    }

    /// A connection for a new session, which requests can find from now on.
    fn register(&self, polling: Option<Box<polling::Polling>>) -> Result<Connection, Refusal> {
        let id = Id::random().map_err(|_| Refusal::Unavailable)?;
        let limits = Limits { frames: self.config.outbox_frames, bytes: self.config.outbox_bytes };
        let connection = Connection::new(id, limits, self.config.connect_timeout.is_none(), polling);
        let mut sessions = self.sessions.lock();
        // Checked under the lock under which a shutdown looks for sessions to close.
        if self.draining.load(Ordering::Acquire) {
            return Err(Refusal::Unavailable);
        }
        sessions.insert(id, connection.clone());
        Ok(connection)
    }

    /// Engine.IO's first packet.
    fn open_packet(&self, id: Id, upgrades: &str) -> String {
        format!(
            "0{{\"sid\":\"{id}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            self.config.ping_interval.as_millis(),
            self.config.ping_timeout.as_millis(),
            self.config.max_payload,
        )
    }
}

impl<P: Protocol> EngineIo<P> {
    /// A server for `protocol`, whose sessions are tasks of `tasks`.
    #[must_use]
    pub fn new(protocol: P, config: Config, tasks: TaskTracker) -> Self {
        Self(Arc::new(Engine {
            protocol,
            large: LargeMessages::new(&config),
            too_large: Seldom::default(),
            config: Arc::new(config),
            tasks,
            sessions: Mutex::new(HashMap::new()),
            places: Arc::new(AtomicUsize::new(0)),
            draining: AtomicBool::new(false),
        }))
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> &P {
        &self.0.protocol
    }

    /// Whether it answers at `path`.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        let own = &self.0.config.path;
        own.is_empty() || path == own || Some(path) == own.strip_suffix('/')
    }

    /// How many sessions there are, those included that are about to open or have not quite closed.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.0.places.load(Ordering::Acquire)
    }

    /// Closes all present sessions, `slice` at a time with a `pause` between.
    pub async fn close_all(&self, slice: usize, pause: Duration, reason: Reason) {
        let present: Vec<Connection> = self.0.sessions.lock().values().cloned().collect();
        for (index, connections) in present.chunks(slice.max(1)).enumerate() {
            if index > 0 {
                tokio::time::sleep(pause).await;
            }
            connections.iter().for_each(|connection| connection.close(reason));
        }
    }

    /// Answers 503 to new sessions from now on, and closes the present ones with [`Reason::Shutdown`].
    pub async fn shutdown(&self, slice: usize, pause: Duration) {
        self.0.draining.store(true, Ordering::Release);
        self.close_all(slice, pause, Reason::Shutdown).await;
    }

    /// Answers one request. `peer` is the address at the other end, for the protocol's eyes.
    pub async fn handle<B>(&self, request: Request<B>, peer: Option<SocketAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let (mut parts, body) = request.into_parts();
        if !self.serves(parts.uri.path()) {
            return Refusal::NotFound.response();
        }
        let headers = match self.0.protocol.admit(&parts, peer).await {
            Ok(headers) => headers,
            Err(response) => return *response,
        };
        let mut response =
            self.answer(&mut parts, body, peer).await.unwrap_or_else(|refusal| refusal.response());
        response.headers_mut().extend(headers);
        response
    }

    async fn answer<B>(
        &self,
        request: &mut Parts,
        body: B,
        peer: Option<SocketAddr>,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let Parameters { transport, sid } = Parameters::parse(request.uri.query())?;
        if transport == Transport::WebSocket {
            return match sid {
                None => self.open_websocket(request, peer),
                Some(sid) => self.upgrade(request, &self.0.find(sid)?),
            };
        }
        if !self.0.config.polling {
            return Err(Refusal::UnknownTransport);
        }
        let Some(sid) = sid else {
            return match request.method {
                Method::GET => self.open_polling(request, peer),
                _ => Err(Refusal::BadHandshakeMethod),
            };
        };
        let connection = self.0.find(sid)?;
        match request.method {
            Method::GET => polling::poll(&connection).await,
            Method::POST => posts::push(&connection, &self.0.config, &self.0.large, request, body).await,
            _ => Err(Refusal::BadRequest),
        }
    }

    fn open_polling(&self, request: &Parts, peer: Option<SocketAddr>) -> Result<Response<Body>, Refusal> {
        let place = self.0.claim_place()?;
        let handshake = Handshake::new(request, peer, Transport::Polling, &self.0.config)
            .map_err(|_| Refusal::BadRequest)?;
        let connection = self.0.register(Some(Box::default()))?;
        let packet = self.0.open_packet(connection.id(), "\"websocket\"");
        self.0.tasks.spawn(Driver::new(Arc::clone(&self.0), place, connection, handshake, None));
        Ok(polling::text(packet))
    }

    fn open_websocket(
        &self,
        request: &mut Parts,
        peer: Option<SocketAddr>,
    ) -> Result<Response<Body>, Refusal> {
        let place = self.0.claim_place()?;
        let handshake = Handshake::new(request, peer, Transport::WebSocket, &self.0.config)
            .map_err(|_| Refusal::BadRequest)?;
        let (on_upgrade, response) = upgrade::switch(request)?;
        let engine = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let Some(mut socket) = upgrade::open(on_upgrade, &engine.config, engine.large.clone()).await
            else {
                return;
            };
            let Ok(connection) = engine.register(None) else { return };
            socket.push_text(&engine.open_packet(connection.id(), ""));
            let driver =
                Driver::new(Arc::clone(&engine), place, connection, handshake, Some(Box::new(socket)));
            // A task of its own, so that what waited for the opening gives its memory back.
            engine.tasks.spawn(driver);
        });
        Ok(response)
    }

    fn upgrade(&self, request: &mut Parts, connection: &Connection) -> Result<Response<Body>, Refusal> {
        let (on_upgrade, response) = upgrade::switch(request)?;
        let (config, large) = (Arc::clone(&self.0.config), self.0.large.clone());
        if upgrade::begin(connection, &config)? {
            self.0.tasks.spawn(upgrade::move_session(connection.clone(), on_upgrade, config, large));
        } else {
            self.0.tasks.spawn(upgrade::turn_away(on_upgrade, config, large));
        }
        Ok(response)
    }
}

impl<P: Protocol> Clone for EngineIo<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> fmt::Debug for EngineIo<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineIo")
            .field("path", &self.0.config.path)
            .field("sessions", &self.sessions())
            .finish_non_exhaustive()
    }
}

impl<P, B> tower_service::Service<Request<B>> for EngineIo<P>
where
    P: Protocol,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Takes the peer's address from a [`Peer`] among the request's extensions, if there is one.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let engine = self.clone();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        Box::pin(async move { Ok(engine.handle(request, peer).await) })
    }
}
