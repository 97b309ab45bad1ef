//! The server against raw clients, written from the published protocol texts.

mod events;
mod handshake;
#[cfg(test)]
mod harness;
mod heartbeat;
mod limits;
mod namespaces;
mod ordering;
mod polling;
mod upgrade;
