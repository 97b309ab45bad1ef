//! `[store]`: where threads and messages are kept.

use std::fmt;
use std::path::PathBuf;

use tidings_storage_postgres::Promise;

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, boolean, count, list, text};

static ALL: [Key; 5] = [
    Key::unset(
        "store.url",
        "\"sqlite:data/tidings.db\"",
        "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory:",
        "The store: `sqlite:PATH`, `postgres://…` (version 15 or later), or `memory:`, which forgets everything at \
         the end. Not set: `tidings.db` in the data folder.",
    )
    .aliases(&["DATABASE_URL"])
    .flag("--database-url")
    .or_file(),
    Key::new(
        "store.queue",
        "4096",
        "a number from 1 on",
        "How many writes may wait, on PostgreSQL for each lane; one more is refused at once, and may be repeated.",
    ),
    Key::new(
        "store.lanes",
        "2",
        "a number from 1 on",
        "PostgreSQL: how many transactions write at once. Each takes up to 256 writes.",
    ),
    Key::new(
        "store.migrate",
        "true",
        "true or false",
        "PostgreSQL: whether starting brings the schema up to date. If not, `tidings migrate` must have done so.",
    ),
    Key::new(
        "store.may_be_off",
        "[]",
        "a list of fsync, full_page_writes and synchronous_commit",
        "PostgreSQL: settings of the server without which messages that were acknowledged may be lost, and which may be \
         off nevertheless. Otherwise such a server is refused.",
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
    /// How many transactions write at once, on PostgreSQL.
    pub(crate) lanes: usize,
    /// Whether starting migrates, on PostgreSQL.
    pub(crate) migrate: bool,
    /// What the server need not promise, on PostgreSQL.
    pub(crate) may_be_off: Vec<Promise>,
}

/// A store that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Sqlite(PathBuf),
    Postgres(PgUrl),
}

impl StoreUrl {
    /// The store that a URL names; `None` when it names none.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        if url == "memory:" {
            return Some(Self::Memory);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(PgUrl(url.to_owned())));
        }
        // Both `sqlite:PATH` and the form with an empty host, `sqlite://PATH`, are common.
        let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        path.filter(|path| !path.is_empty()).map(|path| Self::Sqlite(path.into()))
    }
}

/// A URL that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PgUrl(pub(crate) String);

impl PgUrl {
    /// The host and the database, without user, password and options.
    pub(crate) fn shown(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        rest.rsplit_once('@').map_or(rest, |(_, shown)| shown)
    }
}

impl fmt::Debug for PgUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PgUrl").field(&self.shown()).finish()
    }
}

pub(super) fn read(source: &mut Source<'_>) -> Option<StoreSettings> {
    let [url, queue, lanes, migrate, may_be_off] = &ALL;
    let (url, queue, lanes) = (source.read(url, parse), source.read(queue, count), source.read(lanes, count));
    let (migrate, may_be_off) = (source.read(migrate, boolean), source.read(may_be_off, promises));
    Some(StoreSettings { url, queue: queue?, lanes: lanes?, migrate: migrate?, may_be_off: may_be_off? })
}

fn parse(value: &toml::Value) -> Result<StoreUrl, Wrong> {
    StoreUrl::parse(&text(value)?).ok_or(None)
}

fn promises(value: &toml::Value) -> Result<Vec<Promise>, Wrong> {
    let all = [Promise::Fsync, Promise::FullPageWrites, Promise::SynchronousCommit];
    let named = |name: String| all.into_iter().find(|promise| promise.name() == name).ok_or(None);
    list(value)?.into_iter().map(named).collect()
}
