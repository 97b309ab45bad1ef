//! Live delivery: the hub that knows every session of this node, the dispatcher that hands each commit to those who
//! may hear it, and the Socket.IO namespaces of the dialects.
//!
//! ```text
//!   store ── committed ──▶ ┌──────────── hub task ────────────┐
//!                          │ thread: roster, joined, delivered │── one frame per dialect ──▶ outboxes
//!   session ── intents ──▶ │ typing, sessions by user          │── replies, behind their own events
//!                          └───────────────────────────────────┘
//! ```
//!
//! One task owns all of the hub's state, so there are no locks in it, and everything that concerns a thread happens in
//! one order: an acknowledgement that goes through the hub leaves behind the event it acknowledges. The task never
//! waits for a store; what must be read first is read by another task while the thread's news queue up.
//!
//! Nothing is skipped silently. A commit that finds no room in a queue is read from the store's feed, behind what was
//! queued before it. Where that is too much, where a client does not keep up, and where the hub is gone, the connection
//! is closed: stock clients come back and read anew.
//!
//! # Wiring
//!
//! The store needs its notifier before there is a service, so the hub begins in two steps:
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::messaging::Messaging;
//! use tidings_domain::ports::{Notifier, TokenVerifier};
//! use tidings_socketio::{Config, SocketIo};
//! use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
//! use tidings_wire::campaign;
//! use tokio_util::sync::CancellationToken;
//! use tokio_util::task::TaskTracker;
//!
//! fn sockets(
//!     open_store: impl FnOnce(Arc<dyn Notifier>) -> Messaging,
//!     verifier: Arc<dyn TokenVerifier>,
//!     tasks: &TaskTracker,
//!     stop: CancellationToken,
//! ) -> SocketIo<DialectService> {
//!     let (hub, task) = Hub::new(HubConfig::default());
//!     let messaging = open_store(Arc::new(hub.clone()));
//!     // Runs until `stop`; cancel it after the sockets were shut down.
//!     task.spawn(messaging.clone(), tasks, stop);
//!     let origins = Origins::exact(["https://app.example.org"]);
//!     let service = DialectService::new(hub, messaging, verifier, origins, vec![&campaign::DIALECT]);
//!     let mut config = Config::default();
//!     // No dialect takes binary.
//!     config.max_attachments = 0;
//!     SocketIo::new(service, config, tasks.clone())
//! }
//! ```

mod commits;
mod config;
mod fanout;
mod hub;
mod input;
mod intents;
mod late;
mod meters;
mod patience;
mod performer;
mod presence;
mod reads;
mod roster;
mod seats;
mod service;
mod sessions;
mod state;
mod threads;
mod typists;
mod waiting;

pub use config::HubConfig;
pub use hub::{Hub, HubTask};
pub use service::{DialectService, Known, Origins, requested_headers};
