//! What goes wrong, in the words of the original: its clients match on some of them.

use std::borrow::Cow;

use serde::Serialize;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{CommandError, MarkError, OpenError, ReadError, SendError, SummaryError};
use tidings_domain::user::Actor;

use super::shapes::role_text;
use super::{ADVERTISER, PROMOTER};
use crate::dialect::AuthFailure;
use crate::rest::{Problem, Reply};

const NO_ACCESS_TO_THREAD: &str = "You do not have access to this thread";
const NO_ACCESS_TO_MESSAGE: &str = "You do not have access to this message";
const NO_THREAD: &str = "Thread not found";
const TOO_MANY: &str = "Too many requests, try again later";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorJson<'a> {
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    status_code: u16,
}

/// The error body of the original's framework: `error` names the status, except where it is a 500.
pub(super) fn error(status: u16, message: impl Into<Cow<'static, str>>) -> Reply {
    let error = match status {
        400 => Some("Bad Request"),
        401 => Some("Unauthorized"),
        403 => Some("Forbidden"),
        404 => Some("Not Found"),
        409 => Some("Conflict"),
        413 => Some("Payload Too Large"),
        415 => Some("Unsupported Media Type"),
        429 => Some("Too Many Requests"),
        503 => Some("Service Unavailable"),
        _ => None,
    };
    Reply::json(status, &ErrorJson { message: message.into(), error, status_code: status })
}

/// What is answered for a thread that the dialect has no words for: to its clients there is none.
pub(super) fn no_thread() -> Reply {
    error(404, NO_THREAD)
}

pub(super) const fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::LimitExceeded => 429,
        ErrorKind::Unavailable => 503,
        ErrorKind::Internal => 500,
    }
}

/// Why the caller is not known. Clients look for these prefixes to show their login again.
pub(super) fn auth_text(failure: &AuthFailure) -> String {
    match failure {
        AuthFailure::Missing => "Authentication failed: No valid authorization header found".to_owned(),
        AuthFailure::Empty => "Authentication failed: No token provided".to_owned(),
        AuthFailure::Invalid(why) => format!("Authentication failed: Token verification failed: {why}"),
    }
}

pub(super) fn problem(problem: &Problem<'_>) -> Reply {
    match problem {
        Problem::Unauthenticated(failure) => error(401, auth_text(failure)),
        Problem::Refused(refusal) => error(status(refusal.kind), refusal.message.clone()),
        Problem::NoRoute { method, path } => error(404, format!("Cannot {method} {path}")),
        Problem::TooLarge { bytes_max } => {
            error(413, format!("request entity too large: at most {bytes_max} bytes are taken"))
        }
        Problem::Unsupported(why) => error(415, (*why).to_owned()),
        Problem::TooMany { .. } => error(429, TOO_MANY),
        Problem::Unavailable => error(503, "The service is not available now, try again"),
        Problem::Internal => error(500, "Internal server error"),
    }
}

/// A failed command as a reply.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no text of its own is answered by its kind")]
pub(super) fn command(actor: &Actor, failed: &CommandError) -> Reply {
    let message: Cow<'static, str> = match failed {
        CommandError::Open(OpenError::UnknownContext) => "Campaign not found".into(),
        CommandError::Open(OpenError::UnknownParty(party)) => match party.role.as_str() {
            ADVERTISER => "Advertiser not found".into(),
            _ => "Promoter not found".into(),
        },
        CommandError::Open(OpenError::NotAParty) => not_a_party(actor).into(),
        CommandError::Open(OpenError::NoCounterpart) => "No promoters found for this campaign".into(),
        CommandError::Open(OpenError::Removed)
        | CommandError::Send(SendError::NotAMember)
        | CommandError::Mark(MarkError::NotAMember)
        | CommandError::Read(ReadError::NotAMember)
        | CommandError::Summary(SummaryError::NotAMember) => NO_ACCESS_TO_THREAD.into(),
        CommandError::Send(SendError::UnknownThread)
        | CommandError::Mark(MarkError::UnknownThread)
        | CommandError::Read(ReadError::UnknownThread)
        | CommandError::Summary(SummaryError::UnknownThread) => NO_THREAD.into(),
        CommandError::Send(SendError::Denied(_)) => role_may_not_send(actor).into(),
        CommandError::Send(SendError::KeyReused) => "clientMsgId was already used for another message".into(),
        CommandError::Mark(MarkError::UnknownMessage) => "Message not found".into(),
        CommandError::Mark(MarkError::OwnMessage) => "You cannot mark your own messages as read".into(),
        _ => return general(failed.kind()),
    };
    error(status(failed.kind()), message)
}

/// As [`command`], for the routes that name a message: a foreign one has a text of its own.
pub(super) fn message_command(actor: &Actor, failed: &CommandError) -> Reply {
    if matches!(failed, CommandError::Mark(MarkError::NotAMember)) {
        return error(403, NO_ACCESS_TO_MESSAGE);
    }
    command(actor, failed)
}

fn general(kind: ErrorKind) -> Reply {
    match kind {
        ErrorKind::Unavailable => problem(&Problem::Unavailable),
        ErrorKind::LimitExceeded => error(429, TOO_MANY),
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Internal => problem(&Problem::Internal),
    }
}

fn not_a_party(actor: &Actor) -> &'static str {
    match role_text(actor.role.as_ref()) {
        ADVERTISER => "You are not the advertiser for this campaign",
        PROMOTER => "You are not a promoter for this campaign",
        _ => "Invalid user role. Only advertisers and promoters can create threads",
    }
}

pub(super) fn role_may_not_send(actor: &Actor) -> String {
    format!(
        "Invalid user role: {}. Only PROMOTER and ADVERTISER can send messages.",
        role_text(actor.role.as_ref())
    )
}
