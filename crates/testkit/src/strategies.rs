//! Strategies for property tests: what people write, and what ids look like.

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::text::{BODY_BYTES_MAX, BODY_CHARS_MAX, Body, ClientKey};
use tidings_domain::time::Timestamp;
use uuid::Uuid;

/// A character that some layer may get wrong.
///
/// Quotes, escapes, controls, white space, combining marks, right-to-left text and its overrides, zero-width joiners,
/// emoji, noncharacters, and any other of any plane.
pub fn awkward_char() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => prop::char::range('a', 'z'),
        2 => prop::sample::select(vec![
            '\'', '"', '\\', '/', '%', '_', '$', '?', '\n', '\r', '\t', '\u{1}', '\u{1f}', '\u{7f}', '\u{85}', ' ',
            '\u{a0}', '\u{301}', '\u{200d}', '\u{200f}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{fffd}', '\u{fffe}',
            '\u{ffff}', 'ש', 'ع', '語', 'ß', 'İ', '😀', '🧑', '\u{1f3fd}', '\u{10ffff}',
        ]),
        1 => any::<char>().prop_filter("no store holds NUL", |c| *c != '\0'),
    ]
}

/// Any text that is a message, mostly short, now and then as long as it may be.
pub fn bodies() -> impl Strategy<Value = Body> {
    let text = |chars| vec(awkward_char(), chars).prop_map(|chars| chars.into_iter().collect::<String>());
    let longest =
        awkward_char().prop_map(|c| c.to_string().repeat(BODY_CHARS_MAX.min(BODY_BYTES_MAX / c.len_utf8())));
    prop_oneof![20 => text(1..40).boxed(), 2 => text(200..2_000).boxed(), 1 => longest.boxed()]
        .prop_filter_map("a blank text is no message", |text| Body::parse(&text).ok())
}

/// Any client key.
pub fn client_keys() -> impl Strategy<Value = ClientKey> {
    vec(awkward_char(), 1..30).prop_filter_map("a key has no controls", |chars| {
        ClientKey::parse(&chars.into_iter().collect::<String>()).ok()
    })
}

/// Any user id of a host.
pub fn user_ids() -> impl Strategy<Value = UserId> {
    vec(awkward_char(), 1..40)
        .prop_filter_map("an id is visible", |chars| chars.into_iter().collect::<String>().parse().ok())
}

/// Any time that a clock may show until the year 5138.
pub fn timestamps() -> impl Strategy<Value = Timestamp> {
    (0..100_000_000_000_000_i64).prop_map(Timestamp::from_millis)
}

/// Any thread id.
pub fn thread_ids() -> impl Strategy<Value = ThreadId> {
    any::<u128>().prop_map(|bits| ThreadId::from_uuid(Uuid::from_u128(bits)))
}

/// Any message id.
pub fn message_ids() -> impl Strategy<Value = MessageId> {
    any::<u128>().prop_map(|bits| MessageId::from_uuid(Uuid::from_u128(bits)))
}
