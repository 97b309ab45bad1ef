//! Mounts the REST routes of dialects on axum.
//!
//! A dialect's table says which routes there are and what they mean; this crate reads requests, finds out who is
//! asking, and writes replies. It knows no dialect. The router can be nested in another service's:
//!
//! ```no_run
//! # fn nest(messaging: tidings_domain::messaging::Messaging,
//! #         verifier: std::sync::Arc<dyn tidings_domain::ports::TokenVerifier>) -> axum::Router {
//! let dialect = &tidings_wire::campaign::DIALECT;
//! axum::Router::new().merge(tidings_transport_http::router(dialect, messaging, verifier))
//! # }
//! ```

mod rest;

pub use rest::{BODY_BYTES_MAX, BODY_TIMEOUT, router};
