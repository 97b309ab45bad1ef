//! A name for each request, by which its lines in logs are found.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Where a request's name stands, in it and in its answer.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that is taken over, in bytes.
const TAKEN_MAX: usize = 128;

/// A request's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The one that the client or a proxy gave, if it can stand in a log: letters, digits, `-`, `_` and `.` alone.
    pub(crate) fn given(headers: &HeaderMap) -> Option<Self> {
        let given = headers.get(X_REQUEST_ID)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let is_sane = (1..=TAKEN_MAX).contains(&given.len()) && given.as_bytes().iter().all(plain);
        is_sane.then(|| Self(given.clone()))
    }

    /// A new one.
    pub(crate) fn new(id: uuid::Uuid) -> Self {
        let text = id.simple().to_string();
        Self(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unnamed")))
    }

    /// As a header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(text).unwrap())]);
        RequestId::given(&headers).map(|id| id.to_string())
    }

    #[test]
    fn only_what_can_stand_in_a_log_is_taken_over() {
        let longest = "x".repeat(TAKEN_MAX);
        for sane in ["a", "0193-ab.CD_ef", &longest] {
            assert_eq!(given(sane).as_deref(), Some(sane));
        }
        for strange in ["", "a b", "a\"b", "a=b", "\u{fc}", &"x".repeat(TAKEN_MAX + 1)] {
            assert_eq!(given(strange), None, "{strange}");
        }
        let made = RequestId::new(uuid::Uuid::nil());
        assert_eq!(made.to_string(), "0".repeat(32));
    }
}
