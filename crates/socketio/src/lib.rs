//! An Engine.IO v4 and Socket.IO v5 server.
//!
//! Made for services in which nothing may be lost or reordered unnoticed: the events of a connection are
//! handled one at a time in the order in which they were sent, every queue is bounded, and a client that does
//! not keep up is disconnected, never silently skipped. An event for many is encoded once.
//!
//! Implement [`Service`], wrap it in a [`SocketIo`], and hand HTTP requests to it.
//!
//! ```
//! use tidings_socketio::{Accepted, Config, Connect, Event, Reason, Refused, Service, Socket, SocketIo};
//! use tokio_util::task::TaskTracker;
//!
//! struct Greeter;
//!
//! /// What is remembered about one client in one namespace.
//! struct Session {
//!     socket: Socket,
//!     name: String,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Auth {
//!     name: String,
//! }
//!
//! impl Service for Greeter {
//!     type Session = Session;
//!
//!     async fn connect(&self, request: Connect, socket: Socket) -> Result<Accepted<Session>, Refused> {
//!         let Auth { name } = request.decode_auth().map_err(|_| Refused::new("who are you?"))?;
//!         Ok(Accepted::new(Session { socket, name }))
//!     }
//!
//!     async fn event(&self, session: &mut Session, mut event: Event) {
//!         match (event.name(), event.decode::<String>(0)) {
//!             ("greet", Ok(whom)) => {
//!                 let greeting = format!("{} greets {whom}", session.name);
//!                 // Strings are always JSON.
//!                 session.socket.emit("greeting", &(greeting,)).ok();
//!             }
//!             ("greet", Err(error)) => {
//!                 if let Some(ack) = event.take_ack() {
//!                     ack.send(&(error.to_string(),)).ok();
//!                 }
//!             }
//!             _ => {}
//!         }
//!     }
//!
//!     async fn disconnect(&self, _: Session, _: Reason) {}
//! }
//!
//! let tasks = TaskTracker::new();
//! let socket_io = SocketIo::new(Greeter, Config::default(), tasks.clone());
//! // Mount it: `axum::Router::new().route_service("/socket.io/", socket_io)`,
//! // or call `socket_io.handle(request, peer)` from a hyper accept loop; see `examples/echo.rs`.
//! assert_eq!(socket_io.connections(), 0);
//! ```
//!
//! Not supported: Engine.IO v3 (`EIO=3`), JSONP, WebTransport, compression.

pub mod codec;
mod config;
mod encoded;
pub mod engine;
mod event;
mod id;
mod origins;
mod reason;
mod server;
mod service;
mod session;
mod socket;

pub use config::Config;
pub use encoded::{EncodeError, Encoded};
pub use engine::{Begun, Body, Handshake, Peer, Remainder, Sent, Transport};
pub use event::{Ack, Args, DecodeError, Event, Fault, Placeholder};
pub use id::{Id, NotAnId};
pub use origins::{Origins, requested_headers};
pub use reason::Reason;
pub use server::SocketIo;
pub use service::{Accepted, Connect, Recovery, Refused, Service};
pub use socket::{AckError, PendingAck, Socket};
