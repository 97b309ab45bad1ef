//! The server against raw clients, written from the published protocol texts.

#[cfg(test)]
mod clocked;
mod events;
mod floods;
mod handshake;
#[cfg(test)]
mod harness;
mod heartbeat;
#[cfg(test)]
mod large;
mod limits;
mod namespaces;
mod ordering;
mod polling;
mod upgrade;
