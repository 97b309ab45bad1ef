//! Texts that people write: taken as they are, or refused with the limit that they break.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use tidings_domain::text::{
    BODY_BYTES_MAX, BODY_CHARS_MAX, Body, CLIENT_KEY_BYTES_MAX, ClientKey, DraftHash, InvalidText,
    SUBJECT_CHARS_MAX, Subject,
};

/// Every character of Unicode's `White_Space` property, and the byte order mark, which JavaScript trims as well.
const WHITE_SPACE: [char; 26] = [
    '\t', '\n', '\u{b}', '\u{c}', '\r', ' ', '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}',
    '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}',
    '\u{200a}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{3000}', '\u{feff}',
];

/// Anything, with more of what a parser may trip over than chance would bring.
fn any_text() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just('\0'),
        Just('\u{1f}'),
        Just('\u{85}'),
        prop::sample::select(&WHITE_SPACE[..]),
        prop::sample::select(&INVISIBLE[..])
    ];
    prop_oneof![
        any::<String>(),
        prop::collection::vec(odd.clone(), 0..8).prop_map(|chars| chars.into_iter().collect()),
        ("[ -~]{0,20}", odd, "[ -~]{0,20}").prop_map(|(before, odd, after)| format!("{before}{odd}{after}")),
        (prop::sample::select(&["a", "é", "€", "😀"][..]), 120..270_usize).prop_map(|(c, n)| c.repeat(n)),
    ]
}

fn blanks() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WHITE_SPACE[..]), 0..20)
        .prop_map(|chars| chars.into_iter().collect())
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| WHITE_SPACE.contains(&c) || is_ignorable(c))
}

