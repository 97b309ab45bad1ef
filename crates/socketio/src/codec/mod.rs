//! The two packet formats, as pure functions of text: no I/O, no clocks, no panics on any input.
//!
//! [`engine`] is Engine.IO v4 (what a transport carries), [`socket`] is Socket.IO v5 (what an Engine.IO
//! message carries), [`json`] finds the parts of a JSON array without building values.

pub mod engine;
pub mod json;
pub mod socket;
mod text;

pub use text::Text;
