//! Reading what a client sent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tidings_domain::error::ErrorKind;

/// Why a request or event could not be understood. The text is for the client's developer: it names the field and
/// what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// What was wrong and what was expected.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// Input that breaks a rule of form.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into() }
    }
}

/// The first argument of an event, as a `T`.
pub(crate) fn first<T: DeserializeOwned>(args: &[&str]) -> Result<T, Refusal> {
    let payload =
        args.first().ok_or_else(|| Refusal::invalid("the payload is missing: expected an object"))?;
    object(payload.as_bytes())?;
    // As text: its characters were checked when it arrived.
    serde_json::from_str(payload).map_err(|error| unreadable(&error))
}

/// A JSON object, as a `T`. Depth is bounded by `serde_json` (128).
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    object(json)?;
    serde_json::from_slice(json).map_err(|error| unreadable(&error))
}

/// Struct deserialisers also take arrays; clients that send one have made a mistake worth telling.
fn object(json: &[u8]) -> Result<(), Refusal> {
    match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(()),
        _ => Err(Refusal::invalid("expected a JSON object")),
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::invalid(format!("invalid JSON payload: {}", shortened(&error.to_string())))
}

/// A `T` inside of a payload that is an object on the wire: struct deserialisers also take arrays.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// How much of a parser's message is kept at either end, in characters: at the beginning it says what was found, at
/// the end what was expected and where.
const KEPT_CHARS_MAX: usize = 64;

/// A parser's message without its middle, if it is long: there it repeats what was received.
fn shortened(message: &str) -> Cow<'_, str> {
    let ends = message.char_indices().nth(KEPT_CHARS_MAX).map(|(at, _)| at);
    let begins = message.char_indices().nth_back(KEPT_CHARS_MAX - 1).map(|(at, _)| at);
    match (ends, begins) {
        (Some(ends), Some(begins)) if ends < begins => {
            let (head, tail) = (message.get(..ends), message.get(begins..));
            Cow::Owned(format!("{}…{}", head.unwrap_or_default(), tail.unwrap_or_default()))
        }
        _ => Cow::Borrowed(message),
    }
}
