//! Connections for reads.
//!
//! Not sqlx's pool: there a call that is cancelled in `begin` leaves its transaction open on a connection that others
//! get next, and a connection whose server went silent keeps its place for ever (sqlx 0.9.0). Here a connection goes
//! back only from a read that came to its end; any other is closed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{Connection, Executor, FromRow, PgConnection, Postgres};
use tidings_domain::error::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::PgConfig;
use crate::error::{Reach, reach, store_error};
use crate::open::{connect, within};

/// A connection that was not used for so long is asked whether it still lives.
const FRESH: Duration = Duration::from_secs(1);

type Query<'q, R> = QueryAs<'q, Postgres, R, PgArguments>;

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Readers {
    config: PgConfig,
    options: PgConnectOptions,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

/// A connection, for one read. Dropped before [`done`](Reader::done), it is closed.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: PgConnection,
    home: Arc<Readers>,
    in_moment: bool,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(config: PgConfig, options: PgConnectOptions) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(config.readers.max(1)));
        Arc::new(Self { config, options, places, idle: Mutex::default() })
    }

    /// A connection that works, as soon as there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let limit = self.config.reader_wait_max;
        let place = tokio::time::timeout(limit, Arc::clone(&self.places).acquire_owned()).await;
        let place = place
            .map_err(|_| StoreError::Unavailable(format!("no free reader within {} ms", limit.as_millis())))?
            .map_err(|_| StoreError::Unavailable("the store is closed".into()))?;
        let connection = self.connection().await.map_err(|error| store_error(&error))?;
        Ok(Reader { connection, home: Arc::clone(self), in_moment: false, _place: place })
    }

    async fn connection(&self) -> Result<PgConnection, sqlx::Error> {
        while let Some(Idle { mut connection, since }) = self.pop() {
            if since.elapsed() < FRESH {
                return Ok(connection);
            }
            match within(self.config.connect_max, connection.ping()).await {
                Ok(()) => return Ok(connection),
                // Most likely they all are.
                Err(_) => self.forget(),
            }
        }
        connect(&self.options, &self.config).await
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Closes what nobody uses.
    pub(crate) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) async fn close(&self) {
        self.places.close();
        while let Some(Idle { connection, .. }) = self.pop() {
            if let Err(error) = within(self.config.answer_max(), connection.close()).await {
                tracing::warn!(%error, "a reader's connection did not close");
            }
        }
    }
}

/// How many rows are taken before other tasks have their turn.
const ROWS_AT_ONCE: usize = 32;

impl Reader {
    /// All rows that a query finds.
    pub(crate) async fn all<R>(&mut self, query: Query<'_, R>) -> Result<Vec<R>, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let connection = &mut self.connection;
        let reading = async {
            let mut found = query.fetch(connection);
            let mut rows = Vec::new();
            while let Some(row) = found.try_next().await? {
                rows.push(row);
                // Many rows that are there already would be taken in one go: others have their turn too.
                if rows.len().is_multiple_of(ROWS_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
            Ok(rows)
        };
        let found = within(self.home.config.answer_max(), reading).await;
        self.judged(found)
    }

    /// The one row that a query finds, if it does.
    pub(crate) async fn optional<R>(&mut self, query: Query<'_, R>) -> Result<Option<R>, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let found = within(self.home.config.answer_max(), query.fetch_optional(&mut self.connection)).await;
        self.judged(found)
    }

    /// Opens a moment that all reads until [`done`](Self::done) see together.
    pub(crate) async fn moment(&mut self) -> Result<(), StoreError> {
        let begun = self.connection.execute("begin transaction isolation level repeatable read, read only");
        let begun = within(self.home.config.answer_max(), begun).await;
        self.in_moment = true;
        self.judged(begun).map(drop)
    }

    /// Gives the connection back.
    pub(crate) async fn done(mut self) {
        if self.in_moment {
            let ended = within(self.home.config.answer_max(), self.connection.execute("commit")).await;
            if ended.is_err() {
                return;
            }
        }
        if self.home.places.is_closed() {
            return;
        }
        let idle = Idle { connection: self.connection, since: Instant::now() };
        self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    fn judged<T>(&self, found: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        found.map_err(|error| {
            if reach(&error) == Reach::Connection {
                self.home.forget();
            }
            store_error(&error)
        })
    }
}
