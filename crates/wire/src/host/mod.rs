//! The host API: what the application around Tidings tells it, under `/v1`.
//!
//! | route | what it does |
//! |---|---|
//! | `PUT /v1/users/{id}` | tells about a user |
//! | `PUT /v1/contexts/{kind}/{id}` | tells about a business object |
//! | `POST /v1/threads` | opens a thread, or finds it |
//! | `PUT /v1/threads/{id}/members/{user}` | puts a user into a thread, or brings them back |
//! | `DELETE /v1/threads/{id}/members/{user}` | takes a user out of a thread |
//! | `POST /v1/import/threads` | brings threads over from another system |
//!
//! All of it needs a token with the scope `service`. Errors are problem documents (RFC 9457).

mod fields;
mod import;
mod problem;
mod routes;
mod shapes;

use tidings_domain::messaging::{HostCommand, HostError, HostOutcome};
use tidings_domain::thread::Thread;

pub use problem::problem;
pub use routes::ROUTES;

use crate::dialect::Dialect;
use crate::payload::Refusal;
use crate::rest::{Method, Reply};

/// The prefix of the host API.
pub const PREFIX: &str = "/v1";

/// The name under which its tokens are verified.
pub const NAME: &str = "host";

/// The most threads in one import.
pub const IMPORT_THREADS_MAX: usize = 1_000;
/// The most messages in one import.
pub const IMPORT_MESSAGES_MAX: usize = 50_000;

/// A request to the host API.
#[derive(Debug, Clone, Copy)]
pub struct HostRequest<'a> {
    /// The request.
    pub request: crate::rest::RestRequest<'a>,
    /// Its `Idempotency-Key` header.
    pub idempotency_key: Option<&'a str>,
}

/// A route of the host API.
#[derive(Debug, Clone, Copy)]
pub struct HostRoute {
    /// Its method.
    pub method: Method,
    /// Its path below [`PREFIX`].
    pub path: &'static str,
    /// What it does, for the documentation.
    pub about: &'static str,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// Reads the request.
    pub decode: fn(&HostRequest<'_>) -> Result<HostCommand, Refusal>,
    /// Writes the reply; `served` are the dialects that this process serves.
    pub encode: fn(result: Result<&HostOutcome, &HostError>, served: &[&'static Dialect]) -> Reply,
}

/// The names of the dialects, among those that are served, that can show a thread. When there is none, no user sees it.
#[must_use]
pub fn shown_in(thread: &Thread, served: &[&'static Dialect]) -> Vec<&'static str> {
    served.iter().filter(|dialect| (dialect.expresses)(thread)).map(|dialect| dialect.name).collect()
}
