//! `tidings serve`: wires everything together, runs it, and takes it down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::TokenVerifier;
use tidings_socketio::SocketIo;
use tidings_system::SystemClock;
use tidings_transport_ws::{DialectService, Hub};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::accept::{self, Answer};
use crate::auth::{Secret, Upkeep, Verifier};
use crate::config::{Config, Problems};
use crate::demo::Demo;
use crate::health::{self, Draining};
use crate::store::Store;

/// How many sockets are closed at once in a shutdown, and how long the next ones wait.
const DRAIN_SLICE: usize = 500;
const DRAIN_PAUSE: Duration = Duration::from_millis(200);

/// Runs the server until a signal ends it.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    if let Some(problem) = config.unsafe_to_serve() {
        return Err(Problems(vec![problem]).into());
    }
    let secret = match &config.auth.secret {
        Some(given) => given.clone(),
        None => Secret::own(&config.server.data_dir)?,
    };
    let dialects = config.dialects.0.clone();
    let background = TaskTracker::new();
    let stop_background = CancellationToken::new();

    let (hub, hub_task) = Hub::new(config.limits.hub());
    let store = Store::open(&config, Arc::new(hub.clone()), &background).await?;
    let messaging = Messaging::new(Deps { policy: Arc::new(policy()?), ..store.deps() });
    hub_task.spawn(messaging.clone(), &background, stop_background.clone());

    let upkeep =
        Upkeep { clock: Arc::new(SystemClock), tasks: background.clone(), stop: stop_background.clone() };
    let verifier: Arc<dyn TokenVerifier> =
        Arc::new(Verifier::new(&config.auth, &secret, dialects.clone(), store.directory(), &upkeep)?);
    let draining = Draining::default();
    let mut rest = health::router(messaging.clone(), draining.clone());
    for dialect in &dialects {
        rest = rest.merge(tidings_transport_http::router(dialect, messaging.clone(), Arc::clone(&verifier)));
    }
    let connections = TaskTracker::new();
    let service = DialectService::new(hub, messaging.clone(), verifier, config.origins().checker(), dialects);
    let sockets = SocketIo::new(service, config.limits.sockets(), connections.clone());

    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: choose another address with --listen"))?;
    let address = listener.local_addr()?;
    let demo = if config.is_demo() { Some(Demo::set_up(&messaging, &secret).await?) } else { None };
    tell(address, &store, demo.as_ref());

    let stop = CancellationToken::new();
    let app = App { rest, sockets: sockets.clone() };
    background.spawn(accept::accept(listener, app, connections.clone(), stop.clone()));
    signal().await?;

    // Nobody new; those who are here finish what they are at, then go; then the store, then the hub.
    tracing::info!(connections = sockets.connections(), "draining");
    draining.begin();
    stop.cancel();
    sockets.shutdown(DRAIN_SLICE, DRAIN_PAUSE).await;
    connections.close();
    if tokio::time::timeout(config.limits.drain, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "some connections did not end in time");
    }
    store.close().await;
    stop_background.cancel();
    background.close();
    background.wait().await;
    tracing::info!("stopped");
    Ok(())
}

/// Only the two sides of a campaign write in its threads.
fn policy() -> anyhow::Result<SenderRoles> {
    let roles = vec!["ADVERTISER".parse()?, "PROMOTER".parse()?];
    Ok(SenderRoles::default().allow("campaign".parse()?, roles))
}

/// Ctrl-C, or the signal with which supervisors ask a process to end.
async fn signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what an operator needs first, whatever the log filter")]
fn tell(address: SocketAddr, store: &Store, demo: Option<&Demo>) {
    println!("tidings {} listening on http://{address}", env!("CARGO_PKG_VERSION"));
    println!("store: {}", store.describe());
    if let Some(demo) = demo {
        println!("{}", demo.tell(address));
    }
}

/// REST and sockets behind one listener.
#[derive(Debug, Clone)]
struct App {
    rest: Router,
    sockets: SocketIo<DialectService>,
}

impl Answer for App {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if self.sockets.serves(request.uri().path()) {
            return self.sockets.handle(request, Some(peer)).await.map(Body::new);
        }
        let mut rest = self.rest.clone();
        match rest.call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
