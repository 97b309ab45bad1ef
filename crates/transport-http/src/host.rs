//! The host API as an axum router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::response::Response;
use axum::routing::{any, on};
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{HostOutcome, Messaging};
use tidings_domain::ports::TokenVerifier;
use tidings_domain::thread::Thread;
use tidings_wire::host::{self, HostRequest, HostRoute};
use tidings_wire::{AuthFailure, Dialect, Problem, Reply};

use crate::content::{self, Forms};
use crate::door::{
    Charged, Failed, failure, filter, has_body, identify, opened, read, response, spellings, unpanicked,
};

#[derive(Debug, Clone)]
struct Mounted {
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    served: Arc<[&'static Dialect]>,
}

/// The routes of the host API, under [`host::PREFIX`].
///
/// They need a token that speaks for the host itself; a user's token is refused. `served` are the dialects that are served beside it: answers name those that can show a thread, and a
/// thread that none can show is logged.
pub fn host_router(
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    served: &[&'static Dialect],
) -> Router {
    let mounted = Mounted { messaging, verifier, served: served.into() };
    let mut routes = Router::new();
    for route in host::ROUTES {
        let mounted = mounted.clone();
        let handler = move |request: Request| {
            let mounted = mounted.clone();
            async move { mounted.handle(route, request).await }
        };
        for path in spellings(route.path) {
            routes = routes.route(&path, on(filter(route.method), handler.clone()));
        }
    }
    let no_route = |OriginalUri(uri): OriginalUri, request: Request| {
        let problem = Problem::NoRoute { method: request.method().as_str(), path: uri.path() };
        std::future::ready(response(host::problem(&problem)))
    };
    let routes = routes.fallback(no_route).method_not_allowed_fallback(no_route);
    Router::new().nest(host::PREFIX, routes).route(&format!("{}/", host::PREFIX), any(no_route))
}

impl Mounted {
    async fn handle(&self, route: &'static HostRoute, request: Request) -> Response {
        let mut response = self.answer(route, request).await;
        response.extensions_mut().insert(Charged);
        response
    }

    async fn answer(&self, route: &'static HostRoute, request: Request) -> Response {
        match unpanicked(self.reply(route, request)).await {
            Some(Ok(reply)) => response(reply),
            Some(Err(failed)) => failure(host::problem(&failed.problem()), &failed),
            None => {
                tracing::error!(method = route.method.as_str(), route = route.path, "a handler panicked");
                response(host::problem(&Problem::Internal))
            }
        }
    }

    async fn reply(&self, route: &'static HostRoute, request: Request) -> Result<Reply, Failed> {
        let (mut parts, body) = request.into_parts();
        let identity = identify(&parts, host::NAME, &self.messaging, self.verifier.as_ref()).await?;
        if !identity.is_service {
            let why = "the token lacks the scope `service`";
            return Err(Failed::Unauthenticated(AuthFailure::Invalid(why)));
        }
        let mut body = read(body, route.body_bytes_max).await?;
        if has_body(route.method) {
            body = content::json(&parts.headers, body, route.body_bytes_max, Forms::Refused)?;
        }
        let command = opened(&mut parts, &body, |request, parts| {
            let key = parts.headers.get("idempotency-key").map(|key| key.to_str().unwrap_or("\0"));
            (route.decode)(&HostRequest { request: *request, idempotency_key: key })
        })
        .await?;
        let result = self.messaging.execute_host(command).await;
        if let Ok(outcome) = &result {
            self.warn_of_unshown(outcome);
        }
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
        {
            tracing::error!(%error, method = route.method.as_str(), route = route.path, "a request failed");
        }
        Ok((route.encode)(result.as_ref(), &self.served))
    }

    /// Warns of threads that no user will see, when they come about: one line for all of a request.
    fn warn_of_unshown(&self, outcome: &HostOutcome) {
        let threads: Vec<&Thread> = match outcome {
            HostOutcome::Opened { thread, created: true, .. } => vec![thread],
            HostOutcome::MemberPut(put) if put.added => vec![&put.thread],
            HostOutcome::Imported(done) => {
                done.iter().filter(|done| done.created).map(|done| &done.thread).collect()
            }
            HostOutcome::Opened { .. }
            | HostOutcome::MemberPut(_)
            | HostOutcome::User(_)
            | HostOutcome::Context
            | HostOutcome::Removed
            | _ => return,
        };
        let mut unshown =
            threads.into_iter().filter(|thread| host::shown_in(thread, &self.served).is_empty());
        if let Some(first) = unshown.next() {
            let kind = first.context.as_ref().map_or("none", |context| context.kind.as_str());
            tracing::warn!(
                thread = %first.id,
                kind,
                members = first.member_count,
                others = unshown.count(),
                "no served dialect can show this thread: no client will see it"
            );
        }
    }
}
