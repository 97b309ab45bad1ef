//! A dialect's routes as an axum router.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::message::Origin;
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::TokenVerifier;
use tidings_domain::user::Actor;
use tidings_wire::{AuthFailure, Dialect, Method, Problem, Refusal, Reply, RestRequest, Route};

/// The largest request body, in bytes: a message of the largest size with every character escaped, and some room.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// How long a request body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// What every handler of a dialect needs.
#[derive(Debug, Clone)]
struct Mounted {
    dialect: &'static Dialect,
    messaging: Messaging,
    verifier: Arc<dyn TokenVerifier>,
}

/// The routes of `dialect` under all of its prefixes.
///
/// Requests under a prefix that fit no route are answered in the dialect's own shape, and so is one whose handling
/// panics: with the dialect's words for a mistake of ours. Requests that are under no prefix are left to the router
/// that this one is merged into.
pub fn router(dialect: &'static Dialect, messaging: Messaging, verifier: Arc<dyn TokenVerifier>) -> Router {
    let mounted = Mounted { dialect, messaging, verifier };
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

const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

impl Mounted {
    async fn handle(&self, route: &'static Route, request: Request) -> Response {
        match unpanicked(self.reply(route, request)).await {
            Some(Ok(reply)) => response(reply),
            Some(Err(failed)) => response((self.dialect.problem)(&failed.problem())),
            None => {
                tracing::error!(method = route.method.as_str(), route = route.path, "a handler panicked");
                response((self.dialect.problem)(&Problem::Internal))
            }
        }
    }

    async fn reply(&self, route: &'static Route, request: Request) -> Result<Reply, Failed> {
        let (mut parts, body) = request.into_parts();
        // First who is asking: a stranger's body is not even read.
        let actor = self.actor(&parts).await?;
        let body = read(body).await?;
        let params = RawPathParams::from_request_parts(&mut parts, &())
            .await
            .map_err(|_| Failed::invalid("the path is not valid percent-encoded UTF-8"))?;
        let params: Vec<(&str, &str)> = params.iter().collect();
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
        let request = RestRequest { params: &params, query: &query, body: &body };
        let command = (route.decode)(&request).map_err(Failed::Refused)?;
        let result = self.messaging.execute(&actor, command).await;
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
        {
            tracing::error!(%error, method = route.method.as_str(), route = route.path, "a request failed");
        }
        Ok((route.encode)(&actor, result.as_ref()))
    }

    async fn actor(&self, parts: &Parts) -> Result<Actor, Failed> {
        let token = bearer(parts).map_err(Failed::Unauthenticated)?;
        let identity = self
            .verifier
            .verify(self.dialect.name, token)
            .await
            .map_err(|error| Failed::Unauthenticated(AuthFailure::Invalid(error.0)))?;
        if identity.is_service {
            let why = "the token is the host's own and speaks for no user";
            return Err(Failed::Unauthenticated(AuthFailure::Invalid(why)));
        }
        let role = identity.user.role.clone();
        let user = self.messaging.sighted(identity.user).await.map_err(|error| {
            tracing::error!(%error, "a user could not be kept");
            Failed::Unavailable
        })?;
        let actor = Actor::new(user.id.clone(), role, Origin::Request);
        Ok(Actor { within: (self.dialect.context_kind)(), ..actor })
    }
}

/// The token of an `Authorization: Bearer …` header.
fn bearer(parts: &Parts) -> Result<&str, AuthFailure> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // The parser has cut white space at the end, so a header without a token is the word alone.
    let token = match header {
        Some("Bearer") => "",
        Some(header) => header.strip_prefix("Bearer ").ok_or(AuthFailure::Missing)?.trim(),
        None => return Err(AuthFailure::Missing),
    };
    if token.is_empty() { Err(AuthFailure::Empty) } else { Ok(token) }
}

/// The output, or nothing when the future panicked. What it shared with others it left whole: no lock of ours is held
/// where foreign code runs.
async fn unpanicked<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn read(body: Body) -> Result<Bytes, Failed> {
    // What says that it is too large need not be read to be refused.
    if body.size_hint().lower() > u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(Failed::TooLarge);
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failed::TooLarge),
        Ok(Err(_)) => Err(Failed::invalid("the request body broke off")),
        Err(_) => Err(Failed::invalid("the request body took too long to arrive")),
    }
}

/// Why a request did not come to its command.
#[derive(Debug)]
enum Failed {
    Unauthenticated(AuthFailure),
    Refused(Refusal),
    TooLarge,
    Unavailable,
}

impl Failed {
    fn invalid(message: &'static str) -> Self {
        Self::Refused(Refusal::invalid(message))
    }

    fn problem(&self) -> Problem<'_> {
        match self {
            Self::Unauthenticated(failure) => Problem::Unauthenticated(failure.clone()),
            Self::Refused(refusal) => Problem::Refused(refusal),
            Self::TooLarge => Problem::TooLarge { bytes_max: BODY_BYTES_MAX },
            Self::Unavailable => Problem::Unavailable,
        }
    }
}

fn response(reply: Reply) -> Response {
    let has_body = reply.body.is_some();
    let mut response = Response::new(reply.body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if has_body {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}
