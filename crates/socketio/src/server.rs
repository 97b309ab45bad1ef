//! Socket.IO as a service for HTTP requests.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio_util::task::TaskTracker;

use crate::engine::{Body, EngineIo};
use crate::session::Namespaces;
use crate::{Config, Reason, Service};

/// A Socket.IO server: answers HTTP requests under one path. Cloning it copies a pointer.
///
/// It is a [`tower_service::Service`], for axum's `route_service` among others, and can be called from a bare
/// accept loop with [`handle`](Self::handle). The HTTP connection must be served with upgrades enabled, and
/// its TCP socket should have `TCP_NODELAY` set.
pub struct SocketIo<S: Service>(EngineIo<Namespaces<S>>);

impl<S: Service> SocketIo<S> {
    /// A server for `service`, whose connections are tasks of `tasks`.
    #[must_use]
    pub fn new(service: S, config: Config, tasks: TaskTracker) -> Self {
        let engine = config.engine.clone();
        Self(EngineIo::new(Namespaces::new(service, config), engine, tasks))
    }

    /// Answers one request. `peer` is the address at the other end, for the service's eyes.
    pub async fn handle<B>(&self, request: Request<B>, peer: Option<SocketAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        self.0.handle(request, peer).await
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &S {
        self.0.protocol().service()
    }

    /// Whether it answers at `path`.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        self.0.serves(path)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.sessions()
    }

    /// Closes all present connections, `slice` at a time with a `pause` between, so that their clients do not
    /// all come back at once.
    pub async fn close_all(&self, slice: usize, pause: Duration, reason: Reason) {
        self.0.close_all(slice, pause, reason).await;
    }

    /// Answers 503 to new connections from now on, and closes the present ones as
    /// [`close_all`](Self::close_all) does, with [`Reason::Shutdown`]. Their tasks end soon after; wait for
    /// them with the task tracker, and answer HTTP requests until then: polling clients fetch their last packets by
    /// further requests.
    pub async fn shutdown(&self, slice: usize, pause: Duration) {
        self.0.shutdown(slice, pause).await;
    }
}

impl<S: Service> Clone for SocketIo<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service> fmt::Debug for SocketIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketIo").field(&self.0).finish()
    }
}

impl<S, B> tower_service::Service<Request<B>> for SocketIo<S>
where
    S: Service,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Takes the peer's address from a [`Peer`](crate::engine::Peer) among the request's extensions, if there
    /// is one.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut engine = self.0.clone();
        tower_service::Service::call(&mut engine, request)
    }
}