/// Unicode's `Default_Ignorable_Code_Point`, the annotation marks, the blank of Braille: read from the standard's tables
/// apart from the code.
fn is_ignorable(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x202A..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Characters that show nothing by themselves, of each kind.
const INVISIBLE: [char; 19] = [
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{17b4}',
    '\u{180e}',
    '\u{200b}',
    '\u{200d}',
    '\u{200f}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2800}',
    '\u{3164}',
    '\u{fe0f}',
    '\u{ffa0}',
    '\u{fffa}',
    '\u{e0041}',
    '\u{e0100}',
];

proptest! {
    #[test]
    fn a_body_is_kept_as_written_or_refused(text in any_text()) {
        let allowed = !is_blank(&text) && !text.contains('\0') && text.chars().count() <= BODY_CHARS_MAX;
        match Body::parse(&text) {
            Ok(body) => {
                prop_assert!(allowed, "took {:?}", text);
                prop_assert_eq!(body.as_str(), &text);
                let again = Body::parse(body.as_str());
                prop_assert_eq!(again, Ok(body));
            }
            Err(_) => prop_assert!(!allowed, "refused {:?}", text),
        }
    }

    #[test]
    fn a_subject_is_kept_as_written_or_refused(text in any_text()) {
        let allowed = !is_blank(&text)
            && !text.chars().any(char::is_control)
            && text.chars().count() <= SUBJECT_CHARS_MAX;
        match Subject::parse(&text) {
            Ok(subject) => {
                prop_assert!(allowed, "took {:?}", text);
                prop_assert_eq!(subject.as_str(), &text);
            }
            Err(_) => prop_assert!(!allowed, "refused {:?}", text),
        }
    }

    #[test]
    fn a_client_key_is_kept_as_given_or_refused(text in any_text()) {
        let allowed = (1..=CLIENT_KEY_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        match ClientKey::parse(&text) {
            Ok(key) => {
                prop_assert!(allowed, "took {:?}", text);
                prop_assert_eq!(key.as_str(), &text);
            }
            Err(_) => prop_assert!(!allowed, "refused {:?}", text),
        }
    }

    #[test]
    fn white_space_of_any_sort_is_blank(text in blanks(), visible in "[a-z😀]") {
        prop_assert_eq!(Body::parse(&text), Err(InvalidText::Blank));
        prop_assert_eq!(Subject::parse(&text), Err(InvalidText::Blank));
        let within = format!("{text}{visible}{text}");
        prop_assert!(Body::parse(&within).is_ok());
    }

    #[test]
    fn what_shows_nothing_is_blank(
        text in prop::collection::vec(prop::sample::select([&WHITE_SPACE[..], &INVISIBLE].concat()), 1..20),
        visible in prop::sample::select(&["a", "한", "⠁", "👩\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "🏴\u{e0067}\u{e0062}\u{e007f}", "می\u{200c}خواهم"][..]),
    ) {
        let text: String = text.into_iter().collect();
        prop_assert_eq!(Body::parse(&text), Err(InvalidText::Blank));
        prop_assert_eq!(Subject::parse(&INVISIBLE.iter().collect::<String>()), Err(InvalidText::Blank));
        let within = format!("{text}{visible}{text}");
        prop_assert_eq!(Body::parse(&within).map(|body| body.as_str().to_owned()), Ok(within));
    }

    #[test]
    fn a_nul_anywhere_is_refused(before in "\\PC{0,9}", after in "\\PC{0,9}") {
        let text = format!("x{before}\0{after}");
        prop_assert_eq!(Body::parse(&text), Err(InvalidText::Control(0)));
        prop_assert_eq!(Subject::parse(&text), Err(InvalidText::Control(0)));
        prop_assert_eq!(ClientKey::parse(&text), Err(InvalidText::Control(0)));
    }

    #[test]
    fn a_subject_and_a_key_name_their_first_control_character(
        before in "[a-z]{1,5}",
        control in "\\p{Cc}",
        after in "\\PC{0,5}\\p{Cc}?",
    ) {
        let text = format!("{before}{control}{after}");
        let code = control.chars().next().map_or(0, u32::from);
        prop_assert_eq!(Subject::parse(&text), Err(InvalidText::Control(code)));
        prop_assert_eq!(ClientKey::parse(&text), Err(InvalidText::Control(code)));
        let named = format!("U+{code:04X}");
        prop_assert!(InvalidText::Control(code).to_string().ends_with(&named));
    }

    #[test]
    fn a_body_never_shows_in_a_log(text in "[a-z]{1,4} [a-z]{0,40}\u{1f600}") {
        let body = Body::parse(&text).unwrap();
        let size = text.len();
        prop_assert_eq!(format!("{body:?}"), format!("Body({size} bytes)"));
        prop_assert_eq!(format!("{:?}", Some((&body, 1))), format!("Some((Body({size} bytes), 1))"));
    }

    #[test]
    fn drafts_are_alike_when_their_bodies_are(one in "[ab]{1,3}", other in "[ab]{1,3}") {
        let hash = |text: &str| DraftHash::of_body(&Body::parse(text).unwrap());
        prop_assert_eq!(hash(&one) == hash(&other), one == other);
        prop_assert_eq!(DraftHash::from_bytes(*hash(&one).as_bytes()), hash(&one));
    }
}

#[test]
fn a_body_of_the_most_characters_is_taken_however_wide_they_are() {
    for c in ["a", "é", "€", "😀"] {
        let most = c.repeat(BODY_CHARS_MAX);
        assert_eq!(Body::parse(&most).unwrap().as_str(), most);
        let over = c.repeat(BODY_CHARS_MAX + 1);
        assert_eq!(
            Body::parse(&over),
            Err(InvalidText::TooLong { max: BODY_CHARS_MAX, unit: "characters" }),
            "{c}"
        );
    }
}

#[test]
fn a_body_is_measured_in_bytes_first_so_that_a_giant_costs_nothing_to_refuse() {
    let refused = |bytes: usize| Body::parse(&"a".repeat(bytes)).unwrap_err();
    assert_eq!(refused(BODY_BYTES_MAX), InvalidText::TooLong { max: BODY_CHARS_MAX, unit: "characters" });
    assert_eq!(refused(BODY_BYTES_MAX + 1), InvalidText::TooLong { max: BODY_BYTES_MAX, unit: "bytes" });
    // Size is judged before content, so that blanks without end are no way around it.
    assert_eq!(
        Body::parse(&" ".repeat(BODY_CHARS_MAX + 1)),
        Err(InvalidText::TooLong { max: BODY_CHARS_MAX, unit: "characters" })
    );
}

#[test]
fn a_subject_is_measured_in_characters() {
    for c in ["a", "é", "€", "😀"] {
        assert!(Subject::parse(&c.repeat(SUBJECT_CHARS_MAX)).is_ok(), "{c}");
        assert!(Subject::parse(&c.repeat(SUBJECT_CHARS_MAX + 1)).is_err(), "{c}");
    }
}

#[test]
fn a_client_key_is_measured_in_bytes() {
    let too_long = Err(InvalidText::TooLong { max: CLIENT_KEY_BYTES_MAX, unit: "bytes" });
    for (c, most) in [("a", 128), ("é", 64), ("€", 42), ("😀", 32)] {
        assert!(ClientKey::parse(&c.repeat(most)).is_ok(), "{c}");
        assert_eq!(ClientKey::parse(&c.repeat(most + 1)), too_long, "{c}");
    }
    assert_eq!(ClientKey::parse(""), Err(InvalidText::Blank));
}

/// Stores keep fingerprints for ever: the first half of the SHA-256 of `body:` and the text.
#[test]
fn the_fingerprint_of_a_draft_is_pinned() {
    let hash = DraftHash::of_body(&Body::parse("hello").unwrap());
    assert_eq!(*hash.as_bytes(), HELLO);
}

const HELLO: [u8; 16] =
    [0xfc, 0xb4, 0xc6, 0x73, 0xcc, 0x6a, 0x53, 0xb7, 0xbf, 0x46, 0x91, 0xcc, 0xea, 0x0b, 0x66, 0x8b];
