//! `[dialects]`: which vocabularies are spoken.

use tidings_wire::{Dialect, campaign};

use super::key::Key;
use super::source::Source;
use super::value::boolean;

/// Every dialect there is, with its switch.
static ALL: [(&Dialect, Key); 1] = [(
    &campaign::DIALECT,
    Key::new(
        "dialects.campaign.enabled",
        "true",
        "true or false",
        "Whether the `campaign` dialect is served: `/messaging`, `/api/messaging`, and the namespace `/messaging`.",
    ),
)];

static STRICT: Key = Key::new(
    "dialects.campaign.strict",
    "false",
    "true or false",
    "Whether only campaigns and users that the host has told about (`PUT /v1/…`) may have threads; others are answered \
     404, as the original does. Otherwise the ids are taken as given when the caller's own is among them.",
);

pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    ALL.iter().map(|(_, key)| key).chain(std::iter::once(&STRICT))
}

/// The names of all dialects, served or not.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(dialect, _)| dialect.name)
}

/// The dialects that are served, and how.
#[derive(Debug, Clone)]
pub(crate) struct Dialects {
    /// At least one.
    pub(crate) served: Vec<&'static Dialect>,
    /// Whether only what the host has told about may have threads.
    pub(crate) strict: bool,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Dialects> {
    let switches: Vec<(&Dialect, Option<bool>)> =
        ALL.iter().map(|(dialect, key)| (*dialect, source.read(key, boolean))).collect();
    let strict = source.read(&STRICT, boolean);
    if switches.iter().any(|(_, enabled)| enabled.is_none()) {
        return None;
    }
    let served: Vec<&'static Dialect> = switches
        .into_iter()
        .filter(|(_, enabled)| *enabled == Some(true))
        .map(|(dialect, _)| dialect)
        .collect();
    if served.is_empty() {
        source.wrong("dialects", "every dialect switched off", "at least one", "remove an `enabled = false`");
        return None;
    }
    Some(Dialects { served, strict: strict? })
}
