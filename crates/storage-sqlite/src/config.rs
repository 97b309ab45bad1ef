//! How the store is set up, and why it may not open.

use std::path::PathBuf;
use std::time::Duration;

/// The store's settings: `SqliteConfig { readers: 8, ..SqliteConfig::at(path) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database file. Its folder must exist; the file is made if it is missing, for its owner
    /// alone. Beside it live `-wal`, `-shm` and `.lock`, with the same rights.
    pub path: PathBuf,
    /// How many decisions one transaction takes at most. Default 256.
    pub batch_max: usize,
    /// How many decisions may wait; one more is refused at once with
    /// [`StoreError::Busy`](tidings_domain::error::StoreError::Busy). Default 4,096.
    pub queue_max: usize,
    /// How many reads run at once; more wait. Default 4.
    pub readers: u32,
    /// How long a read waits for a free connection. Default 5 s.
    pub reader_wait_max: Duration,
    /// How long to wait for a lock that somebody else holds on the file. Default 5 s.
    pub busy_wait_max: Duration,
    /// How often the log is written back into the file. Default 200 ms.
    pub checkpoint_interval: Duration,
    /// From which size on the log is cut back, at the cost of a short stop of the writer, in bytes. Default 64 MiB.
    pub wal_bytes_max: u64,
    /// How much of the file the writer keeps in memory, in KiB. Default 64 MiB.
    pub writer_cache_kib: u32,
    /// Whether opening makes a missing file and brings the schema up to date. If not, both must be so already. Default
    /// true.
    pub migrate: bool,
    /// Whether it is opened to be copied from or into. Then an unfinished copy opens too, which nobody may serve from.
    /// Default false.
    pub copying: bool,
}

impl SqliteConfig {
    /// The defaults for a file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

impl Default for SqliteConfig {
    /// The file `tidings.db` in the current folder.
    fn default() -> Self {
        Self {
            path: PathBuf::from("tidings.db"),
            batch_max: 256,
            queue_max: 4_096,
            readers: 4,
            reader_wait_max: Duration::from_secs(5),
            busy_wait_max: Duration::from_secs(5),
            checkpoint_interval: Duration::from_millis(200),
            wal_bytes_max: 64 * 1024 * 1024,
            writer_cache_kib: 64 * 1024,
            migrate: true,
            copying: false,
        }
    }
}

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store in this one, has the file open for writing.
    #[error("{path} is in use: its lock file {lock} is held by another process")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {lock}: {source}")]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database does not keep a promise that the store gives; the file system may be to blame.
    #[error("{path}: {setting} is {found}, but durability needs {needed}")]
    Setting {
        /// The database file.
        path: PathBuf,
        /// The name of the pragma.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// The schema could not be brought up to date; the file may come from a newer version.
    #[error("cannot migrate {path}: {source}")]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The schema is not this version's, and was not to be brought up to date.
    #[error("the schema of {path} is at version {found}, but {needed} is needed; migrate the database first")]
    Schema {
        /// The database file.
        path: PathBuf,
        /// Its version; 0 when there is none.
        found: i64,
        /// This store's.
        needed: i64,
    },
    /// Another store is being copied into the file, and that has not come to its end.
    #[error("{path} is an unfinished copy of another store: finish it with `tidings copy`")]
    Unfinished {
        /// The database file.
        path: PathBuf,
    },
    /// The database does not open.
    #[error("cannot open {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
}
