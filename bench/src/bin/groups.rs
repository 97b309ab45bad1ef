//! Tidings inside another program, with threads of any size: the `campaign` dialect knows only threads of two, so that
//! the binary cannot take part in the workload with one thread of many members.
//!
//! Wired as the binary is: the same runtime, hub, sockets and limits, verified tokens, a thread created through the
//! store; only with the memory store, without rates, and without the notices that the binary writes to its log. Reads
//! FIXTURE, PORT and `JWT_SECRET`, and prints `listening`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints, and reads the environment")]

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::{Router, serve::ListenerExt as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use tidings_bench::fixture::{Thread, role};
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::ports::{Clock as _, ThreadRepository as _, TokenError, TokenVerifier};
use tidings_domain::thread::NewThread;
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Identity, User};
use tidings_socketio::{Config, SocketIo};
use tidings_storage_memory::MemoryStore;
use tidings_system::{SystemClock, SystemIds};
use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
use tidings_wire::{Dialect, campaign::DIALECT};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The campaign dialect's words for threads of any size.
static GROUPS: Dialect = Dialect { expresses: |_| true, within: || None, ..DIALECT };

/// The largest frame on a socket, as in the binary's configuration.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// How many sockets are closed at once in the end, and how long the next ones wait.
const DRAIN_SLICE: usize = 500;
const DRAIN_PAUSE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let fixture = std::fs::read(setting("FIXTURE")?).context("reading FIXTURE")?;
    let port: u16 = setting("PORT")?.parse().context("PORT")?;
    let verifier: Arc<dyn TokenVerifier> = Arc::new(Verifier::new(&setting("JWT_SECRET")?));
    let (connections, background, stop) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());

    let (hub, hub_task) = Hub::new(HubConfig::default());
    let store = MemoryStore::new(Arc::new(hub.clone()));
    for thread in serde_json::from_slice::<Vec<Thread>>(&fixture).context("FIXTURE")? {
        store.create(new_thread(&thread)?).await?;
    }
    let messaging = Messaging::new(Deps::on(store, SystemClock, SystemIds));
    hub_task.spawn(messaging.clone(), &background, stop.clone());

    let mut config = Config::default();
    config.engine.max_payload = FRAME_BYTES_MAX;
    config.max_attachments = 0;
    let service = DialectService::new(hub, messaging, verifier, Origins::default(), vec![&GROUPS]);
    let sockets = SocketIo::new(service, config, connections.clone());
    let app = Router::new().route_service("/socket.io/", sockets.clone());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening");

    let leave = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
        sockets.shutdown(DRAIN_SLICE, DRAIN_PAUSE).await;
    };
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(leave).await?;
    connections.close();
    connections.wait().await;
    stop.cancel();
    background.close();
    background.wait().await;
    Ok(())
}

fn new_thread(thread: &Thread) -> anyhow::Result<NewThread> {
    let party = |user: &String| Ok(Party { user: user.parse()?, role: role(user).parse()? });
    Ok(NewThread {
        id: thread.id.parse()?,
        key: None,
        context: Some(ContextRef::new("campaign".parse()?, thread.campaign_id.parse()?)),
        subject: None,
        founders: thread.members.iter().map(party).collect::<anyhow::Result<_>>()?,
        created_at: SystemClock.now(),
    })
}

/// Verifies tokens signed with the secret.
struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: String,
    name: String,
    exp: i64,
}

impl Verifier {
    fn new(secret: &str) -> Self {
        let key = DecodingKey::from_secret(secret.as_bytes());
        Self { key, validation: Validation::new(Algorithm::HS256) }
    }
}

impl fmt::Debug for Verifier {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenVerifier for Verifier {
    async fn verify(&self, _dialect: &str, token: &str) -> Result<Identity, TokenError> {
        let refused = |_| TokenError("the token does not hold");
        let claims = decode::<Claims>(token, &self.key, &self.validation).map_err(refused)?.claims;
        let mut user = User::unknown(claims.sub.parse().map_err(|_| TokenError("no such user"))?);
        user.role = Some(claims.role.parse().map_err(|_| TokenError("no such role"))?);
        user.name = claims.name;
        Ok(Identity::user(user, Timestamp::from_millis(claims.exp.saturating_mul(1_000))))
    }
}
