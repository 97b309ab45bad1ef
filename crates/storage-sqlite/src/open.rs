//! Opening the file: lock, connections, checks, schema.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use crate::config::{OpenError, SqliteConfig};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How many rows may be on their way from a connection's thread: a batch's worth without a stop.
const ROWS_BUFFERED: usize = 1_024;

/// How long cutting the log back waits, first for the writer and then, while it holds up the writer, for readers.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_millis(20);

/// The file whose name is the database's and a suffix.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens files to write; one that it makes is for its owner alone, whatever folder it is in.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the file if it is missing, empty as SQLite itself would, but private; the files beside it follow its mode.
pub(crate) fn make(path: &Path) -> Result<(), OpenError> {
    let made = private().create(true).truncate(false).open(path);
    let failed = |error| OpenError::Database { path: path.to_owned(), source: sqlx::Error::Io(error) };
    made.map(drop).map_err(failed)
}

/// Takes the lock beside the file. It is held as long as the handle lives, and dies with the process.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, ".lock");
    let file = private().create(true).truncate(false).open(&lock);
    let file = file.map_err(|source| OpenError::Lock { lock: lock.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), lock }),
        Err(TryLockError::Error(source)) => Err(OpenError::Lock { lock, source }),
    }
}

/// The writer's connection: durable at every commit, and no checkpoint inside one.
pub(crate) fn writer_options(config: &SqliteConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&config.path)
        .create_if_missing(config.migrate)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // On Apple systems fsync alone does not reach the disk; elsewhere these do nothing.
        .pragma("fullfsync", "on")
        .pragma("checkpoint_fullfsync", "on")
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", format!("-{}", config.writer_cache_kib))
        .busy_timeout(config.busy_wait_max)
        .row_buffer_size(ROWS_BUFFERED)
        .disable_statement_logging()
}

/// The checkpointer's connection.
pub(crate) fn checkpoint_options(config: &SqliteConfig) -> SqliteConnectOptions {
    writer_options(config).create_if_missing(false).busy_timeout(CHECKPOINT_WAIT_MAX)
}

/// A connection that only reads.
fn reader_options(config: &SqliteConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&config.path)
        .read_only(true)
        .busy_timeout(config.busy_wait_max)
        .row_buffer_size(ROWS_BUFFERED)
        .disable_statement_logging()
}

/// Connections that only read, and never wait for the writer.
pub(crate) fn readers(config: &SqliteConfig) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(config.readers.max(1))
        .acquire_timeout(config.reader_wait_max)
        // A connection to a file does not go stale; asking it each time would cost as much as the read.
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(reader_options(config))
}

/// Opens the writer's connection, checks its promises and brings the schema up to date.
pub(crate) async fn writer(config: &SqliteConfig) -> Result<SqliteConnection, OpenError> {
    let database = |source| OpenError::Database { path: config.path.clone(), source };
    if !config.migrate {
        // Before anything is written: the writer's own settings change a file that may not be ours.
        let mut connection = reader_options(config).connect().await.map_err(database)?;
        check_schema(&mut connection, config).await?;
        connection.close().await.map_err(database)?;
    }
    let mut connection = writer_options(config).connect().await.map_err(database)?;
    let promises = [
        ("journal_mode", "pragma journal_mode", "wal"),
        ("synchronous", "pragma synchronous", "2"),
        ("foreign_keys", "pragma foreign_keys", "1"),
        ("encoding", "pragma encoding", "UTF-8"),
    ];
    for (setting, ask, needed) in promises {
        let found = pragma(&mut connection, ask).await.map_err(database)?;
        if found != needed {
            return Err(OpenError::Setting { path: config.path.clone(), setting, found, needed });
        }
    }
    if config.migrate {
        migrate(&mut connection, config).await?;
    }
    let is_unfinished: bool =
        sqlx::query_scalar(UNFINISHED).fetch_one(&mut connection).await.map_err(database)?;
    if is_unfinished && !config.copying {
        return Err(OpenError::Unfinished { path: config.path.clone() });
    }
    Ok(connection)
}

const HAS_SCHEMA: &str = "select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')";
const SCHEMA: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";
const UNFINISHED: &str = "select exists (select 1 from transfer)";

async fn migrate(connection: &mut SqliteConnection, config: &SqliteConfig) -> Result<(), OpenError> {
    // Not `run`: its future is not `Send` for every lifetime, so nobody could spawn what calls it.
    let migrated = MIGRATIONS.run_direct(None, connection, false).await;
    migrated.map_err(|source| OpenError::Migrate { path: config.path.clone(), source })
}

/// Checks that the schema is the one that this version knows.
async fn check_schema(connection: &mut SqliteConnection, config: &SqliteConfig) -> Result<(), OpenError> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = async {
        let is_there: bool = sqlx::query_scalar(HAS_SCHEMA).fetch_one(&mut *connection).await?;
        if is_there { sqlx::query_scalar::<_, i64>(SCHEMA).fetch_one(connection).await } else { Ok(0) }
    };
    let found = found.await.map_err(|source| OpenError::Database { path: config.path.clone(), source })?;
    if found == needed { Ok(()) } else { Err(OpenError::Schema { path: config.path.clone(), found, needed }) }
}

/// A pragma's value as text, whatever its type.
async fn pragma(connection: &mut SqliteConnection, ask: &'static str) -> Result<String, sqlx::Error> {
    use sqlx::{Row, TypeInfo, ValueRef};
    let row = sqlx::query(ask).fetch_one(connection).await?;
    let is_integer = row.try_get_raw(0)?.type_info().name() == "INTEGER";
    if is_integer { Ok(row.try_get::<i64, _>(0)?.to_string()) } else { row.try_get(0) }
}
