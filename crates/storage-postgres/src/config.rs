//! How the store is set up, and why it may not open.

use std::fmt;
use std::time::Duration;

use crate::error;

/// The store's settings: `PgConfig { lanes: 4, ..PgConfig::at(url) }`.
#[derive(Clone, PartialEq, Eq)]
pub struct PgConfig {
    /// `postgres://user:password@host:port/database`, with `?sslmode=verify-full` and so on, as libpq takes it. A
    /// folder as the percent-encoded host is that of a Unix socket. Never shown.
    pub url: String,
    /// How many transactions write at once. A thread's decisions are always taken by the same lane. Default 2: the
    /// second one decides while the first waits for the disk.
    pub lanes: usize,
    /// How many threads that somebody else has locked each lane waits for at once, on connections of their own; the
    /// others are tried again with every batch. Default 2.
    pub waiters: usize,
    /// How many decisions one transaction takes at most. Default 256.
    pub batch_max: usize,
    /// How many decisions may wait for a lane; one more is refused at once with
    /// [`StoreError::Busy`](tidings_domain::error::StoreError::Busy). Default 4,096.
    pub queue_max: usize,
    /// How many reads run at once; more wait. Default 8.
    pub readers: usize,
    /// How long a read waits for its turn. Default 5 s.
    pub reader_wait_max: Duration,
    /// How long connecting may take. Default 5 s.
    pub connect_max: Duration,
    /// The server's `statement_timeout`. A server that does not answer for 2 s longer counts as gone. Default 5 s.
    pub statement_max: Duration,
    /// The server's `lock_timeout`: how long decisions wait for a thread that another process has locked. Default 4 s.
    pub lock_max: Duration,
    /// The server's `idle_in_transaction_session_timeout`: how long a process that hangs can keep a thread locked.
    /// Default 10 s.
    pub idle_max: Duration,
    /// Whether opening brings the schema up to date. If not, it must be so already. Default true.
    pub migrate: bool,
    /// Whether it is opened to be copied from or into. Then an unfinished copy opens too, which nobody may serve from,
    /// and a schema that was not brought up to date must not be a later one either. Default false.
    pub copying: bool,
    /// Promises of durability that the server need not keep. Default none.
    pub may_be_off: Vec<Promise>,
}

/// A setting of the server on which durability rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// `fsync`: without it a power loss may destroy the whole database.
    Fsync,
    /// `full_page_writes`: without it a power loss may destroy pages.
    FullPageWrites,
    /// `synchronous_commit`: without it a crash of the server may lose the last answered writes.
    SynchronousCommit,
}

impl Promise {
    pub(crate) const ALL: [Self; 3] = [Self::Fsync, Self::FullPageWrites, Self::SynchronousCommit];

    /// The setting's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::FullPageWrites => "full_page_writes",
            Self::SynchronousCommit => "synchronous_commit",
        }
    }
}

impl PgConfig {
    /// The defaults for a database.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// How long a silent server is waited for.
    pub(crate) fn answer_max(&self) -> Duration {
        self.statement_max.saturating_add(Duration::from_secs(2))
    }
}

impl Default for PgConfig {
    /// The database that libpq's defaults name: this user's on the local server.
    fn default() -> Self {
        Self {
            url: "postgres://".to_owned(),
            lanes: 2,
            waiters: 2,
            batch_max: 256,
            queue_max: 4_096,
            readers: 8,
            reader_wait_max: Duration::from_secs(5),
            connect_max: Duration::from_secs(5),
            statement_max: Duration::from_secs(5),
            lock_max: Duration::from_secs(4),
            idle_max: Duration::from_secs(10),
            migrate: true,
            copying: false,
            may_be_off: Vec::new(),
        }
    }
}

impl fmt::Debug for PgConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConfig")
            .field("lanes", &self.lanes)
            .field("readers", &self.readers)
            .field("may_be_off", &self.may_be_off)
            .finish_non_exhaustive()
    }
}

/// Why the store did not open. No text holds the URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none.
    #[error("the database's URL cannot be used: {0}")]
    Url(sqlx::Error),
    /// The server cannot be reached, refuses, or takes too long.
    #[error("cannot connect to the database: {}", error::text(.0))]
    Connect(sqlx::Error),
    /// The server is too old.
    #[error("the server is PostgreSQL {found}, but 15 or later is needed")]
    Version {
        /// Its version.
        found: String,
    },
    /// The server only reads.
    #[error("the server is a replica, or its default is to only read; writes need the primary")]
    ReadOnly,
    /// The database keeps texts in another encoding.
    #[error("the database's encoding is {found}, but UTF8 is needed")]
    Encoding {
        /// Which.
        found: String,
    },
    /// The server does not keep a promise that the store gives.
    #[error(
        "{setting} is {found}, so what was answered may be lost; correct the server, or accept it by name"
    )]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// What it is.
        found: String,
    },
    /// The schema is not this store's, and was not to be brought up to date.
    #[error("the schema is at version {found}, but {needed} is needed; migrate the database first")]
    Schema {
        /// Its version; 0 when there is none.
        found: i64,
        /// This store's.
        needed: i64,
    },
    /// The schema could not be brought up to date; the database may come from a newer version.
    #[error("cannot migrate the database: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// Another store is being copied into the database, and that has not come to its end.
    #[error("the database is an unfinished copy of another store: finish it with `tidings copy`")]
    Unfinished,
    /// A question to the server failed.
    #[error("the database fails: {}", error::text(.0))]
    Database(sqlx::Error),
}
