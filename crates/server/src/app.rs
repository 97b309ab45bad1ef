//! Everything that serves, wired together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use governor::clock::DefaultClock;
use tidings_domain::messaging::{Deps, Messaging, Settings};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::TokenVerifier;
use tidings_socketio::SocketIo;
use tidings_system::SystemClock;
use tidings_transport_http::{InFlight, router_within};
use tidings_transport_ws::{DialectService, Hub};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept;
use crate::auth::{Secret, Upkeep, Verifier};
use crate::config::Config;
use crate::folder;
use crate::front::{Front, Proxies, allowing};
use crate::health::{self, Draining, LastAnswer, Readiness};
use crate::metrics::{Metrics, MetricsPort, Page};
use crate::notices::{Runner, ToLog};
use crate::output::Output;
use crate::rates::Rates;
use crate::repeats;
use crate::store::{self, Store};
use crate::supervisor::Supervisor;

/// How many sockets are closed at once in a shutdown, at least, and how long the next ones wait.
const DRAIN_SLICE_MIN: usize = 500;
const DRAIN_PAUSE: Duration = Duration::from_millis(200);

/// Tasks that outlive the connections, and what ends them.
#[derive(Debug, Clone, Default)]
struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A server that does not listen yet.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) messaging: Messaging,
    /// The secret of the default issuer: given, or the one in the data folder.
    pub(crate) secret: Secret,
    supervisor: Supervisor,
    sockets: SocketIo<DialectService>,
    front: Front,
    metrics_port: Option<MetricsPort>,
    settings: accept::Settings,
    draining: Draining,
    drain: Duration,
    /// Of Socket.IO sessions, by whatever transport.
    sessions: TaskTracker,
    /// Of HTTP connections, polling ones included.
    connections: TaskTracker,
    background: Background,
    /// The server goes down: no notices are sent, and nothing that ends begins again.
    stop: CancellationToken,
    /// No more connections are accepted, and those that are there end after the request that they are at. Only after
    /// the sessions have ended: a polling client fetches its last answers by further requests.
    unlisten: CancellationToken,
}

impl App {
    /// Builds it and starts what works in the background. `metrics`: what everything is counted by, if it is told.
    /// `log`: where notices are written.
    pub(crate) async fn build(
        config: &Config,
        metrics: Option<Metrics>,
        log: &Output,
    ) -> anyhow::Result<Self> {
        let background = Background::default();
        let (sessions, stop) = (TaskTracker::new(), CancellationToken::new());
        let supervisor = Supervisor::new(background.tasks.clone(), stop.clone());
        let (hub, hub_task) = Hub::new(config.hub());
        let store = Store::open(config, Arc::new(hub.clone()), &background.tasks).await?;
        // Not before the store: a start that fails there has made no secret.
        let secret = match &config.auth.secret {
            Some(given) => given.clone(),
            None => Secret::own(&config.server.data_dir)?,
        };
        let exposed = folder::exposed(store::private_files(config));
        if !exposed.is_empty() {
            let remedy = folder::chmod(&exposed);
            tracing::warn!(remedy, "other users of this machine may read the database or the secret");
        }
        let messaging = messaging(config, &store, &supervisor, &background)?;
        hub_task.spawn(messaging.clone(), &background.tasks, background.stop.clone());
        supervisor.rely_on("live delivery", {
            let hub = hub.clone();
            async move { hub.stopped().await }
        });
        supervisor.rely_on("the store", {
            let (store, stop) = (store.clone(), background.stop.clone());
            // A store in memory never stops by itself.
            async move { stop.run_until_cancelled(store.stopped()).await.unwrap_or_default() }
        });

        let verifier = verifier(config, &secret, &store, &background)?;
        let sockets = sockets(config, &hub, &messaging, &verifier, &sessions);
        background.tasks.spawn(repeats::tell(background.stop.clone()));
        let draining = Draining::default();
        let readiness = Readiness {
            messaging: messaging.clone(),
            store: store.clone(),
            supervisor: supervisor.clone(),
            draining: draining.clone(),
            last: LastAnswer::default(),
        };
        let mut rest = rest(config, &messaging, &verifier).merge(health::router(readiness));
        let mut metrics_port = None;
        if let Some(metrics) = metrics {
            let page = Page { metrics: metrics.clone(), hub: hub.clone(), sockets: sockets.clone() };
            match config.metrics.listen {
                None => rest = rest.merge(page.for_here()),
                Some(_) => metrics_port = Some(page.for_everybody()),
            }
            let stop = background.stop.clone();
            supervisor.keep("metrics", move || metrics.clone().upkeep(stop.clone()));
        }
        if let Some(after) = config.notices.after {
            let runner =
                Runner { messaging: messaging.clone(), attendance: hub, delivery: ToLog(log.clone()), after };
            let stop = stop.clone();
            supervisor.keep("notices", move || runner.clone().run(stop.clone()));
        }
        let proxies = Arc::new(Proxies::new(config.server.trusted_proxies.clone()));
        let settings = accept::Settings::new(config, Arc::clone(&proxies));
        let front = Front::new(rest, sockets.clone(), proxies, messaging.clone());
        let drain = config.limits.drain;
        Ok(Self {
            store,
            messaging,
            secret,
            supervisor,
            sockets,
            front,
            metrics_port,
            settings,
            draining,
            drain,
            sessions,
            connections: TaskTracker::new(),
            background,
            stop,
            unlisten: CancellationToken::new(),
        })
    }

