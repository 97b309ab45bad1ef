//! Reading what a client sent.

mod misfit;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tidings_domain::error::ErrorKind;
use tidings_domain::text::InvalidText;

use self::misfit::Misfit;

/// Why a request or event could not be understood.
///
/// Pages show the text to people: it is a sentence that names the field and says what was expected, never a parser's
/// wording.
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

/// A field of a payload: its name, and what it must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// As it stands in the JSON.
    pub(crate) name: &'static str,
    /// Goes on after "must be".
    pub(crate) expected: &'static str,
}

impl Field {
    /// A value that is not what the field must be.
    pub(crate) fn refuse(&self) -> Refusal {
        Refusal::invalid(format!("{} must be {}", self.name, self.expected))
    }

    /// A text that is not what the field must be.
    pub(crate) fn refuse_text(&self, error: &InvalidText) -> Refusal {
        let why: Cow<'static, str> = match error {
            InvalidText::Blank => "this one is blank".into(),
            InvalidText::TooLong { .. } => "this one is longer".into(),
            InvalidText::Control(code) => format!("this one contains the character U+{code:04X}").into(),
            _ => "this one is not".into(),
        };
        Refusal::invalid(format!("{} must be {}; {why}", self.name, self.expected))
    }
}

/// The first argument of an event, as a `T`.
pub(crate) fn first<T: DeserializeOwned>(args: &[&str], fields: &[Field]) -> Result<T, Refusal> {
    const WHOLE: &str = "the payload";
    let payload =
        args.first().ok_or_else(|| Refusal::invalid("the payload is missing: it must be an object"))?;
    // As text: its characters were checked when it arrived.
    if is_object(payload.as_bytes())
        && let Ok(fits) = serde_json::from_str(payload)
    {
        return Ok(fits);
    }
    Err(refused::<T>(payload.as_bytes(), WHOLE, fields))
}

/// A JSON object, as a `T`. Depth is bounded by `serde_json` (128).
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8], fields: &[Field]) -> Result<T, Refusal> {
    parsed(json).ok_or_else(|| refused::<T>(json, "the request body", fields))
}

/// A JSON object as a `T`, if it is one.
pub(crate) fn parsed<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    is_object(json).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Struct deserialisers also take arrays; clients that send one have made a mistake worth telling.
fn is_object(json: &[u8]) -> bool {
    json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Why a payload is no `T`, in words for people.
fn refused<T: DeserializeOwned>(json: &[u8], whole: &str, fields: &[Field]) -> Refusal {
    let Ok(text) = std::str::from_utf8(json) else {
        return Refusal::invalid(format!("{whole} is not valid UTF-8"));
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Refusal::invalid(format!("{whole} is not valid JSON"));
    }
    if !is_object(json) {
        return Refusal::invalid(format!("{whole} must be a JSON object"));
    }
    match Misfit::of::<T>(text) {
        Some(misfit) => Refusal::invalid(misfit.sentence(whole, fields)),
        // The parser refuses what the second reading takes: a number or an escape that cannot be.
        None => Refusal::invalid(format!("{whole} holds a value that cannot be read")),
    }
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
