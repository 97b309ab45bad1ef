//! Any request body: decodes or fails, and what decodes is no larger than the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_socketio::codec::Text;
use tidings_socketio::codec::engine::{Packet, Payload};

fuzz_target!(|body: &[u8]| {
    let Ok(text) = Text::try_from(bytes::Bytes::copy_from_slice(body)) else { return };
    let decoded: usize = Payload::new(text)
        .map(|packet| match packet {
            Ok(Packet::Text(text) | Packet::Ping(text)) => text.len(),
            Ok(Packet::Binary(bytes)) => bytes.len(),
            _ => 0,
        })
        .sum();
    assert!(decoded <= body.len());
});
