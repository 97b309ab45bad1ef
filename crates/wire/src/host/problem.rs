//! Problem documents (RFC 9457).

use std::borrow::Cow;

use serde::Serialize;
use tidings_domain::error::{Classify, ErrorKind};

use crate::dialect::AuthFailure;
use crate::rest::{Problem, Reply};

#[derive(Debug, Serialize)]
struct ProblemJson<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: Cow<'a, str>,
    code: &'a str,
    retryable: bool,
}

fn title(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Invalid => (400, "Bad Request"),
        ErrorKind::Unauthenticated => (401, "Unauthorized"),
        ErrorKind::Forbidden => (403, "Forbidden"),
        ErrorKind::NotFound => (404, "Not Found"),
        ErrorKind::Conflict => (409, "Conflict"),
        ErrorKind::LimitExceeded => (429, "Too Many Requests"),
        ErrorKind::Unavailable => (503, "Service Unavailable"),
        ErrorKind::Internal => (500, "Internal Server Error"),
    }
}

fn document(kind: ErrorKind, code: &str, detail: Cow<'_, str>, retryable: bool) -> Reply {
    titled(title(kind), code, detail, retryable)
}

fn titled((status, title): (u16, &'static str), code: &str, detail: Cow<'_, str>, retryable: bool) -> Reply {
    let body = ProblemJson { r#type: format!("/problems/{code}"), title, status, detail, code, retryable };
    Reply::problem(status, &body)
}

/// An error of the domain. What is internal is not told.
pub(super) fn of(error: &dyn Classify) -> Reply {
    let kind = error.kind();
    let detail = match kind {
        ErrorKind::Internal => "an internal error; it is in the server's log".into(),
        ErrorKind::Unavailable => "the service is not available now, try again".into(),
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::LimitExceeded => error.to_string().into(),
    };
    document(kind, error.code(), detail, error.retryable())
}

/// What goes wrong with a request to the host API before or beside its command.
#[must_use]
pub fn problem(problem: &Problem<'_>) -> Reply {
    match problem {
        Problem::Unauthenticated(failure) => {
            let detail = match failure {
                AuthFailure::Missing => {
                    "send `Authorization: Bearer` with a token that has the scope `service`"
                }
                AuthFailure::Empty => "the token is empty",
                AuthFailure::Invalid(why) => why,
            };
            document(ErrorKind::Unauthenticated, "unauthenticated", detail.into(), false)
        }
        Problem::Refused(refusal) => {
            document(refusal.kind, "invalid-request", Cow::Borrowed(&refusal.message), false)
        }
        Problem::NoRoute { method, path } => {
            let detail = format!("there is no {method} {path}");
            document(ErrorKind::NotFound, "no-such-route", detail.into(), false)
        }
        Problem::TooLarge { bytes_max } => {
            let detail = format!("the body is larger than {bytes_max} bytes");
            titled((413, "Content Too Large"), "body-too-large", detail.into(), false)
        }
        Problem::Unsupported(why) => {
            let detail = Cow::Borrowed(*why);
            titled((415, "Unsupported Media Type"), "unsupported-media-type", detail, false)
        }
        Problem::TooMany { retry_after_s } => {
            let detail = format!("too many requests; try again in {retry_after_s} s");
            document(ErrorKind::LimitExceeded, "rate-limited", detail.into(), true)
        }
        Problem::Unavailable => {
            let detail = "the service is not available now, try again".into();
            document(ErrorKind::Unavailable, "unavailable", detail, true)
        }
        Problem::Internal => document(
            ErrorKind::Internal,
            "internal",
            "an internal error; it is in the server's log".into(),
            false,
        ),
    }
}
