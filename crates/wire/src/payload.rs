//! Reading what a client sent.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
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
    parse(payload.as_bytes())
}

/// A JSON object, as a `T`. Depth is bounded by `serde_json` (128).
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    // Struct deserialisers also take arrays; clients that send one have made a mistake worth telling.
    let start = json.iter().find(|byte| !byte.is_ascii_whitespace());
    if start != Some(&b'{') {
        return Err(Refusal::invalid("expected a JSON object"));
    }
    serde_json::from_slice(json).map_err(|error| Refusal::invalid(format!("invalid JSON payload: {error}")))
}
