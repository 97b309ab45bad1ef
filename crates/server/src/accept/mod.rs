//! The accept loop. Our own, because `axum::serve` 0.8 sets no timeout for request headers and no `TCP_NODELAY`.
//!
//! What a client may not do: send a head slowly or not at all (`head_max_wait`), keep a connection without asking
//! (`keep_alive`), read its answers slowly (`write_patience`, `read_rate`), have more connections than others
//! (`connections_per_address`), send a large head. Slow bodies are the business of whoever reads them; whoever is answered
//! while still writing is heard out for a while, so that the answer arrives.

mod patient;
mod places;
mod request;
mod turns;

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::patient::{Patience, Patient, leave_unsent_here};
use self::places::{Place, Places};
use self::request::{Heard, refuse_host};
use self::turns::{Timed, Turns};
use crate::config::Config;
use crate::front::Proxies;

/// The largest request head and the read buffer of a connection, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a connection may take to end that makes room for another one.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// How long to wait after the system refused a connection, when it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may do. A WebSocket is no connection in this sense once it is one.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The most connections at once; more wait in the system's queue.
    pub(crate) connections: usize,
    /// The most connections of one address at once, an IPv6 /64 counting as one; more take the places of those that
    /// rest, or are closed at once. The trusted proxies are excepted.
    pub(crate) connections_per_address: Option<usize>,
    /// Whose connections are those of many clients.
    pub(crate) proxies: Arc<Proxies>,
    /// How long a client may take for the head of a request, from its first byte on, and for the first byte of a
    /// connection.
    pub(crate) head_max_wait: Duration,
    /// How long a connection may rest between requests. Longer than a proxy in front keeps it, or the proxy sends a
    /// request just as it is closed.
    pub(crate) keep_alive: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(crate) write_patience: Duration,
    /// How many bytes a second it must take of an answer that waits for it, taken over `write_patience`; `None`: any.
    pub(crate) read_rate: Option<NonZeroUsize>,
}

/// How long a client may take for a head, and how long for taking anything of what it is sent.
const HEAD_MAX_WAIT: Duration = Duration::from_secs(20);
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

impl Settings {
    /// As configured.
    pub(crate) const fn new(config: &Config, proxies: Arc<Proxies>) -> Self {
        Self {
            connections: config.limits.http_connections,
            connections_per_address: config.limits.http_connections_per_address,
            proxies,
            head_max_wait: HEAD_MAX_WAIT,
            keep_alive: config.server.keep_alive,
            write_patience: WRITE_PATIENCE,
            read_rate: config.in_flight.read_rate,
        }
    }
}

/// Answers one request from a peer.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    /// The answer.
    fn answer(&self, request: Request<Body>, peer: SocketAddr)
    -> impl Future<Output = Response<Body>> + Send;
}

/// Accepts connections until `stop`, and serves each as a task of `tasks`. After `stop`, connections finish the
/// request they are at.
pub(crate) async fn accept(
    listener: TcpListener,
    settings: Settings,
    answer: impl Answer,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let all = Arc::new(Semaphore::new(settings.connections.min(Semaphore::MAX_PERMITS)));
    let places = Places::new(settings.connections_per_address, Arc::clone(&settings.proxies));
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            permit = Arc::clone(&all).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client's own doing; the next one has nothing to do with it.
            Err(error) if is_of_client(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let turns = Turns::default();
        let Some(place) = places.take(peer.ip(), &turns) else {
            tracing::debug!(%peer, "a connection was closed: its address has too many that are busy");
            continue;
        };
        let (answer, stop) = (answer.clone(), stop.clone());
        let connection = Connection { stream, peer, waits: Waits::of(&settings), turns, place };
        tasks.spawn(async move {
            connection.serve(answer, stop).await;
            drop(permit);
        });
        // When all clients of a server come back at once, the system keeps those that have not been accepted yet; here
        // they would all be in the way of those who are already being served.
        tokio::task::yield_now().await;
    }
}

fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

#[derive(Clone, Copy)]
struct Waits {
    read: turns::Waits,
    write: Patience,
}

impl Waits {
    const fn of(settings: &Settings) -> Self {
        let read = turns::Waits { head: settings.head_max_wait, keep_alive: settings.keep_alive };
        Self { read, write: Patience { time: settings.write_patience, rate: settings.read_rate } }
    }
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    waits: Waits,
    turns: Turns,
    place: Place,
}

impl Connection {
    async fn serve(self, answer: impl Answer, stop: CancellationToken) {
        let Self { stream, peer, waits, turns, place } = self;
        // Small frames must not wait for each other's acknowledgement (40 ms).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
        leave_unsent_here(&stream);
        let is_upgraded = Arc::new(AtomicBool::new(false));
        let whose = turns.clone();
        let stream = Patient::new(stream, waits.write, Arc::clone(&is_upgraded));
        let stream = Timed::new(stream, turns.clone(), waits.read);
        let service = hyper::service::service_fn(move |request| {
            let (answer, is_upgraded, mut turn) = (answer.clone(), Arc::clone(&is_upgraded), turns.begin());
            async move {
                let (request, heard) = Heard::watch(request);
                let mut response = match refuse_host(request.version(), request.headers()) {
                    None => answer.answer(request, peer).await,
                    Some(refusal) => refusal,
                };
                // What is left of the body stands before the next request: hyper will close the connection over it, and
                // the client must not send its next request into that.
                if !heard.is_whole() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    is_upgraded.store(true, Ordering::Relaxed);
                    turn.keep();
                }
                Ok::<_, Infallible>(response.map(|body| turn.answer(body)))
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = place.is_needed() => {
                connection.as_mut().graceful_shutdown();
                if whose.is_resting() {
                    // Another one has its place already.
                    timeout(LEAVE_MAX, connection).await.unwrap_or(Ok(()))
                } else {
                    connection.await
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, %peer, "a connection ended badly");
        }
    }
}

#[cfg(test)]
mod tests;
