//! Texts that people write, parsed once at the door.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The longest message, in characters (Unicode scalar values).
pub const BODY_CHARS_MAX: usize = 10_000;
/// The largest message, in bytes of UTF-8.
pub const BODY_BYTES_MAX: usize = 40 * 1024;
/// The longest subject of a thread, in characters.
pub const SUBJECT_CHARS_MAX: usize = 255;
/// The longest client key, in bytes.
pub const CLIENT_KEY_BYTES_MAX: usize = 128;

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// Nothing but white space and characters that show nothing.
    #[error("must not be blank")]
    Blank,
    /// Longer than the limit.
    #[error("must be at most {max} {unit}")]
    TooLong {
        /// The limit.
        max: usize,
        /// What the limit counts: `characters` or `bytes`.
        unit: &'static str,
    },
    /// Contains a character that no store and no screen can hold.
    #[error("must not contain the control character U+{0:04X}")]
    Control(u32),
}

fn bounded(text: &str, chars_max: usize, bytes_max: usize) -> Result<(), InvalidText> {
    if text.len() > bytes_max {
        return Err(InvalidText::TooLong { max: bytes_max, unit: "bytes" });
    }
    if text.chars().count() > chars_max {
        return Err(InvalidText::TooLong { max: chars_max, unit: "characters" });
    }
    Ok(())
}

/// Characters that show nothing by themselves: Unicode's `Default_Ignorable_Code_Point`, the annotation marks, and the
/// blank of Braille. White space is not among them.
const INVISIBLE: [RangeInclusive<char>; 20] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fff8}',
    '\u{fff9}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e007f}',
    '\u{e0080}'..='\u{e0fff}',
];

/// Whether a reader would see nothing: white space and invisible characters alone. An emoji is seen, whatever joins its
/// parts.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let is_invisible = |c: char| c >= '\u{ad}' && INVISIBLE.iter().any(|range| range.contains(&c));
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// A short text for people without its control characters: PostgreSQL cannot keep U+0000, and no screen shows the others.
pub(crate) fn presentable(mut text: String) -> String {
    text.retain(|c| !c.is_control());
    text
}

/// What a message says: at most 10,000 characters and 40 KiB, without NUL. One that is sent is not blank; one that was
/// imported may be.
///
/// Kept as written: nothing is trimmed or normalised. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Body(Arc<str>);

impl Body {
    /// Parses what a sender wrote.
    ///
    /// # Errors
    /// [`InvalidText`] says which limit was broken.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let body = Self::parse_kept(text)?;
        if is_blank(text) { Err(InvalidText::Blank) } else { Ok(body) }
    }

    /// Parses a text that was accepted before: by an earlier version, or by the system that a history is imported from.
    /// It may be blank, since what counts as blank has changed; every other limit is that of [`parse`](Self::parse).
    ///
    /// # Errors
    /// [`InvalidText`] says which limit was broken.
    pub fn parse_kept(text: &str) -> Result<Self, InvalidText> {
        bounded(text, BODY_CHARS_MAX, BODY_BYTES_MAX)?;
        if text.contains('\0') {
            return Err(InvalidText::Control(0));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    /// Shows the size alone: what people write does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// A thread's subject: 1 to 255 characters, not blank, without control characters. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Parses a subject.
    ///
    /// # Errors
    /// [`InvalidText`] says which limit was broken.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        bounded(text, SUBJECT_CHARS_MAX, SUBJECT_CHARS_MAX * 4)?;
        // White space may be control characters: that nothing is there says more.
        if is_blank(text) { Err(InvalidText::Blank) } else { Self::parse_kept(text) }
    }

    /// Parses a subject that was accepted by an earlier version. It may be blank, since what counts as blank has changed;
    /// every other limit is that of [`parse`](Self::parse).
    ///
    /// # Errors
    /// [`InvalidText`] says which limit was broken.
    pub fn parse_kept(text: &str) -> Result<Self, InvalidText> {
        bounded(text, SUBJECT_CHARS_MAX, SUBJECT_CHARS_MAX * 4)?;
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidText::Control(u32::from(control)));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The idempotency key that a sender gives a message: 1 to 128 bytes, without control characters. Cheap to clone.
///
/// Unique per thread and sender, and kept as long as the message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(Arc<str>);

impl ClientKey {
    /// Parses a key.
    ///
    /// # Errors
    /// [`InvalidText`] says which limit was broken.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if text.is_empty() {
            return Err(InvalidText::Blank);
        }
        bounded(text, CLIENT_KEY_BYTES_MAX, CLIENT_KEY_BYTES_MAX)?;
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidText::Control(u32::from(control)));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The key as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A fingerprint of all that a sender drafted, kept beside the client key: the same key with another draft is a
/// conflict, not a repetition. The first 16 bytes of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DraftHash([u8; 16]);

impl DraftHash {
    /// The fingerprint of a plain message. The leading tag keeps drafts with more parts (replies, attachments)
    /// apart from this form.
    #[must_use]
    pub fn of_body(body: &Body) -> Self {
        let digest = Sha256::new().chain_update(b"body:").chain_update(body.as_str().as_bytes()).finalize();
        let mut short = [0; 16];
        short.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        Self(short)
    }

    /// A fingerprint read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store's column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}
