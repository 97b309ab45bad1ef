//! What every request goes through: who is asking, its name, where it is answered, its line in the log.

mod charge;
mod client;
mod cors;
mod request_id;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{self, Next};
use http::header::HOST;
use http::{Method, Request, Response};
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::{Clock, IdSource};
use tidings_socketio::SocketIo;
use tidings_system::{SystemClock, SystemIds};
use tidings_transport_http::ClientAddress;
use tidings_transport_ws::DialectService;
use tokio::time::Instant;
use tower_service::Service;
use tracing::Instrument;

use self::charge::To;
pub(crate) use self::client::Proxies;
pub(crate) use self::cors::allowing;
use self::request_id::{RequestId, X_REQUEST_ID};
use crate::accept::Answer;

/// Under which name the lines about requests are logged.
const ACCESS: &str = "tidings::access";
/// The route of requests that fit none.
const NO_ROUTE: &str = "none";
/// The route of all requests of sockets.
const SOCKETS: &str = "/socket.io/";

/// REST and sockets behind one listener.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    rest: Router,
    sockets: SocketIo<DialectService>,
    proxies: Arc<Proxies>,
    messaging: Messaging,
}

/// The request came from this machine, and nobody passed it on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromHere;

impl Front {
    pub(crate) fn new(
        rest: Router,
        sockets: SocketIo<DialectService>,
        proxies: Arc<Proxies>,
        messaging: Messaging,
    ) -> Self {
        Self { rest: rest.layer(middleware::from_fn(note_route)), sockets, proxies, messaging }
    }

    async fn pass(
        &self,
        mut request: Request<Body>,
        peer: SocketAddr,
        client: IpAddr,
        route: &Route,
    ) -> Response<Body> {
        if self.sockets.serves(request.uri().path()) {
            route.0.set(SOCKETS.into()).ok();
            let peer = SocketAddr::new(client, peer.port());
            let method = request.method().clone();
            let response = self.sockets.handle(request, Some(peer)).await.map(Body::new);
            return self.charged(client, To::Sockets, &method, response).await;
        }
        let method = request.method().clone();
        let extensions = request.extensions_mut();
        extensions.insert(ClientAddress(client));
        extensions.insert(route.clone());
        if peer.ip().to_canonical().is_loopback() && !client::is_forwarded(request.headers()) {
            request.extensions_mut().insert(FromHere);
        }
        match self.rest.clone().call(request).await {
            Ok(response) => self.charged(client, To::Rest, &method, response).await,
            Err(never) => match never {},
        }
    }

    async fn charged(
        &self,
        client: IpAddr,
        to: To,
        method: &Method,
        response: Response<Body>,
    ) -> Response<Body> {
        charge::charged(self.messaging.limiter(), client, to, method, response).await
    }
}

impl Answer for Front {
    async fn answer(&self, mut request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let id = RequestId::given(request.headers())
            .unwrap_or_else(|| RequestId::new(SystemIds.uuid_v7(SystemClock.now())));
        // Whatever is logged at all is found by the request's name.
        let span = tracing::error_span!(target: ACCESS, "request", %id);
        let client = self.proxies.client(peer.ip(), request.headers());
        // Pages are compared with the host that their browser sees.
        if self.proxies.trusts(peer.ip())
            && let Some(host) = client::forwarded_host(request.headers())
        {
            request.headers_mut().insert(HOST, host);
        }
        let exchange = Exchange::begin(request.method());
        async move {
            // Whole, and into the span: it tells its end when it is dropped.
            let mut exchange = exchange;
            let mut response = self.pass(request, peer, client, &exchange.route).await;
            response.headers_mut().insert(X_REQUEST_ID, id.header());
            exchange.status = Some(response.status().as_u16());
            response
        }
        .instrument(span)
        .await
    }
}

/// The template of the route that a request came to, once that is known.
#[derive(Debug, Clone, Default)]
struct Route(Arc<OnceLock<Arc<str>>>);

async fn note_route(request: axum::extract::Request, next: Next) -> axum::response::Response {
    let extensions = request.extensions();
    if let (Some(route), Some(path)) = (extensions.get::<Route>(), extensions.get::<MatchedPath>()) {
        route.0.set(path.as_str().into()).ok();
    }
    next.run(request).await
}

/// A request and what came of it: logged and measured when it is over, however it ends. Neither the path nor the query
/// nor anything of the bodies is told: they name users, and may hold tokens.
struct Exchange {
    method: &'static str,
    route: Route,
    /// None when the client went away before there was an answer.
    status: Option<u16>,
    started: Instant,
}

impl Exchange {
    fn begin(method: &Method) -> Self {
        Self { method: name_of(method), route: Route::default(), status: None, started: Instant::now() }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Self { method, route, status, started } = self;
        let (method, took) = (*method, started.elapsed());
        let route = route.0.get().map_or(NO_ROUTE, |route| &**route);
        let labelled = status.map_or_else(|| "gone".to_owned(), |status| status.to_string());
        let labels = [
            metrics::Label::new("method", method),
            metrics::Label::new("route", route.to_owned()),
            metrics::Label::new("status", labelled),
        ];
        metrics::histogram!("tidings_http_request_seconds", labels.iter()).record(took);
        let (status, duration_ms) = (*status, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        match status {
            Some(500..) => tracing::warn!(target: ACCESS, method, route, status, duration_ms, "answered"),
            Some(_) => tracing::debug!(target: ACCESS, method, route, status, duration_ms, "answered"),
            None => tracing::debug!(target: ACCESS, method, route, duration_ms, "the client went away"),
        }
    }
}

/// A method's name. A client may make up its own; those share one.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
