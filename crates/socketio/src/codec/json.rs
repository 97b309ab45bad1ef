//! Finds the elements of a JSON array without building values.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Text;

/// Not JSON, or JSON but not an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON array")]
pub struct NotAnArray;

/// Whether arrays and objects in `json` nest at most `limit` levels deep (`[]` is one level).
///
/// `json` need not be valid; what a parser accepts is never deeper than what is counted here.
#[must_use]
pub fn depth_within(json: &str, limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    true
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// The byte ranges in `json` of the first `limit` elements of the array that it is, and whether these are all.
///
/// The whole text is checked to be JSON. Strings are not decoded, so a lone surrogate passes here and fails
/// where the string is read.
///
/// # Errors
/// When `json` is not an array.
pub fn elements(json: &Text, limit: usize) -> Result<(Vec<Range<usize>>, bool), NotAnArray> {
    let mut deserializer = serde_json::Deserializer::from_str(json.as_str());
    let found = deserializer.deserialize_seq(Elements { json, limit }).map_err(|_| NotAnArray)?;
    deserializer.end().map_err(|_| NotAnArray)?;
    Ok(found)
}

struct Elements<'a> {
    json: &'a Text,
    limit: usize,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = (Vec<Range<usize>>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut all) = (Vec::new(), true);
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if found.len() < self.limit {
                let start = self.json.offset_of(raw.get());
                found.push(start..start + raw.get().len());
            } else {
                all = false;
            }
        }
        Ok((found, all))
    }
}
