//! What every route does before and behind its table's functions.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use axum::routing::MethodFilter;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings_domain::messaging::Messaging;
use tidings_domain::ports::{Budget, TokenVerifier, TooMany};
use tidings_domain::user::Identity;
use tidings_wire::{AuthFailure, Method, Problem, Refusal, Reply, RestRequest};

use crate::in_flight::TRY_AGAIN_MS;

/// How long a request body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The address of the client, as a request extension: set by whoever accepts connections, and who knows whether a proxy
/// in front is to be believed. Without it, strangers are not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A response extension: somebody's budget was asked for this request, be it that of a user or of the
/// [address](ClientAddress). Who serves the routes need not ask for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged;

pub(crate) const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// Who is asking, by the token of the request. An address that keeps coming without a valid one is limited.
pub(crate) async fn identify(
    parts: &Parts,
    name: &str,
    messaging: &Messaging,
    verifier: &dyn TokenVerifier,
) -> Result<Identity, Failed> {
    let verified = match bearer(parts) {
        Ok(token) => verifier.verify(name, token).await.map_err(|error| AuthFailure::Invalid(error.0)),
        Err(failure) => Err(failure),
    };
    match (verified, parts.extensions.get::<ClientAddress>()) {
        (Ok(identity), _) => {
            // A service is nobody's user: one of the same id must not spend its budget, nor it theirs.
            let id = &identity.user.id;
            let budget = if identity.is_service { Budget::Service(id) } else { Budget::Requests(id) };
            messaging.limiter().take(budget).map_err(Failed::TooMany)?;
            Ok(identity)
        }
        (Err(failure), None) => Err(Failed::Unauthenticated(failure)),
        (Err(failure), Some(ClientAddress(address))) => {
            messaging.limiter().take(Budget::Strangers(*address)).map_err(Failed::TooMany)?;
            Err(Failed::Unauthenticated(failure))
        }
    }
}

/// The methods whose requests have a body that a table looks at.
pub(crate) const fn has_body(method: Method) -> bool {
    matches!(method, Method::Post | Method::Put)
}

/// A route's path, and the same with a slash at its end, which people add and the originals' framework takes.
pub(crate) fn spellings(path: &str) -> [String; 2] {
    [path.to_owned(), format!("{path}/")]
}

/// The request as a table's `decode` may look at it, given to `then`.
pub(crate) async fn opened<T>(
    parts: &mut Parts,
    body: &Bytes,
    then: impl FnOnce(&RestRequest<'_>, &Parts) -> Result<T, Refusal>,
) -> Result<T, Failed> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Failed::invalid("the path is not valid percent-encoded UTF-8"))?;
    let params: Vec<(&str, &str)> = params.iter().collect();
    let query = parts.uri.query().unwrap_or_default();
    let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
    then(&RestRequest { params: &params, query: &query, body }, parts).map_err(Failed::Refused)
}

/// The token of an `Authorization: Bearer …` header.
pub(crate) fn bearer(parts: &Parts) -> Result<&str, AuthFailure> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // The parser has cut white space at the end, so `Bearer ` without a token is no such header.
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).map(str::trim);
    token.filter(|token| !token.is_empty()).ok_or(AuthFailure::Missing)
}

/// The output, or nothing when the future panicked. What it shared with others it left whole: no lock of ours is held
/// where foreign code runs.
pub(crate) async fn unpanicked<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

pub(crate) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Failed> {
    // What says that it is too large need not be read to be refused.
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(Failed::TooLarge { bytes_max });
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failed::TooLarge { bytes_max }),
        Ok(Err(_)) => Err(Failed::invalid("the request body broke off")),
        Err(_) => Err(Failed::invalid("the request body took too long to arrive")),
    }
}

/// Why a request did not come to its command.
#[derive(Debug)]
pub(crate) enum Failed {
    Unauthenticated(AuthFailure),
    Refused(Refusal),
    TooLarge {
        bytes_max: usize,
    },
    /// The body is written in a way that is not taken; the text says which is.
    Unsupported(String),
    TooMany(TooMany),
    Unavailable,
    /// There is no room for the answer.
    Busy,
    Internal,
}

impl Failed {
    pub(crate) fn invalid(message: &'static str) -> Self {
        Self::Refused(Refusal::invalid(message))
    }

    pub(crate) fn problem(&self) -> Problem<'_> {
        match self {
            Self::Unauthenticated(failure) => Problem::Unauthenticated(failure.clone()),
            Self::Refused(refusal) => Problem::Refused(refusal),
            Self::TooLarge { bytes_max } => Problem::TooLarge { bytes_max: *bytes_max },
            Self::Unsupported(why) => Problem::Unsupported(why),
            Self::TooMany(many) => Problem::TooMany { retry_after_s: many.retry_after_ms.div_ceil(1_000) },
            Self::Unavailable | Self::Busy => Problem::Unavailable,
            Self::Internal => Problem::Internal,
        }
    }
}

/// The reply to a request that failed; with the time after which to try again, if there is one.
pub(crate) fn failure(reply: Reply, failed: &Failed) -> Response {
    let mut response = response(reply);
    match failed {
        Failed::TooMany(many) => retry_after(&mut response, *many),
        Failed::Busy => retry_after(&mut response, TooMany { retry_after_ms: TRY_AGAIN_MS }),
        Failed::Unauthenticated(_)
        | Failed::Refused(_)
        | Failed::TooLarge { .. }
        | Failed::Unsupported(_)
        | Failed::Unavailable
        | Failed::Internal => {}
    }
    response
}

/// Says when to try again.
pub(crate) fn retry_after(response: &mut Response, many: TooMany) {
    let seconds = HeaderValue::from(many.retry_after_ms.div_ceil(1_000));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
}

pub(crate) fn response(reply: Reply) -> Response {
    let content_type = reply.body.is_some().then(|| HeaderValue::from_static(reply.content_type));
    let mut response = Response::new(reply.body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}
