//! `[notices]`: telling those who are away.

use std::time::Duration;

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, duration_of, text};

/// The longest wait: a job is kept until then.
const AFTER_MAX: Duration = Duration::from_hours(7 * 24);

static AFTER: Key = Key::new(
    "notices.after",
    "\"30s\"",
    "a time from 1s to 7d; or off",
    "How long after a message those who have not read it, and are not connected, are told. The notices are written to the \
     log; nothing of the messages is in them.",
);
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    std::iter::once(&AFTER)
}

/// When those who are away are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notices {
    /// `None`: never.
    pub(crate) after: Option<Duration>,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Notices> {
    source.read(&AFTER, after).map(|after| Notices { after })
}

fn after(value: &toml::Value) -> Result<Option<Duration>, Wrong> {
    let text = text(value)?;
    if text == "off" {
        return Ok(None);
    }
    let fits = |after: &Duration| *after >= Duration::from_secs(1) && *after <= AFTER_MAX;
    duration_of(&text).filter(fits).map(Some).ok_or(None)
}