    /// Serves whoever connects here.
    pub(crate) fn serve_on(&self, listener: TcpListener) {
        self.accept(listener, self.front.clone());
    }

    /// Tells metrics to whoever connects here.
    pub(crate) fn serve_metrics_on(&self, listener: TcpListener) {
        if let Some(port) = &self.metrics_port {
            self.accept(listener, port.clone());
        }
    }

    fn accept(&self, listener: TcpListener, answer: impl accept::Answer) {
        let (settings, connections) = (self.settings.clone(), self.connections.clone());
        let accepting = accept::accept(listener, settings, answer, connections, self.unlisten.clone());
        self.supervisor.rely_on("the accept loop", accepting);
    }

    /// Waits until a part has stopped that the server cannot go on without; gives its name.
    pub(crate) async fn falls(&self) -> &'static str {
        self.supervisor.falls().await
    }

    /// Takes it down in order: no new sessions; those that are there finish what they have begun, then end; then the
    /// HTTP connections, the store, and the hub. Clients have `limits.drain` in all.
    pub(crate) async fn shut_down(self) {
        let (began, sockets) = (Instant::now(), self.sockets.connections());
        tracing::info!(connections = sockets, "draining");
        self.draining.begin();
        self.stop.cancel();
        self.sessions.close();
        let sessions_end = async {
            self.sockets.shutdown(drain_slice(sockets, self.drain), DRAIN_PAUSE).await;
            self.sessions.wait().await;
        };
        // The rest of the time is for the requests that are being answered.
        timeout_at(began + self.drain * 3 / 4, sessions_end).await.ok();
        self.unlisten.cancel();
        self.connections.close();
        let all_end = async { tokio::join!(self.sessions.wait(), self.connections.wait()) };
        if timeout_at(began + self.drain, all_end).await.is_err() {
            let left = self.sessions.len() + self.connections.len();
            tracing::warn!(left, "some connections did not end in time");
        }
        self.store.close().await;
        self.background.stop.cancel();
        self.background.tasks.close();
        self.background.tasks.wait().await;
        tracing::info!("stopped");
    }
}

/// How many sockets are closed at once, so that half of the time is enough to close them all.
fn drain_slice(sockets: usize, drain: Duration) -> usize {
    let slices = (drain / 2).as_millis() / DRAIN_PAUSE.as_millis();
    sockets.div_ceil(usize::try_from(slices).unwrap_or(usize::MAX).max(1)).max(DRAIN_SLICE_MIN)
}

fn messaging(
    config: &Config,
    store: &Store,
    supervisor: &Supervisor,
    background: &Background,
) -> anyhow::Result<Messaging> {
    let limiter = Arc::new(Rates::new(&config.rates, &DefaultClock::default()));
    supervisor.keep("budgets", {
        let (limiter, stop) = (Arc::clone(&limiter), background.stop.clone());
        move || {
            let (limiter, stop) = (Arc::clone(&limiter), stop.clone());
            async move { limiter.keep_tidy(stop).await }
        }
    });
    let after = config.notices.after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    let settings = Settings::default().strict(config.dialects.strict).notice_after_ms(after);
    Ok(Messaging::new(Deps { policy: Arc::new(policy()?), limiter, settings, ..store.deps() }))
}

/// Only the two sides of a campaign write in its threads.
fn policy() -> anyhow::Result<SenderRoles> {
    let roles = vec!["ADVERTISER".parse()?, "PROMOTER".parse()?];
    Ok(SenderRoles::default().allow("campaign".parse()?, roles))
}

fn verifier(
    config: &Config,
    secret: &Secret,
    store: &Store,
    background: &Background,
) -> anyhow::Result<Arc<dyn TokenVerifier>> {
    let (tasks, stop) = (background.tasks.clone(), background.stop.clone());
    let upkeep = Upkeep { clock: Arc::new(SystemClock), tasks, stop };
    let dialects = config.dialects.served.clone();
    Ok(Arc::new(Verifier::new(&config.auth, secret, dialects, store.directory(), &upkeep)?))
}

fn sockets(
    config: &Config,
    hub: &Hub,
    messaging: &Messaging,
    verifier: &Arc<dyn TokenVerifier>,
    sessions: &TaskTracker,
) -> SocketIo<DialectService> {
    let (origins, dialects) = (config.origins().checker(), config.dialects.served.clone());
    let service =
        DialectService::new(hub.clone(), messaging.clone(), Arc::clone(verifier), origins, dialects);
    let mut limits = config.limits.sockets();
    config.rates.limit(&mut limits);
    SocketIo::new(service, limits, sessions.clone())
}

/// The dialects, for pages of the allowed origins too; and the host API, for programs alone.
fn rest(config: &Config, messaging: &Messaging, verifier: &Arc<dyn TokenVerifier>) -> Router {
    let in_flight = InFlight::new(config.in_flight.limits.clone());
    let dialects = config.dialects.served.iter().fold(Router::new(), |rest, dialect| {
        rest.merge(router_within(dialect, messaging.clone(), Arc::clone(verifier), &in_flight))
    });
    let host =
        tidings_transport_http::host_router(messaging.clone(), Arc::clone(verifier), &config.dialects.served);
    host.merge(allowing(dialects, config.origins().checker()))
}

#[cfg(test)]
mod tests;
