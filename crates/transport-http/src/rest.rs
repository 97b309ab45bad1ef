//! A dialect's routes as an axum router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::response::Response;
use axum::routing::{any, on};
use http::request::Parts;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Command, CommandError, Messaging, SendError};
use tidings_domain::ports::TokenVerifier;
use tidings_domain::user::Actor;
use tidings_wire::{AuthFailure, Dialect, Problem, Route};
use tokio::time::Instant;

use crate::door::{Failed, failure, filter, identify, opened, read, response, retry_after, unpanicked};
use crate::meters::SendMeters;

/// The largest request body, in bytes: the largest summary with every character escaped, and some room. A character
/// takes up to 12 bytes so (`\ud83d\ude00`).
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What every handler of a dialect needs.
#[derive(Debug, Clone)]
struct Mounted {
    dialect: &'static Dialect,
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    sends: SendMeters,
}

/// The routes of `dialect` under all of its prefixes.
///
/// Requests under a prefix that fit no route are answered in the dialect's own shape, and so is one whose handling
/// panics: with the dialect's words for a mistake of ours. Requests that are under no prefix are left to the router
/// that this one is merged into.
pub fn router(dialect: &'static Dialect, messaging: Messaging, verifier: Arc<dyn TokenVerifier>) -> Router {
    let mounted = Mounted { dialect, messaging, verifier, sends: SendMeters::new() };
    let mut routes = Router::new();
    for route in dialect.routes {
        let mounted = mounted.clone();
        let handler = move |request: Request| {
            let mounted = mounted.clone();
            async move { mounted.handle(route, request).await }
        };
        routes = routes.route(route.path, on(filter(route.method), handler));
    }
    let no_route = move |OriginalUri(uri): OriginalUri, request: Request| {
        let problem = Problem::NoRoute { method: request.method().as_str(), path: uri.path() };
        std::future::ready(response((dialect.problem)(&problem)))
    };
    let routes = routes.fallback(no_route).method_not_allowed_fallback(no_route);
    dialect.prefixes.iter().fold(Router::new(), |router, prefix| {
        // Nesting leaves out the prefix with nothing but a slash behind it.
        router.nest(prefix, routes.clone()).route(&format!("{prefix}/"), any(no_route))
    })
}

impl Mounted {
    async fn handle(&self, route: &'static Route, request: Request) -> Response {
        match unpanicked(self.reply(route, request)).await {
            Some(Ok(response)) => response,
            Some(Err(failed)) => failure((self.dialect.problem)(&failed.problem()), &failed),
            None => {
                tracing::error!(method = route.method.as_str(), route = route.path, "a handler panicked");
                response((self.dialect.problem)(&Problem::Internal))
            }
        }
    }

    async fn reply(&self, route: &'static Route, request: Request) -> Result<Response, Failed> {
        let (mut parts, body) = request.into_parts();
        // First who is asking: a stranger's body is not even read.
        let actor = self.actor(&parts).await?;
        let body = read(body, BODY_BYTES_MAX).await?;
        let command = opened(&mut parts, &body, |request, _| (route.decode)(request)).await?;
        let is_send = matches!(command, Command::Send(_));
        let began = Instant::now();
        let result = self.messaging.execute(&actor, command).await;
        if is_send {
            self.sends.sent(&result, began.elapsed());
        }
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
        {
            tracing::error!(%error, method = route.method.as_str(), route = route.path, "a request failed");
        }
        let mut response = response((route.encode)(&actor, result.as_ref()));
        if let Err(CommandError::Send(SendError::TooMany(many))) = &result {
            retry_after(&mut response, *many);
        }
        Ok(response)
    }

    async fn actor(&self, parts: &Parts) -> Result<Actor, Failed> {
        let identity = identify(parts, self.dialect.name, &self.messaging, self.verifier.as_ref()).await?;
        if identity.is_service {
            let why = "the token is the host's own and speaks for no user";
            return Err(Failed::Unauthenticated(AuthFailure::Invalid(why)));
        }
        let within = (self.dialect.within)();
        let known = self.messaging.actor_of(&identity, Origin::Request, within).await;
        known.map(|(actor, _)| actor).map_err(|error| {
            tracing::error!(%error, "a user could not be kept");
            Failed::Unavailable
        })
    }
}
