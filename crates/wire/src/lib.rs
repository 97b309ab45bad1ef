//! Wire dialects: what the frontends of other systems say and expect to hear, translated to domain words and back.
//!
//! A dialect is data and pure functions: a [`Dialect`] is a table of REST routes and socket events, each with a
//! `decode` from the wire to a domain [`Command`](tidings_domain::messaging::Command) and an `encode` of what it came
//! to, and the encoders of what others hear. The transports mount any table the same way; nothing here does I/O.
//!
//! Dialects form a star around the domain: none knows another, and a quirk of one stays in its module.
//!
//! ```
//! let send = tidings_wire::campaign::DIALECT.event("sendMessage").expect("the campaign dialect sends over sockets");
//! let refusal = (send.decode)(&[r#"{"threadId": 7, "content": "hi"}"#]).expect_err("an id is text");
//! assert_eq!(refusal.message, "threadId must be the id of a thread");
//! ```

pub mod campaign;
mod dialect;
mod frame;
pub mod host;
mod iso;
mod payload;
mod rest;

pub use dialect::{
    Answer, AuthFailure, ClaimNames, Dialect, EventError, Handshake, Heard, Inbound, Intent, Refused,
    Replies, Socket,
};
pub use frame::{Audience, Frame, Outbound, Reach};
pub use payload::Refusal;
pub use rest::{Method, Pieces, Problem, Reply, RestRequest, Route};
