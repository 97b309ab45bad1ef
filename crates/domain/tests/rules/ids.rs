//! Identifiers: ours take one text form of a UUID, the host's any visible text.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use tidings_domain::id::{
    ContextId, ContextKind, InvalidId, MessageId, OPAQUE_CHARS_MAX, Role, SessionId, ThreadId, UserId,
};
use uuid::Uuid;

/// Texts of which a good part is nearly a UUID: other forms of one, a character off, a character too many.
fn nearly_uuids() -> impl Strategy<Value = String> {
    let uuid = || any::<u128>().prop_map(|bits| Uuid::from_u128(bits).to_string());
    prop_oneof![
        any::<String>(),
        "[0-9a-fA-F-]{36}",
        uuid(),
        uuid().prop_map(|text| text.to_uppercase()),
        uuid().prop_map(|text| text.replace('-', "")),
        uuid().prop_map(|text| format!("{{{text}}}")),
        uuid().prop_map(|text| format!("urn:uuid:{text}")),
        uuid().prop_map(|text| format!(" {text}")),
        (uuid(), 0..36_usize, any::<char>()).prop_map(|(text, at, odd)| {
            text.chars().enumerate().map(|(place, c)| if place == at { odd } else { c }).collect()
        }),
    ]
}

/// Texts around everything an opaque id may not hold, and around its length.
fn nearly_opaque() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just('\0'),
        Just(' '),
        Just('\u{7f}'),
        Just('\u{85}'),
        Just('\u{a0}'),
        Just('\u{2028}'),
        Just('\u{3000}'),
        Just('\u{feff}'),
        any::<char>(),
    ];
    prop_oneof![
        any::<String>(),
        "[!-~]{1,140}",
        prop::collection::vec(any::<char>(), 120..136).prop_map(|chars| chars.into_iter().collect()),
        ("[a-z😀]{0,128}", odd).prop_map(|(mut text, odd)| {
            text.push(odd);
            text
        }),
    ]
}

fn is_hyphenated_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

fn is_opaque(text: &str) -> bool {
    let hidden = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    (1..=128).contains(&text.chars().count()) && !text.chars().any(hidden)
}

proptest! {
    #[test]
    fn our_ids_take_the_hyphenated_form_alone(text in nearly_uuids()) {
        let parsed = text.parse::<ThreadId>();
        prop_assert_eq!(parsed.is_ok(), is_hyphenated_uuid(&text), "{:?}", text);
        prop_assert_eq!(text.parse::<MessageId>().is_ok(), parsed.is_ok());
        prop_assert_eq!(text.parse::<SessionId>().is_ok(), parsed.is_ok());
        match parsed {
            Ok(id) => prop_assert_eq!(id.to_string(), text.to_ascii_lowercase()),
            Err(error) => prop_assert_eq!(error, InvalidId::NotAUuid),
        }
    }

    #[test]
    fn our_ids_survive_their_text_and_their_uuid(bits in any::<u128>(), other in any::<u128>()) {
        let id = MessageId::from_uuid(Uuid::from_u128(bits));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        prop_assert_eq!(MessageId::from_uuid(*id.as_uuid()), id);
        prop_assert_eq!(format!("{id:?}"), format!("MessageId({id})"));
        // Ids of one order in memory and in a store's text column: UUIDv7 sorts by time in both.
        let other = MessageId::from_uuid(Uuid::from_u128(other));
        prop_assert_eq!(id.cmp(&other), id.to_string().cmp(&other.to_string()));
    }

    #[test]
    fn the_hosts_ids_take_visible_text_and_keep_it(text in nearly_opaque()) {
        let parsed = text.parse::<UserId>();
        prop_assert_eq!(parsed.is_ok(), is_opaque(&text), "{:?}", text);
        prop_assert_eq!(text.parse::<ContextId>().is_ok(), parsed.is_ok());
        prop_assert_eq!(text.parse::<ContextKind>().is_ok(), parsed.is_ok());
        prop_assert_eq!(text.parse::<Role>().is_ok(), parsed.is_ok());
        match parsed {
            Ok(id) => {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(id.to_string().parse::<UserId>(), Ok(id.clone()));
                prop_assert_eq!(format!("{id:?}"), format!("UserId({text:?})"));
            }
            Err(error) => prop_assert_eq!(error, InvalidId::NotOpaque),
        }
    }

    #[test]
    fn a_hidden_character_anywhere_spoils_an_opaque_id(
        before in "[a-z]{0,5}",
        hidden in "[\\s\\p{Cc}\u{feff}]",
        after in "[a-z]{0,5}",
    ) {
        let text = format!("{before}{hidden}{after}");
        prop_assert!(text.parse::<UserId>().is_err(), "{:?}", text);
    }

    #[test]
    fn the_length_of_an_opaque_id_counts_characters(c in "[a-zé€😀]", over in 1..3_usize) {
        prop_assert!(c.repeat(OPAQUE_CHARS_MAX).parse::<UserId>().is_ok());
        prop_assert!(c.repeat(OPAQUE_CHARS_MAX + over).parse::<UserId>().is_err());
    }
}

#[test]
fn nothing_is_no_id() {
    assert_eq!("".parse::<UserId>(), Err(InvalidId::NotOpaque));
    assert_eq!("".parse::<ThreadId>(), Err(InvalidId::NotAUuid));
}
