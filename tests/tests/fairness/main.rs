//! One client must not hurt the others: what floods the server is slowed down, and a user beside it notices little.
//!
//! Each test measures how long the sends of a user take when all is quiet and then, in the same run, beside the flood.
//! The bounds are generous because the clients share the machine with the server; without limits the times grow to the
//! twentyfold and more.

mod beside;
mod comeback;
mod flood;
mod requests;
mod sockets;
