//! Any message: decodes or fails, and its arguments are found where they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_socketio::codec::socket::{Limits, decode};
use tidings_socketio::codec::{Text, json};

fuzz_target!(|message: &str| {
    let limits = Limits { attachments: 10, namespace: 128 };
    let Ok(packet) = decode(message, &limits) else { return };
    let data = Text::from(packet.data.to_owned());
    let Ok((elements, _)) = json::elements(&data, 64) else { return };
    if json::depth_within(&data, 64) {
        for element in elements {
            assert!(!data.slice(element).is_empty());
        }
    }
});
