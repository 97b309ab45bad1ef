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

mod commits;
mod config;
mod fanout;
mod hub;
mod input;
mod intents;
mod late;
mod presence;
mod reads;
mod roster;
mod service;
mod sessions;
mod state;
mod threads;
mod typists;

pub use config::HubConfig;
pub use hub::{Hub, HubTask};
pub use service::{DialectService, Known, Origins};
