//! Threads, members, messages and read markers: the rules of marketplace messaging, pure.
pub mod change;
pub mod context;
pub mod decision;
pub mod error;
pub mod id;
pub mod member;
pub mod message;
pub mod page;
pub mod ports;
pub mod seq;
pub mod snapshot;
pub mod text;
pub mod thread;
pub mod time;
pub mod user;
