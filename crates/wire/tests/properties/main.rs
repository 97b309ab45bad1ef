//! What holds for whatever clients send and stores hold: nothing panics, refusals say something and echo little, what
//! is valid is understood, and what is written is JSON with JavaScript's dates.

mod decoding;
mod encoding;
mod host;
mod json;
mod roundtrip;
mod rows;
