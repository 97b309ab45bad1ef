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

use crate::answer::{Answering, charge};
use crate::content::{self, Forms};
use crate::door::{
    Charged, Failed, failure, filter, has_body, identify, opened, read, response, retry_after, spellings,
    unpanicked,
};
use crate::in_flight::InFlight;
use crate::meters::SendMeters;

/// The largest request body, in bytes: the largest summary with every character escaped, and some room. A character
/// takes up to 12 bytes so (`\ud83d\ude00`).
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How many threads are passed over at the price of a request.
const PASSED_OVER_PER_REQUEST: u32 = 1_000;

/// What every handler of a dialect needs.
#[derive(Debug, Clone)]
struct Mounted {
    dialect: &'static Dialect,
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    in_flight: InFlight,
    sends: SendMeters,
}

/// The routes of `dialect` under all of its prefixes.
///
/// Requests under a prefix that fit no route are answered in the dialect's own shape, and so is one whose handling
/// panics: with the dialect's words for a mistake of ours. Requests that are under no prefix are left to the router
/// that this one is merged into.
///
/// What is in flight is limited as in [`InFlightLimits`](crate::InFlightLimits) by default.
pub fn router(dialect: &'static Dialect, messaging: Messaging, verifier: Arc<dyn TokenVerifier>) -> Router {
    router_within(dialect, messaging, verifier, &InFlight::default())
}

/// As [`router`], with limits on what is in flight that are shared with other routers.
pub fn router_within(
    dialect: &'static Dialect,
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
    in_flight: &InFlight,
) -> Router {
    let (in_flight, sends) = (in_flight.clone(), SendMeters::new());
    let mounted = Mounted { dialect, messaging, verifier, in_flight, sends };
    let mut routes = Router::new();
    for route in dialect.routes {
        let mounted = mounted.clone();
        let handler = move |request: Request| {
            let mounted = mounted.clone();
            async move { mounted.handle(route, request).await }
        };
        for path in spellings(route.path) {
            routes = routes.route(&path, on(filter(route.method), handler.clone()));
        }
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

/// Whether the command reads many rows.
const fn is_long_read(command: &Command) -> bool {
    matches!(
        command,
        Command::ListThreads(_)
            | Command::PageMessages(_)
            | Command::FindThread(_)
            | Command::UnreadAbout(_)
            | Command::ListSummaries(_)
    )
}

/// As how many more requests a command counts that passes over threads: an index is walked through for them.
fn passing_over(command: &Command) -> u32 {
    if let Command::ListThreads(list) = command { list.page.skip / PASSED_OVER_PER_REQUEST } else { 0 }
}

impl Mounted {
    async fn handle(&self, route: &'static Route, request: Request) -> Response {
        let mut response = self.answer(route, request).await;
        response.extensions_mut().insert(Charged);
        response
    }

    async fn answer(&self, route: &'static Route, request: Request) -> Response {
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
        let place = self.in_flight.enter(&actor.user).await?;
        let mut body = read(body, BODY_BYTES_MAX).await?;
        if has_body(route.method) {
            body = content::json(&parts.headers, body, BODY_BYTES_MAX, Forms::Taken)?;
        }
        let command = opened(&mut parts, &body, |request, _| (route.decode)(request)).await?;
        let is_send = matches!(command, Command::Send(_));
        let is_long = is_long_read(&command);
        let begun = if is_long { Some(place.begin().await?) } else { None };
        let reading = if is_long { Some(place.read().await?) } else { None };
        charge(&self.messaging, &actor, passing_over(&command));
        let began = Instant::now();
        let result = self.messaging.execute(&actor, command).await;
        drop(reading);
        if is_send {
            self.sends.sent(&result, began.elapsed());
        }
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
        {
            tracing::error!(%error, method = route.method.as_str(), route = route.path, "a request failed");
        }
        let too_many = match &result {
            Err(CommandError::Send(SendError::TooMany(many))) => Some(*many),
            Ok(_) | Err(_) => None,
        };
        let (messaging, place) = (self.messaging.clone(), Arc::new(place));
        let mut response = Answering { messaging, actor, route, place }.respond(result, begun).await?;
        if let Some(many) = too_many {
            retry_after(&mut response, many);
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
