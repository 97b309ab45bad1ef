//! Mounts the REST routes of dialects on axum.
//!
//! A dialect's table says which routes there are and what they mean; this crate reads requests, finds out who is
//! asking, and writes replies. It knows no dialect. The order is always the same: who is asking (401 before a byte of
//! the body is read), the body within its limits, the dialect's `decode`, the use case, the dialect's `encode`.
//!
//! The router is merged into that of another service, or nested below a path of it:
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::messaging::Messaging;
//! use tidings_domain::ports::TokenVerifier;
//! use tidings_wire::campaign;
//!
//! fn service(messaging: Messaging, verifier: Arc<dyn TokenVerifier>) -> axum::Router {
//!     let messages = tidings_transport_http::router(&campaign::DIALECT, messaging, verifier);
//!     axum::Router::new()
//!         .route("/about", axum::routing::get(|| async { "a marketplace" }))
//!         // Serves `/messaging/…` and `/api/messaging/…`; below `/chat` it would be `/chat/messaging/…`.
//!         .merge(messages)
//! }
//! ```
//!
//! Answers are bounded in memory: long ones are read and written piece by piece as the client takes them, and what is in
//! flight is limited for each user and for all of them together ([`InFlight`]). A client that takes nothing, or next to
//! nothing, holds its share until its connection is closed, which is the business of whoever accepts connections.
//!
//! It sets no timeouts on connections and request heads and no CORS headers: those belong to the service around it. How
//! often something may be done it asks the [`Limiter`](tidings_domain::ports::Limiter) of the messaging service, about
//! strangers only when it is told the [`ClientAddress`]; a refusal has status 429 and a `Retry-After`.

mod answer;
mod content;
mod door;
mod host;
mod in_flight;
mod meters;
mod rest;

pub use answer::CURSOR_PAGE_BYTES;
pub use door::{BODY_TIMEOUT, Charged, ClientAddress};
pub use host::host_router;
pub use in_flight::{InFlight, InFlightLimits};
pub use rest::{BODY_BYTES_MAX, router, router_within};
