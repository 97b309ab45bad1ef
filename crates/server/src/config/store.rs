//! `[store]`: where threads and messages are kept.

use std::path::PathBuf;

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, count, text};

static ALL: [Key; 2] = [
    Key::unset(
        "store.url",
        "\"sqlite:data/tidings.db\"",
        "sqlite:PATH or memory:",
        "The store: `sqlite:PATH`, or `memory:`, which forgets everything at the end. Not set: `tidings.db` in the data \
         folder.",
    )
    .aliases(&["DATABASE_URL"])
    .flag("--database-url")
    .or_file(),
    Key::new(
        "store.queue",
        "4096",
        "a number from 1 on",
        "How many writes may wait; one more is refused at once, and may be repeated.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// Where threads and messages are kept.
#[derive(Debug, Clone)]
pub(crate) struct StoreSettings {
    /// `None`: the default file in the data folder.
    pub(crate) url: Option<StoreUrl>,
    /// How many writes may wait.
    pub(crate) queue: usize,
}

/// A store that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Sqlite(PathBuf),
}

pub(super) fn read(source: &mut Source<'_>) -> Option<StoreSettings> {
    let [url, queue] = &ALL;
    let (url, queue) = (source.read(url, parse), source.read(queue, count));
    Some(StoreSettings { url, queue: queue? })
}

fn parse(value: &toml::Value) -> Result<StoreUrl, Wrong> {
    let url = text(value)?;
    if url == "memory:" {
        return Ok(StoreUrl::Memory);
    }
    // Both `sqlite:PATH` and the form with an empty host, `sqlite://PATH`, are common.
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    path.filter(|path| !path.is_empty()).map(|path| StoreUrl::Sqlite(path.into())).ok_or(None)
}
