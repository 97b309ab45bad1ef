//! `/healthz`: the process answers. `/readyz`: it can serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::Messaging;
use tidings_transport_ws::Hub;

/// How long the store may take to answer before the server counts as not ready.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// Whether the server is going down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The two routes.
pub(crate) fn router(messaging: Messaging, hub: Hub, draining: Draining) -> Router {
    let ready = move || {
        let (messaging, hub, draining) = (messaging.clone(), hub.clone(), draining.clone());
        async move { readiness(&messaging, &hub, &draining).await }
    };
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

async fn readiness(messaging: &Messaging, hub: &Hub, draining: &Draining) -> (StatusCode, &'static str) {
    if draining.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    if !hub.is_running() {
        return (StatusCode::SERVICE_UNAVAILABLE, "live delivery has stopped: restart the server\n");
    }
    // Any read will do; there is no thread with the nil id.
    let nobody = ThreadId::from_uuid(uuid::Uuid::nil());
    match tokio::time::timeout(STORE_ANSWER_MAX, messaging.roster(nobody)).await {
        Ok(Ok(_)) => (StatusCode::OK, "ready\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}
