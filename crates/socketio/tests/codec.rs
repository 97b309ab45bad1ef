//! The codec on any input: what is written is read back, and nothing panics.

use proptest::prelude::*;
use tidings_socketio::codec::engine::{Packet, Payload, decode_text, push_binary, push_text};
use tidings_socketio::codec::socket::{self, Kind, Limits, decode, push_header};
use tidings_socketio::codec::{Text, json};

const LIMITS: Limits = Limits { attachments: 10, namespace: 40 };

fn text(string: &str) -> Text {
    Text::from(string.to_owned())
}

/// What looks like packets often enough to get past the first check.
fn packetish() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9b]{0,3}[-0-9/a-zé,?\\[\\]{}\":\\\\\u{1e}]{0,40}",
        "[0-6][0-9]{0,25}-?(/[a-z]{0,9},)?[0-9]{0,20}\\[.{0,20}\\]?"
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Connect, Kind::Disconnect, Kind::Event, Kind::Ack, Kind::ConnectError])
}

proptest! {
    #[test]
    fn any_text_decodes_or_fails(input in packetish()) {
        let input = text(&input);
        decode_text(&input).ok();
        decode(&input, &LIMITS).ok();
        for packet in Payload::new(input.clone()) {
            if let Ok(Packet::Text(inner)) = packet {
                decode(&inner, &LIMITS).ok();
                json::elements(&inner, 5).ok();
            }
        }
        prop_assert!(json::depth_within(&input, input.len()));
    }

    #[test]
    fn any_bytes_become_text_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(input) = Text::try_from(bytes::Bytes::from(bytes)) {
            Payload::new(input).for_each(drop);
        }
    }

    #[test]
    fn payloads_round_trip(messages in prop::collection::vec(
        prop_oneof![
            "[^\u{1e}]{0,20}".prop_map(Ok),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(Err),
        ],
        1..8,
    )) {
        let mut payload = String::new();
        for message in &messages {
            match message {
                Ok(words) => push_text(&mut payload, &format!("4{words}")),
                Err(bytes) => push_binary(&mut payload, bytes),
            }
        }
        let read: Vec<_> = Payload::new(text(&payload)).collect();
        let expected: Vec<_> = messages
            .into_iter()
            .map(|message| Ok(match message {
                Ok(words) => Packet::Text(words.into()),
                Err(bytes) => Packet::Binary(bytes.into()),
            }))
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn headers_round_trip(
        kind in kind(),
        attachments in 0_usize..=10,
        namespace in prop_oneof![Just("/".to_owned()), "/[a-zé]{1,20}"],
        id in prop::option::of(0_u64..(1 << 53)),
    ) {
        let binary = matches!(kind, Kind::Event | Kind::Ack);
        let attachments = if binary { attachments } else { 0 };
        let id = if kind == Kind::Ack { id.or(Some(0)) } else { id.filter(|_| kind == Kind::Event) };
        let data = match kind {
            Kind::Event | Kind::Ack => "[1]",
            Kind::Connect | Kind::ConnectError => "{}",
            Kind::Disconnect => "",
        };
        let mut packet = String::new();
        push_header(&mut packet, kind, attachments, &namespace, id);
        packet.push_str(data);
        let read = decode(&packet, &LIMITS).unwrap();
        prop_assert_eq!(
            read,
            socket::Packet {
                kind, attachments: (attachments > 0).then_some(attachments), namespace: &namespace, id, data,
            }
        );
        // Cut anywhere it still does not panic.
        for (end, _) in packet.char_indices() {
            decode(&packet[..end], &LIMITS).ok();
        }
    }

    #[test]
    fn limits_hold(count in 11_u64.., name in "/[a-z]{40,60}") {
        let many = format!("5{count}-[\"m\"]");
        prop_assert_eq!(decode(&many, &LIMITS), Err(socket::Error::Attachments));
        let long = format!("0{name},");
        prop_assert_eq!(decode(&long, &LIMITS), Err(socket::Error::Namespace));
    }

    #[test]
    fn elements_are_where_they_are(values in prop::collection::vec("[a-z\"\\\\\u{0}é ]{0,9}", 0..8), limit in 0_usize..10) {
        let array = serde_json::to_string(&values).unwrap();
        let array = text(&array);
        let (ranges, all) = json::elements(&array, limit).unwrap();
        prop_assert_eq!(all, values.len() <= limit);
        prop_assert_eq!(ranges.len(), values.len().min(limit));
        for (range, value) in ranges.into_iter().zip(values) {
            let read: String = serde_json::from_str(&array.slice(range)).unwrap();
            prop_assert_eq!(read, value);
        }
    }

    #[test]
    fn depth_is_what_a_parser_finds(depth in 1_usize..20, limit in 1_usize..20, strings in "[\\[\\]{}a]{0,5}") {
        let nested = format!("{}\"{strings}\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&nested).is_ok());
        prop_assert_eq!(json::depth_within(&nested, limit), depth <= limit);
    }
}

#[test]
fn old_namespace_queries_mean_nothing() {
    let packet = decode("0/admin?token=x,{}", &LIMITS).unwrap();
    assert_eq!((packet.namespace, packet.data), ("/admin", "{}"));
}

#[test]
fn unpadded_base64_is_understood() {
    let packets: Vec<_> = Payload::new(text("bAQ==\u{1e}bAQ\u{1e}b\u{1e}bA")).collect();
    assert_eq!(packets[0], packets[1]);
    assert_eq!(packets[2], Ok(Packet::Binary(bytes::Bytes::new())));
    assert!(packets[3].is_err());
}

#[test]
fn slices_of_text_never_panic() {
    let whole = text("aéb");
    assert_eq!(whole.slice(1..3).as_str(), "é");
    assert_eq!(whole.slice(1..3).slice(0..2).as_str(), "é");
    for range in [2..3, 0..9, 5..6] {
        assert_eq!(whole.slice(range).as_str(), "");
    }
}
