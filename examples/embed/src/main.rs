//! A service with users and sessions of its own, and Tidings inside: REST and Socket.IO on the service's port.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints, and reads PORT")]

mod sessions;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, routing::post, serve::ListenerExt as _};
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::ports::TokenVerifier;
use tidings_socketio::{Config, SocketIo};
use tidings_storage_memory::MemoryStore;
use tidings_system::{SystemClock, SystemIds};
use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
use tidings_wire::campaign::DIALECT;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (connections, background, stop) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());

    // The hub hears every commit of the store, and tells the sockets of this process.
    let (hub, hub_task) = Hub::new(HubConfig::default());
    let store = MemoryStore::new(Arc::new(hub.clone()));
    let messaging = Messaging::new(Deps::on(store, SystemClock, SystemIds));
    hub_task.spawn(messaging.clone(), &background, stop.clone());

    // Who somebody is, this service's own sessions know. For browsers, name the origins of your pages.
    let sessions = sessions::Sessions::default();
    let verifier: Arc<dyn TokenVerifier> = Arc::new(sessions.clone());
    let rest = tidings_transport_http::router(&DIALECT, messaging.clone(), Arc::clone(&verifier));
    let origins = Origins::exact(["https://app.example.org"]).or_loopback();
    let service = DialectService::new(hub, messaging, verifier, origins, vec![&DIALECT]);
    let sockets = SocketIo::new(service, Config::default(), connections.clone());

    let own = Router::new().route("/login/{user}/{role}", post(sessions::login)).with_state(sessions);
    let app = own.merge(rest).route_service("/socket.io/", sockets.clone());
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let mut terminate = signal(SignalKind::terminate())?;
    let leave = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
        sockets.shutdown(500, Duration::from_millis(200)).await;
        // Polling clients fetch their last answers by further requests: the listener goes after them, the hub last.
        connections.close();
        connections.wait().await;
    };
    // Without TCP_NODELAY small frames wait up to 40 ms for each other.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(leave).await?;
    stop.cancel();
    background.close();
    background.wait().await;
    Ok(())
}
