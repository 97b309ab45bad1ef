//! REST requests and replies, without a web framework.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_domain::messaging::{Command, CommandError, Outcome};
use tidings_domain::user::Actor;

use crate::dialect::AuthFailure;
use crate::frame::json;
use crate::payload::{self, Field, Refusal};

/// The methods that dialects use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As it stands on the request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A route of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path below the dialect's prefix, parameters in braces: `/threads/{threadId}`.
    pub path: &'static str,
    /// What it does, for the generated documentation.
    pub about: &'static str,
    /// Reads the request.
    pub decode: fn(&RestRequest<'_>) -> Result<Command, Refusal>,
    /// Writes the reply.
    pub encode: fn(&Actor, Result<&Outcome, &CommandError>) -> Reply,
}

/// A request, as much of it as a dialect may look at.
#[derive(Debug, Clone, Copy)]
pub struct RestRequest<'a> {
    /// Values of the path's parameters, percent-decoded, in the order of the path.
    pub params: &'a [(&'a str, &'a str)],
    /// The query's pairs, percent-decoded, in order.
    pub query: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// The body; empty when there is none.
    pub body: &'a [u8],
}

impl<'a> RestRequest<'a> {
    /// A parameter of the path; empty if the route has none of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> &'a str {
        self.params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// The first value of this name in the query, unless it is empty.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&'a str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
            .filter(|value| !value.is_empty())
    }

    /// The body as a JSON object.
    pub(crate) fn json<T: DeserializeOwned>(&self, fields: &[Field]) -> Result<T, Refusal> {
        if self.body.is_empty() {
            return Err(Refusal::invalid("the request body is missing: it must be a JSON object"));
        }
        payload::parse(self.body, fields)
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The JSON body; `None` is no body at all, without a content type. With `pieces`, the first of them alone.
    pub body: Option<String>,
    /// How the body is put together when it is written piece by piece.
    pub pieces: Option<Pieces>,
}

/// A body that is written piece by piece, because its [`Outcome`] may be larger than what should be in memory at once:
/// `start`, the pieces that are not empty with `separator` between them, `end`.
#[derive(Debug, Clone, Copy)]
pub struct Pieces {
    /// What comes first.
    pub start: &'static str,
    /// What stands between two pieces.
    pub separator: &'static str,
    /// What comes last.
    pub end: &'static str,
    /// Writes a further piece: what a [`Rest`](tidings_domain::messaging::Rest) of the outcome came to.
    pub piece: fn(&Actor, &Outcome) -> String,
}

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        (self.start, self.separator, self.end) == (other.start, other.separator, other.end)
            && std::ptr::fn_addr_eq(self.piece, other.piece)
    }
}

impl Eq for Pieces {}

impl Reply {
    /// A reply with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self { status, content_type: "application/json; charset=utf-8", body: Some(json(body)), pieces: None }
    }

    /// A reply with a JSON array of which `items` are the first, without brackets. The others are written by `piece`, in
    /// the same way.
    #[must_use]
    pub const fn array(status: u16, items: String, piece: fn(&Actor, &Outcome) -> String) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            body: Some(items),
            pieces: Some(Pieces { start: "[", separator: ",", end: "]", piece }),
        }
    }

    /// A reply with a problem document (RFC 9457).
    #[must_use]
    pub fn problem(status: u16, document: &impl Serialize) -> Self {
        Self { status, content_type: "application/problem+json", body: Some(json(document)), pieces: None }
    }

    /// A reply without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, content_type: "", body: None, pieces: None }
    }
}

/// What goes wrong with a request before or beside its command. A dialect gives each its own shape.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem<'a> {
    /// Nobody is known to be asking.
    Unauthenticated(AuthFailure),
    /// The request could not be understood.
    Refused(&'a Refusal),
    /// The dialect has no such route.
    NoRoute {
        /// The method asked with.
        method: &'a str,
        /// The path asked for.
        path: &'a str,
    },
    /// The body is larger than the limit.
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body is written in an encoding or of a type that is not taken; the text says what is.
    Unsupported(&'a str),
    /// The caller asked too often.
    TooMany {
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
    /// The server cannot answer now.
    Unavailable,
    /// A mistake of ours.
    Internal,
}
