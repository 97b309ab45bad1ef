//! `/healthz`: the process answers. `/readyz`: it can serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::Messaging;

use crate::store::Store;
use crate::supervisor::Supervisor;

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

/// What it takes to serve.
#[derive(Clone)]
pub(crate) struct Readiness {
    pub(crate) messaging: Messaging,
    pub(crate) store: Store,
    pub(crate) supervisor: Supervisor,
    pub(crate) draining: Draining,
}

impl Readiness {
    /// Whether requests are served now: every part of the server works, the store answers and can write.
    async fn look(&self) -> Result<(), &'static str> {
        if self.draining.has_begun() {
            return Err("draining\n");
        }
        if self.supervisor.fallen().is_some() {
            return Err("a part of the server has stopped, and it is about to end: start it again\n");
        }
        // Any read will do; there is no thread with the nil id.
        let nobody = ThreadId::from_uuid(uuid::Uuid::nil());
        match tokio::time::timeout(STORE_ANSWER_MAX, self.messaging.roster(nobody)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err("the store does not answer\n"),
        }
        match tokio::time::timeout(STORE_ANSWER_MAX, self.store.check_writable()).await {
            Ok(Ok(())) => Ok(()),
            // Why is in the log: what a database says is not for everybody.
            Ok(Err(_)) | Err(_) => Err("the store cannot write: see the log\n"),
        }
    }
}

/// The two routes.
pub(crate) fn router(readiness: Readiness) -> Router {
    let ready = move || {
        let readiness = readiness.clone();
        async move {
            match readiness.look().await {
                Ok(()) => (StatusCode::OK, "ready\n"),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            }
        }
    };
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}
