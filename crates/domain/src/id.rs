//! Identifiers: ours are UUIDv7, the host's are opaque text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// A text that cannot be an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Not a hyphenated UUID.
    #[error("must be a UUID in its hyphenated form")]
    NotAUuid,
    /// Not 1 to 128 visible characters.
    #[error("must be 1 to {OPAQUE_CHARS_MAX} visible characters, without spaces")]
    NotOpaque,
}

/// The longest identifier a host may give its users and business objects, in characters.
pub const OPAQUE_CHARS_MAX: usize = 128;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes over a UUID made by an [`IdSource`](crate::ports::IdSource) or read from a store.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself, for a store's columns.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Reads the 36-character hyphenated form, in either case, of any RFC 9562 version.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // The `uuid` crate also takes the braced, simple and URN forms; those are not ours.
                if text.len() != 36 {
                    return Err(InvalidId::NotAUuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId::NotAUuid)
            }
        }
    )*};
}

uuid_ids! {
    /// A thread. Text form: lower-case hyphenated UUIDv7.
    ThreadId;
    /// A message. Text form: lower-case hyphenated UUIDv7.
    MessageId;
    /// A summary. Text form: lower-case hyphenated UUIDv7.
    SummaryId;
    /// A job.
    JobId;
    /// One authenticated session on a socket, for as long as that socket lives.
    SessionId;
}

macro_rules! opaque_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as the host gave it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Takes 1 to 128 visible characters.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let visible = |c: char| !c.is_whitespace() && !c.is_control() && c != '\u{feff}';
                // The byte test first: it bounds the work on a hostile text.
                if text.is_empty()
                    || text.len() > OPAQUE_CHARS_MAX * 4
                    || text.chars().count() > OPAQUE_CHARS_MAX
                    || !text.chars().all(visible)
                {
                    return Err(InvalidId::NotOpaque);
                }
                Ok(Self(Arc::from(text)))
            }
        }
    )*};
}

opaque_ids! {
    /// A user, as the host names them. Cheap to clone.
    UserId;
    /// A business object, as the host names it. Unique within its [`ContextKind`]. Cheap to clone.
    ContextId;
    /// The kind of a business object: `campaign`, `contract`, `milestone`, `job`… Cheap to clone.
    ContextKind;
    /// What a user is in the marketplace or in a thread: `ADVERTISER`, `brand`, `freelancer`…
    ///
    /// An opaque word to the rules; a [`Policy`](crate::ports::Policy) may give it a meaning. Cheap to clone.
    Role;
}
