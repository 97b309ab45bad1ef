//! `tidings serve`: wires everything together, runs it, and takes it down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::TokenVerifier;
use tidings_socketio::SocketIo;
use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
use tidings_wire::{Dialect, campaign};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::accept::{self, Answer};
use crate::cli::Serve;
use crate::demo::Demo;
use crate::health::{self, Draining};
use crate::secret::Secret;
use crate::store::Store;
use crate::token::Hs256Verifier;

/// The largest frame on a socket, in bytes, and the largest request of a polling client.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// How many sockets are closed at once in a shutdown, and how long the next ones wait.
const DRAIN_SLICE: usize = 500;
const DRAIN_PAUSE: Duration = Duration::from_millis(200);
/// How long connections may take to end in a shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Runs the server until a signal ends it.
pub(crate) async fn serve(args: Serve) -> anyhow::Result<()> {
    let secret = Secret::load(&args.keys)?;
    let dialects: Vec<&'static Dialect> = vec![&campaign::DIALECT];
    let background = TaskTracker::new();
    let stop_background = CancellationToken::new();

    let (hub, hub_task) = Hub::new(HubConfig::default());
    let notifier = Arc::new(hub.clone());
    let store = Store::open(args.database_url.as_deref(), &args.keys.data_dir, notifier, &background).await?;
    let messaging = store.messaging(policy()?);
    hub_task.spawn(messaging.clone(), &background, stop_background.clone());

    let verifier: Arc<dyn TokenVerifier> = Arc::new(Hs256Verifier::new(&secret, dialects.clone()));
    let draining = Draining::default();
    let mut rest = health::router(messaging.clone(), draining.clone());
    for dialect in &dialects {
        rest = rest.merge(tidings_transport_http::router(dialect, messaging.clone(), Arc::clone(&verifier)));
    }
    let connections = TaskTracker::new();
    let origins = Origins::default().or_loopback();
    let service = DialectService::new(hub, messaging.clone(), verifier, origins, dialects);
    let sockets = SocketIo::new(service, socket_config(), connections.clone());

    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another address with --listen", args.listen))?;
    let address = listener.local_addr()?;
    let demo = if secret.is_own && address.ip().is_loopback() {
        Some(Demo::set_up(&messaging, &secret).await?)
    } else {
        None
    };
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
    if tokio::time::timeout(DRAIN_MAX, connections.wait()).await.is_err() {
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

fn socket_config() -> tidings_socketio::Config {
    let mut config = tidings_socketio::Config::default();
    config.engine.max_payload = FRAME_BYTES_MAX;
    // No dialect sends or takes binary.
    config.max_attachments = 0;
    config
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
