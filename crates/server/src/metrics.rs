//! What the server counts and measures, for Prometheus.
//!
//! Names begin with `tidings_`; times are in seconds. No label has values that clients can make up. The libraries only
//! say what happened (the `metrics` facade); here it is kept and told.

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tidings_socketio::SocketIo;
use tidings_transport_ws::{DialectService, Hub};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::accept::Answer;
use crate::front::FromHere;
use crate::output::Output;

/// Where they are told.
pub(crate) const PATH: &str = "/metrics";
/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How often what was measured is put into its buckets; without it, it piles up until somebody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// The upper bounds of the buckets of times, in seconds: from a memory store's answer to a client's patience.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The upper bounds of the buckets of batch sizes.
const BATCHES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What was counted and measured so far.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    kept: PrometheusHandle,
    log: Output,
}

impl Metrics {
    /// Begins to keep what the whole process counts. Whoever counts asks for its counters after this. `log`: whose lost
    /// lines are counted.
    pub(crate) fn install(log: Output) -> anyhow::Result<Self> {
        let recorder = recorder()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).context("something else keeps this process's metrics")?;
        describe();
        metrics::gauge!("tidings_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self { kept: handle, log })
    }

    /// Keeps memory in bounds until `stop`.
    pub(crate) async fn upkeep(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
            self.kept.run_upkeep();
        }
    }
}

fn recorder() -> anyhow::Result<PrometheusRecorder> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_size".to_owned()), &BATCHES)?
        .build_recorder())
}

fn describe() {
    describe_gauge!("tidings_build_info", "1, with the version as a label");
    describe_gauge!("tidings_sessions", "Authenticated sessions: users in a namespace on a socket");
    describe_gauge!("tidings_sockets", "Socket.IO connections, authenticated or not");
    describe_gauge!("tidings_http_connections", "TCP connections that speak HTTP");
    describe_counter!(
        "tidings_http_connections_refused_total",
        "TCP connections closed at once: their address had too many"
    );
    describe_histogram!(
        "tidings_http_request_seconds",
        "Requests by route and status, from their head to the head of their answer; those of sockets wait by design"
    );
    describe_counter!("tidings_sends_total", "Messages sent, by way and by what came of it");
    describe_histogram!("tidings_send_seconds", "From a decoded send to its durable answer");
    describe_counter!("tidings_fanout_frames_total", "Frames handed to sessions, durable or ephemeral");
    describe_gauge!("tidings_hub_queue", "Inputs that wait for the hub");
    describe_gauge!("tidings_hub_threads", "Threads that the hub remembers");
    describe_gauge!("tidings_store_queue", "Writes that wait for the store, as of its last batch");
    describe_gauge!("tidings_sqlite_wal_bytes", "SQLite: size of the write-ahead log");
    describe_gauge!(
        "tidings_sqlite_wal_held_seconds",
        "SQLite: for how long a reader has kept the write-ahead log from being written back; 0 when none does"
    );
    describe_histogram!("tidings_store_batch_size", "Writes that the store took into one transaction");
    describe_counter!("tidings_rate_limited_total", "What was refused because a budget was used up");
    describe_counter!(
        "tidings_budget_waits_total",
        "New sockets and sessions that had to wait for their budget"
    );
    describe_counter!(
        "tidings_sockets_paused_total",
        "Pauses in reading sockets that sent more packets than they may"
    );
    describe_counter!("tidings_sockets_flooded_total", "Sockets closed for the number of their packets");
    describe_counter!(
        "tidings_answers_delayed_total",
        "Answers held back because the address had used up its preflights"
    );
    describe_counter!("tidings_log_lines_lost_total", "Lines of the log that could not be written");
    describe_counter!("tidings_tasks_restarted_total", "Tasks of the server that panicked and began again");
    describe_counter!(
        "tidings_in_flight_refused_total",
        "Requests refused because too much was in flight, of their user or of all"
    );
    describe_counter!("tidings_notices_total", "Notices to people who are away, by what came of them");
}

/// Tells what was kept, and how things stand now.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) metrics: Metrics,
    pub(crate) hub: Hub,
    pub(crate) sockets: SocketIo<DialectService>,
}

impl Page {
    fn text(&self) -> Response {
        let gauge = |name: &'static str, value: usize| {
            metrics::gauge!(name).set(u32::try_from(value).map_or(f64::MAX, f64::from));
        };
        gauge("tidings_sessions", self.hub.sessions());
        gauge("tidings_hub_threads", self.hub.threads());
        gauge("tidings_hub_queue", self.hub.queued());
        gauge("tidings_sockets", self.sockets.connections());
        metrics::counter!("tidings_log_lines_lost_total").absolute(self.metrics.log.lost());
        ([(CONTENT_TYPE, TEXT)], self.metrics.kept.render()).into_response()
    }

    /// On the server's own port: only for this machine, since there is no password.
    pub(crate) fn for_here(self) -> Router {
        let tell = move |here: Option<Extension<FromHere>>| {
            std::future::ready(match here {
                Some(_) => self.text(),
                None => StatusCode::NOT_FOUND.into_response(),
            })
        };
        Router::new().route(PATH, get(tell))
    }

    /// On a port of its own: for whoever can reach it.
    pub(crate) fn for_everybody(self) -> MetricsPort {
        MetricsPort(Router::new().route(PATH, get(move || std::future::ready(self.text()))))
    }
}

/// A port that tells metrics and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct MetricsPort(Router);

impl Answer for MetricsPort {
    async fn answer(&self, request: Request<Body>, _: std::net::SocketAddr) -> Response<Body> {
        match self.0.clone().call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
