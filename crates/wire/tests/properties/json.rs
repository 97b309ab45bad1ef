//! JSON texts that clients may send, right and wrong, and what makes a text well-formed.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tidings_testkit::strategies::awkward_char;

/// Keys that some payload knows, and some that none does.
const KEYS: &[&str] = &[
    "threadId",
    "messageId",
    "content",
    "clientMsgId",
    "clientMessageId",
    "isTyping",
    "campaignId",
    "promoterId",
    "advertiserId",
    "subject",
    "summary",
    "keyPoints",
    "actionItems",
    "sentimentScore",
    "name",
    "avatarUrl",
    "subjects",
    "parties",
    "context",
    "parent",
    "kind",
    "id",
    "data",
    "threads",
    "members",
    "messages",
    "createdAt",
    "userId",
    "role",
    "unique",
    "token",
    "__proto__",
    "constructor",
    "",
    "\\u0000",
    "\\ud800",
];

/// A string's JSON text, now and then with escapes that stand for no character.
fn strings() -> impl Strategy<Value = String> {
    let any_text = vec(awkward_char(), 0..100).prop_map(|chars| {
        serde_json::to_string(&chars.into_iter().collect::<String>()).expect("a text has JSON")
    });
    let long = (awkward_char(), 60..12_000_usize)
        .prop_map(|(c, times)| serde_json::to_string(&c.to_string().repeat(times)).expect("a text has JSON"));
    prop_oneof![
        4 => any_text,
        1 => long,
        2 => prop::sample::select(vec![
            r#""\ud800""#, r#""\udfff\ud800""#, r#""a\u0000b""#, r#""\uD83D\uDE00""#, r#""""#, r#"" ""#,
            r#""0198f0a0-0000-7000-8000-000000000001""#, r#""{0198f0a0-0000-7000-8000-000000000001}""#,
        ]).prop_map(str::to_owned),
    ]
}

fn scalars() -> impl Strategy<Value = String> {
    let numbers = prop_oneof![
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (1..400_usize).prop_map(|digits| "9".repeat(digits)),
        (0..1_000_000_u32).prop_map(|exponent| format!("-1e{exponent}")),
    ];
    let words =
        prop::sample::select(vec!["null", "true", "false", "", "undefined", "NaN", "'x'", "\u{feff}null"]);
    prop_oneof![strings(), numbers, words.prop_map(str::to_owned)]
}

/// A JSON text, or nearly one: objects with keys that payloads know, some of them twice.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let key = prop::sample::select(KEYS);
    scalars().prop_recursive(4, 24, 6, move |inner| {
        let pair = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            4 => vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
            1 => vec(inner, 0..6).prop_map(|values| format!("[{}]", values.join(","))),
        ]
    })
}

/// Texts that are hard on a parser, as values of any field.
pub(crate) fn hard_values() -> Vec<String> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    vec![
        deep("[", "]"),
        deep("{\"a\":", "}"),
        "[".repeat(10_000),
        "1e999999".to_owned(),
        "-0.0".to_owned(),
        "7".repeat(4_000),
        r#""\ud800""#.to_owned(),
        r#""\ud800\ud800""#.to_owned(),
        r#""\u0000""#.to_owned(),
        r#""\x41""#.to_owned(),
        "\"\u{7f}\u{1}\"".to_owned(),
        format!("\"{}\"", "x".repeat(10_001)),
        format!("\"{}\"", "😀".repeat(10_241)),
        format!("\"{}\"", r"\u0041".repeat(10_001)),
        "\"never ends".to_owned(),
    ]
}

/// Whether a text is JSON, written without spaces, no object with a key twice, its dates as JavaScript writes them.
pub(crate) fn check_written(text: &str) -> Result<Value, TestCaseError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| TestCaseError::fail(format!("not JSON ({error}): {text}")))?;
    // A key that comes twice is kept once, and so the text grows shorter.
    let again = serde_json::to_string(&value).expect("a value has JSON");
    prop_assert_eq!(again.len(), text.len(), "written twice: {}", text);
    check_dates(&value)?;
    Ok(value)
}

fn check_dates(value: &Value) -> Result<(), TestCaseError> {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if ["createdAt", "updatedAt", "lastMessageAt"].contains(&key.as_str()) {
                    prop_assert!(value.as_str().is_some_and(is_date), "{} is {}", key, value);
                }
                check_dates(value)?;
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(check_dates),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// `2025-08-08T10:30:00.000Z`
fn is_date(text: &str) -> bool {
    const FORM: &str = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == FORM.len()
        && text
            .chars()
            .zip(FORM.chars())
            .all(|(c, form)| if form == 'd' { c.is_ascii_digit() } else { c == form })
}

#[test]
fn only_the_form_of_javascript_is_a_date() {
    assert!(is_date("2025-08-08T10:30:00.000Z"));
    for other in ["2025-08-08T10:30:00Z", "2025-08-08T10:30:00.000+00:00", "2025-08-08 10:30:00.000Z", ""] {
        assert!(!is_date(other), "{other}");
    }
    assert!(check_written(r#"{"a":1,"a":2}"#).is_err());
    assert!(check_written(r#"{"createdAt":"today"}"#).is_err());
}
