//! Whatever clients send.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;
use tidings_domain::messaging::Command;
use tidings_testkit::strategies::awkward_char;
use tidings_wire::campaign::DIALECT;
use tidings_wire::{Intent, Refusal, RestRequest};

use crate::json::{hard_values, texts};

/// The longest piece of what was received that a refusal may repeat, in characters.
const ECHO_CHARS_MAX: usize = 64;
/// The longest refusal, in characters.
const REFUSAL_CHARS_MAX: usize = 300;

/// What parsers and compilers say. People who use a page see refusals.
const PARSERS_WORDS: &[&str] = &[
    "line ",
    "column",
    "serde",
    "invalid type",
    "invalid value",
    "invalid length",
    "missing field",
    "unknown field",
    "unknown variant",
    "duplicate field",
    "EOF",
    "trailing",
    "expected ",
    "struct ",
    "enum ",
    "Json",
    "Option",
    "`",
    "::",
];

/// Whether a refusal says something in words of its own, and repeats little of what was received.
pub(crate) fn check_refusal(refusal: &Refusal, received: &[&str]) -> Result<(), TestCaseError> {
    let message: Vec<char> = refusal.message.chars().collect();
    prop_assert!(!refusal.message.trim().is_empty());
    for word in PARSERS_WORDS {
        let is_echo = received.iter().any(|text| text.contains(word));
        // An id's text is the contract's.
        let own = refusal.message.replace("Expected UUID format", "");
        prop_assert!(is_echo || !own.contains(word), "{:?} in {:?}", word, refusal.message);
    }
    prop_assert!(message.len() <= REFUSAL_CHARS_MAX, "{} characters: {}", message.len(), refusal.message);
    for piece in message.windows(ECHO_CHARS_MAX + 1) {
        let piece: String = piece.iter().collect();
        let echoed = received.iter().any(|text| text.contains(&piece));
        prop_assert!(!echoed, "repeats {:?}", piece);
    }
    Ok(())
}

/// Offers a request to every route.
fn offer(param: &str, query: &[(String, String)], body: &[u8]) -> Result<(), TestCaseError> {
    let params = [("threadId", param), ("messageId", param), ("campaignId", param)];
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        query.iter().map(|(key, value)| (key.into(), value.into())).collect();
    let request = RestRequest { params: &params, query: &pairs, body };
    let text = String::from_utf8_lossy(body);
    let mut received: Vec<&str> = query.iter().map(|(_, value)| value.as_str()).collect();
    received.extend([param, &*text]);
    for route in DIALECT.routes {
        if let Err(refusal) = (route.decode)(&request) {
            check_refusal(&refusal, &received)?;
        }
    }
    Ok(())
}

