//! The production store of Tidings: PostgreSQL 15 and later.
//!
//! # How it writes
//! A few lanes write, each one transaction at a time; a thread's decisions always take the same lane. While one
//! transaction commits, decisions queue; the next one takes up to 256 of them at once: it locks their threads, in one
//! statement, loads the union of their scopes, in later ones, decides in order in memory, writes the last state of every row by
//! arrays, commits, tells the [`Notifier`] of each decision's commit in order, and then answers. A batch that fails is
//! decided again one by one, so that nobody's fault hurts a neighbour.
//!
//! Any number of processes may work on one database. A thread that another one has locked is left out of the batch and
//! waited for on a connection of its own, so that a process that hangs holds up nobody but its own threads, and those
//! until the server ends its session. Users, business objects and jobs are written by one task of each process, which
//! does wait for a user or an object that another one is writing, up to `lock_max`.
//!
//! # How it reads
//! On connections of their own that never wait for a lock. A read that starts after an answer sees what was answered.
//!
//! # What it promises
//! An answered write survives a crash of the server and of this process; the server's settings are checked when the
//! store opens. When the answer to a commit is lost, the database is asked what became of it; only if it cannot say is
//! the answer [`StoreError::Unknown`]. Lost connections are replaced.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use tidings_domain::change::Commit;
//! use tidings_domain::ports::{Directory, Notifier};
//! use tidings_domain::user::User;
//! use tidings_storage_postgres::{PgConfig, PgStore};
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
//! let config = PgConfig::at("postgres://tidings@localhost/tidings");
//! let store = PgStore::open(config, Arc::new(Quiet), &TaskTracker::new()).await?;
//! let ada = store.put_user(User::unknown("ada".parse()?), None).await?;
//! assert_eq!(ada.number, 1);
//! store.close().await;
//! # Ok(()) })
//! # }
//! ```

// So that the cluster of the tests can be used here, too.
#[cfg(test)]
extern crate self as tidings_storage_postgres;

mod about;
mod batch;
#[cfg(test)]
#[path = "../tests/cluster/mod.rs"]
mod cluster;
mod config;
mod directory;
mod errands;
mod error;
mod health;
mod jobs;
mod lane;
mod list;
mod load;
mod numbers;
mod open;
#[cfg(test)]
mod plans;
mod pool;
mod queue;
mod read;
mod rows;
mod runner;
mod transaction;
mod transfer;
mod write;

use std::sync::Arc;

use futures_util::future::select_all;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::ports::Notifier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::config::{OpenError, PgConfig, Promise};

use crate::errands::Errands;
use crate::health::Health;
use crate::lane::Lane;
use crate::pool::Readers;
use crate::queue::{Answer, Errand, Queue, Ran, Request};
use crate::runner::Shared;

/// Whether the server, or this session, takes no writes.
const IS_READ_ONLY: &str = "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool";

/// Threads, messages, users and business objects in one PostgreSQL database. Cheap to clone; clones share everything.
///
/// # Concurrency
/// Any number of calls at once, from any number of processes. A write whose future is dropped is still done once a
/// lane has it.
#[derive(Debug, Clone)]
pub struct PgStore {
    /// Never empty.
    lanes: Arc<[Queue<Request, Answer>]>,
    errands: Queue<Errand, Ran>,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    closing: CancellationToken,
    /// The lanes, their waiters and the errands.
    own: TaskTracker,
}

impl PgStore {
    /// Connects, checks the server, brings the schema up to date, and starts the writers on `tasks`.
    ///
    /// # Errors
    /// [`OpenError`] when the server cannot be reached, is not one that this store can rely on, or does not migrate.
    pub async fn open(
        config: PgConfig,
        notifier: Arc<dyn Notifier>,
        tasks: &TaskTracker,
    ) -> Result<Self, OpenError> {
        let options = open::options(&config)?;
        let mut connection = open::connect(&options, &config).await.map_err(OpenError::Connect)?;
        open::check(&mut connection, &config).await?;
        if config.migrate {
            open::migrate(&options, &config).await?;
        } else {
            open::check_schema(&mut connection, &config).await?;
        }
        open::check_finished(&mut connection, &config).await?;
        drop(connection);
        let (closing, own) = (CancellationToken::new(), TaskTracker::new());
        let readers = Readers::new(config.clone(), options.clone());
        let shared = Arc::new(Shared { config, options, notifier, health: Health::default() });
        let lanes = (0..shared.config.lanes.max(1)).map(|number| {
            let (queue, waiting) = Queue::new(shared.config.queue_max);
            Lane::start(number, &shared, waiting, closing.clone(), tasks, &own);
            queue
        });
        let lanes = lanes.collect();
        let (errands, waiting) = Queue::new(shared.config.queue_max);
        tasks.spawn(own.track_future(Errands::new(&shared).run(waiting, closing.clone())));
        own.close();
        Ok(Self { lanes, errands, readers, shared, closing, own })
    }

    /// Looks whether the database is one that this store can rely on, changing nothing; answers the server's version.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn check(config: &PgConfig) -> Result<String, OpenError> {
        let options = open::options(config)?;
        let mut connection = open::connect(&options, config).await.map_err(OpenError::Connect)?;
        open::check(&mut connection, config).await
    }

    /// Brings the schema up to date, and does nothing else. Several processes may do so at once.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrate(config: &PgConfig) -> Result<(), OpenError> {
        let options = open::options(config)?;
        let mut connection = open::connect(&options, config).await.map_err(OpenError::Connect)?;
        open::check(&mut connection, config).await?;
        open::migrate(&options, config).await
    }

    /// Whether writes are stored now: the server is no standby and not read-only, and the last write went well. Nothing is
    /// written to find out, unless the server could not do the last one: then a small one is.
    ///
    /// # Errors
    /// Why writes are not stored.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        if self.errands.is_closed() || self.lanes.iter().any(Queue::is_closed) {
            return Err(StoreError::Unavailable("the store is closed".into()));
        }
        let mut reader = self.readers.take().await?;
        let asked = reader.optional(sqlx::query_as::<_, (bool,)>(IS_READ_ONLY)).await?;
        if asked.is_none_or(|(is_read_only,)| is_read_only) {
            // It may be so for sessions that began at a bad time alone: the next ones ask anew.
            self.readers.forget();
            return Err(StoreError::Unavailable("the server is read-only".into()));
        }
        reader.done().await;
        if self.shared.health.has_failed() {
            self.errands.put(Errand::Touch).await?;
        }
        Ok(())
    }

    /// Waits until a writer has ended: after [`close`](Self::close), or because it cannot go on. From then on writes are
    /// refused.
    pub async fn stopped(&self) {
        let lanes = self.lanes.iter().map(|lane| Box::pin(lane.closed()));
        tokio::select! {
            () = self.errands.closed() => {}
            _ = select_all(lanes) => {}
        }
    }

    /// Stops taking writes, finishes those that were taken, and lets go of all connections. Later calls answer
    /// [`StoreError::Unavailable`]. May be called again; every call
    /// waits for the end.
    pub async fn close(&self) {
        self.closing.cancel();
        self.own.wait().await;
        self.readers.close().await;
    }

    /// The lane of a thread. An id's last bits are random.
    fn lane(&self, thread: ThreadId) -> Result<&Queue<Request, Answer>, StoreError> {
        let bits = thread.as_uuid().as_u128() & u128::from(u32::MAX);
        let index = usize::try_from(bits).unwrap_or(0) % self.lanes.len().max(1);
        self.lanes.get(index).ok_or_else(|| StoreError::Internal("the store has no lanes".into()))
    }
}
