//! Tokens of all kinds against a verifier, and key sets served on loopback.

mod firebase;
mod jwks_server;
mod key_sets;
mod refused;
mod subjects;
mod world;
