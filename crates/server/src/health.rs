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
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the store may take to answer before the server counts as not ready.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// How long an answer of the store is believed: those who ask meanwhile, or while it is being asked, share it.
const BELIEVED: Duration = Duration::from_secs(1);

type Answer = Result<(), &'static str>;

/// What the store has last answered, and when; asked by one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastAnswer(Arc<Mutex<Option<(Instant, Answer)>>>);

impl LastAnswer {
    async fn or(&self, ask: impl Future<Output = Answer>) -> Answer {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = *last
            && at.elapsed() < BELIEVED
        {
            return answer;
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer));
        answer
    }
}

/// Whether the server is going down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
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
    pub(crate) last: LastAnswer,
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
        self.last.or(self.look_at_the_store()).await
    }

    async fn look_at_the_store(&self) -> Answer {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_however_many_want_to_know() {
        let (last, asked) = (LastAnswer::default(), AtomicUsize::new(0));
        let ask = |answer| {
            let asked = &asked;
            last.or(async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
                answer
            })
        };
        let (good, bad) = (Ok(()), Err("bad"));
        assert_eq!(tokio::join!(ask(good), ask(bad), ask(bad)), (good, good, good));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(BELIEVED).await;
        assert_eq!((ask(bad).await, ask(good).await), (bad, bad));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