/// Emits every event with these arguments, and one that there is not.
fn emit(args: &[&str]) -> Result<(), TestCaseError> {
    for inbound in DIALECT.socket.inbound {
        if let Err(refusal) = (inbound.decode)(args) {
            check_refusal(&refusal, args)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_request_is_a_command_or_refused(
        param in "\\PC{0,200}",
        query in vec((prop::sample::select(vec!["limit", "page", "before", "campaignId", "promoterId", "threadId", "x"]), prop_oneof![
            "\\PC{0,100}", "-?[0-9]{0,25}", "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2}))?",
        ]), 0..6),
        body in texts(),
    ) {
        let query: Vec<(String, String)> = query.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        offer(&param, &query, body.as_bytes())?;
    }

    #[test]
    fn any_bytes_are_a_command_or_refused(body in vec(any::<u8>(), 0..300), start in "(\\{\"[a-zA-Z]{0,10}\":)?") {
        let body = [start.as_bytes(), &body].concat();
        offer("0198f0a0-0000-7000-8000-000000000001", &[], &body)?;
    }

    #[test]
    fn any_event_is_an_intent_or_refused(args in vec(texts(), 0..3)) {
        emit(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    }

    #[test]
    fn any_unknown_event_is_answered_shortly(name in vec(awkward_char(), 0..120)) {
        let name: String = name.into_iter().collect();
        let replies = (DIALECT.socket.unknown)(&name);
        prop_assert!(replies.emit.is_empty());
        let ack = replies.ack.expect("a callback is told");
        crate::json::check_written(&ack)?;
        prop_assert!(ack.len() < 1_500, "{} bytes", ack.len());
    }

    #[test]
    fn any_handshake_gives_its_own_token_or_none(auth in proptest::option::of(texts()), header in proptest::option::of("(Bearer )?\\PC{0,50}")) {
        let token = (DIALECT.socket.handshake.token)(auth.as_deref(), header.as_deref());
        // Each value as it stands: what is beside the token need not be a value that anything can hold.
        let named = auth
            .and_then(|auth| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(&auth).ok())
            .and_then(|auth| serde_json::from_str::<String>(auth.get("token")?.get()).ok())
            .filter(|token| !token.is_empty());
        let of_header = header.map(|header| header.strip_prefix("Bearer ").unwrap_or(&header).to_owned());
        match token {
            Some(token) => prop_assert!(named.as_ref() == Some(&token) || of_header == Some(token)),
            // No token is the safe side, where a key comes twice.
            None => prop_assert!(of_header.is_none()),
        }
    }
}

#[test]
fn what_is_hard_on_a_parser_is_refused_or_passed_over() -> Result<(), TestCaseError> {
    let fields = [
        "content",
        "threadId",
        "campaignId",
        "isTyping",
        "summary",
        "sentimentScore",
        "keyPoints",
        "unheardOf",
    ];
    for value in hard_values() {
        offer(
            &value,
            &[("before".to_owned(), value.clone()), ("limit".to_owned(), value.clone())],
            value.as_bytes(),
        )?;
        emit(&[&value])?;
        for field in fields {
            let body = format!(r#"{{"content":"hi","{field}":{value}}}"#);
            offer("0198f0a0-0000-7000-8000-000000000001", &[], body.as_bytes())?;
            emit(&[&format!(r#"{{"{field}":{value}}}"#)])?;
            assert!(
                (DIALECT.socket.handshake.token)(Some(&format!(r#"{{"token":{value}}}"#)), None)
                    .is_none_or(|token| !token.is_empty())
            );
        }
    }
    Ok(())
}

/// Every kind of misfit has a sentence that names the field and says what it must be.
#[test]
fn a_misfit_is_told_in_words_for_people() {
    let send = DIALECT.event("sendMessage").expect("the dialect sends");
    let id = r#""threadId":"0198f0a0-0000-7000-8000-000000000001""#;
    for (payload, said) in [
        ("{", "the payload is not valid JSON"),
        ("[]", "the payload must be a JSON object"),
        ("{}", "threadId is missing: it must be the id of a thread"),
        (r#"{ID}"#, "content is missing: it must be a text of 1 to 10,000 characters"),
        (r#"{ID,"content":null}"#, "content must be a text of 1 to 10,000 characters"),
        (r#"{ID,"content":[[1]]}"#, "content must be a text of 1 to 10,000 characters"),
        (r#"{ID,"content":"\ud83d"}"#, "content must be a text of 1 to 10,000 characters"),
        (r#"{ID,"content":"a","content":"b"}"#, "content is given twice"),
        (
            r#"{ID,"content":"a","clientMsgId":7}"#,
            "clientMsgId must be a text of 1 to 128 bytes, without control characters",
        ),
        (r#"{ID,"content":" "}"#, "content must be a text of 1 to 10,000 characters; this one is blank"),
        (r#"{ID,"content":"a","\ud83d":1}"#, "the payload must be an object whose names are texts"),
    ] {
        let payload = payload.replace("ID", id);
        let refusal = (send.decode)(&[&payload]).expect_err("a misfit");
        assert_eq!(refusal.message, said, "{payload}");
    }
}

/// A field that no payload knows is passed over, however deep it is: it is never built.
#[test]
fn depth_in_a_field_that_nobody_reads_does_no_harm() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let payload = format!(r#"{{"x":{deep},"threadId":"0198f0a0-0000-7000-8000-000000000001"}}"#);
    let join = DIALECT.event("joinThread").expect("the dialect joins");
    let intent = (join.decode)(&[&payload]);
    assert!(matches!(intent, Ok(Intent::Join(_))), "{intent:?}");
}

#[test]
fn no_arguments_are_refused_where_some_are_needed() {
    for inbound in DIALECT.socket.inbound {
        let refusal = (inbound.decode)(&[]).expect_err("every event has a payload");
        assert!(refusal.message.contains("missing"), "{}: {}", inbound.name, refusal.message);
    }
}

/// What overlaps is stored in the order sent because the store keeps the order of sends; of nothing else does it.
#[test]
fn only_sends_overlap() {
    let overlapping: Vec<_> = DIALECT.socket.inbound.iter().filter(|event| event.overlaps).collect();
    assert_eq!(overlapping.iter().map(|event| event.name).collect::<Vec<_>>(), ["sendMessage"]);
    let argument = r#"{"threadId":"01a1f92f-e2d8-7be2-85ef-a2e3c409a974","content":"Hello","isTyping":true}"#;
    for event in overlapping {
        let decoded = (event.decode)(&[argument]);
        assert!(matches!(decoded, Ok(Intent::Execute(Command::Send(_)))), "{}: {decoded:?}", event.name);
    }
}
