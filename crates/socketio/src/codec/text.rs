//! A shared slice of text.

use std::fmt;
use std::ops::{Deref, Range};

use bytes::Bytes;
use tungstenite::Utf8Bytes;

/// A part of a received text, sharing its buffer.
///
/// Cloning and slicing copy nothing. A `Text` keeps the whole received message alive, so copy out what must
/// outlive the handling of an event.
#[derive(Clone, Default)]
pub struct Text {
    whole: Utf8Bytes,
    range: Range<usize>,
}

impl Text {
    /// The text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.whole.as_str().get(self.range.clone()).unwrap_or_default()
    }

    /// The part of this text at `range` (bytes); empty when `range` is not inside it or cuts a character.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        if self.as_str().get(range.clone()).is_none() {
            return Self::default();
        }
        let start = self.range.start + range.start;
        Self { whole: self.whole.clone(), range: start..start + range.len() }
    }

    /// Where `part`, which must be a slice of this very text, begins in it.
    pub(crate) fn offset_of(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.as_str().as_ptr() as usize)
    }
}

impl From<Utf8Bytes> for Text {
    fn from(whole: Utf8Bytes) -> Self {
        let range = 0..whole.len();
        Self { whole, range }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Utf8Bytes::from(text).into()
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Utf8Bytes::from_static(text).into()
    }
}

impl TryFrom<Bytes> for Text {
    type Error = std::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        Utf8Bytes::try_from(bytes).map(Self::from)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
