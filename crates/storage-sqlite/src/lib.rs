//! The embedded durable store of Tidings: one SQLite file, no set-up.
//!
//! # How it writes
//! One task owns the only writing connection (`BEGIN IMMEDIATE`, WAL, `synchronous=FULL`). While one transaction
//! commits, decisions queue; the next transaction takes up to 256 of them at once: loads the union of their scopes in
//! one round trip, decides them in order in memory, writes the last state of every row in one round trip, commits,
//! tells the [`Notifier`] of each decision's commit in order, and then answers. So a disk that takes 2 ms to sync still
//! takes thousands of messages per second, and a single sender waits for no timer. A batch that fails is decided
//! again one by one, so that nobody's fault hurts a neighbour.
//!
//! # How it reads
//! On read-only connections that never wait for the writer. A read that starts after an answer sees what was answered.
//!
//! # What it promises
//! An answered write survives `kill -9` and power loss. The promises are checked when the file is opened, and a second
//! process that opens it is refused.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::change::Commit;
//! use tidings_domain::ports::{Directory, Notifier};
//! use tidings_domain::user::User;
//! use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
//! use tokio_util::task::TaskTracker;
//!
//! #[derive(Debug)]
//! struct Quiet;
//!
//! impl Notifier for Quiet {
//!     fn committed(&self, _: Arc<Commit>) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tidings_testkit::block_on(async {
//! let folder = tempfile::tempdir()?;
//! let config = SqliteConfig::at(folder.path().join("tidings.db"));
//! let store = SqliteStore::open(config, Arc::new(Quiet), &TaskTracker::new()).await?;
//! let ada = store.put_user(User::unknown("ada".parse()?), None).await?;
//! assert_eq!(ada.number, 1);
//! store.close().await;
//! # Ok(()) })
//! # }
//! ```

mod about;
mod batch;
mod checkpoint;
mod config;
mod directory;
mod error;
mod health;
mod jobs;
mod list;
mod load;
mod lookups;
mod open;
mod pages;
#[cfg(test)]
mod plans;
mod queue;
mod read;
mod rows;
mod transfer;
mod write;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sqlx::SqlitePool;
use tidings_domain::error::StoreError;
use tidings_domain::ports::Notifier;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::config::{OpenError, SqliteConfig};

use crate::checkpoint::Checkpointer;
use crate::health::{Watch, health};
use crate::load::Counters;
use crate::lookups::Lookups;
use crate::queue::{Queue, Request};
use crate::writer::Writer;

/// Threads, messages, users and business objects in one SQLite file. Cheap to clone; clones share everything.
///
/// # Concurrency
/// Any number of calls at once. A write whose future is dropped is still done once the writer has it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    queue: Queue,
    readers: SqlitePool,
    lookups: Lookups,
    health: Watch,
    closing: CancellationToken,
    /// The writer, the checkpointer, and whoever looks users up.
    own: TaskTracker,
}

impl SqliteStore {
    /// Opens the file, making it and its schema if need be, and starts the writer and the checkpointer on `tasks`.
    ///
    /// # Errors
    /// [`OpenError`] when the file is in use, does not open, does not migrate or would not be durable.
    pub async fn open(
        config: SqliteConfig,
        notifier: Arc<dyn Notifier>,
        tasks: &TaskTracker,
    ) -> Result<Self, OpenError> {
        let lock = Arc::new(open::lock(&config.path)?);
        if config.migrate {
            open::make(&config.path)?;
        }
        let mut connection = open::writer(&config).await?;
        let counters = Counters::read(&mut connection)
            .await
            .map_err(|source| OpenError::Database { path: config.path.clone(), source })?;
        let readers = open::readers(&config);
        let (queue, waiting) = Queue::new(config.queue_max);
        let commits = Arc::new(AtomicU64::new(counters.commits));
        let closing = CancellationToken::new();
        let own = TaskTracker::new();
        let (gone, writer_gone) = oneshot::channel();
        let checkpointer = Checkpointer {
            log: open::beside(&config.path, "-wal"),
            config: config.clone(),
            commits: Arc::clone(&commits),
            lock: Arc::clone(&lock),
        };
        let connection = Some((connection, counters));
        let (report, health) = health();
        let writer = Writer { config, notifier, commits, lock, connection, report };
        tasks.spawn(own.track_future(writer.run(waiting, closing.clone(), gone)));
        tasks.spawn(own.track_future(checkpointer.run(writer_gone)));
        let (lookups, asked) = Lookups::new();
        tasks.spawn(own.track_future(lookups::run(readers.clone(), asked, closing.clone())));
        own.close();
        Ok(Self { queue, readers, lookups, health, closing, own })
    }

    /// Whether writes are stored now. Nothing is written to find out, unless the last write met a file or a disk that
    /// would not take it: then a small one is.
    ///
    /// # Errors
    /// Why writes are not stored.
    ///
    /// # Concurrency
    /// Waits for the end of the transaction that is being written. So a disk that hangs shows in a caller's own timeout.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        match self.health.last_write().await {
            Ok(()) if self.queue.is_closed() => Err(StoreError::Unavailable("the store is closed".into())),
            Ok(()) => Ok(()),
            Err(_) => self.queue.put(Request::Touch).await.map(drop),
        }
    }

    /// Waits until the writer has ended: after [`close`](Self::close), or because it cannot go on. From then on every
    /// write is refused.
    pub async fn stopped(&self) {
        self.queue.closed().await;
    }

    /// Stops taking writes, finishes those that were taken, writes the log back into the file and lets go of it.
    /// Later calls answer [`StoreError::Unavailable`]. May be called
    /// again; every call waits for the end.
    pub async fn close(&self) {
        self.closing.cancel();
        self.own.wait().await;
        self.readers.close().await;
    }
}
