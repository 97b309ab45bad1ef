//! Connections, checks, schema.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::config::{OpenError, PgConfig, Promise};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The oldest version that has all that is used here, as `server_version_num` counts.
const VERSION_MIN: i32 = 150_000;

/// How long a migration may take, the wait for another process that migrates included.
const MIGRATION_MAX: Duration = Duration::from_secs(3_600);

const SERVER: &str = "select current_setting('server_version'), current_setting('server_version_num')::int, \
    current_setting('server_encoding'), pg_is_in_recovery() or current_setting('transaction_read_only')::bool, \
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    current_setting('synchronous_standby_names') <> ''";

const HAS_SCHEMA: &str = "select to_regclass('_sqlx_migrations') is not null";
const UNFINISHED: &str = "select exists (select 1 from transfer)";
const SCHEMA: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";

/// Every statement looks rows up by an index. The planner would do otherwise where it takes a table for small: a plan
/// made on an empty database, and kept, would read the whole table with every batch until the first `analyze`.
const PLANS: [&str; 4] = ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"];

/// How connections are made, for every use.
pub(crate) fn options(config: &PgConfig) -> Result<PgConnectOptions, OpenError> {
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let options = PgConnectOptions::from_str(&config.url).map_err(OpenError::Url)?;
    Ok(options
        .application_name("tidings")
        .options([
            ("statement_timeout", millis(config.statement_max)),
            ("lock_timeout", millis(config.lock_max)),
            ("idle_in_transaction_session_timeout", millis(config.idle_max)),
            // "Already exists, skipping" is of no interest.
            ("client_min_messages", "warning".to_owned()),
            // Arrays of unknown length would be planned anew with every batch; and what a test saw is what runs.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ])
        .options(PLANS.map(|setting| (setting, "off")))
        .disable_statement_logging())
}

/// A connection, within the time that one may take.
pub(crate) async fn connect(
    options: &PgConnectOptions,
    config: &PgConfig,
) -> Result<PgConnection, sqlx::Error> {
    within(config.connect_max, options.connect()).await
}

/// What the server answers, unless it takes too long; then its connection must not be used again.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let silent = format!("no answer within {} ms", limit.as_millis());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent)))
    })
}

/// Checks that the server keeps the store's promises; answers its version.
pub(crate) async fn check(connection: &mut PgConnection, config: &PgConfig) -> Result<String, OpenError> {
    type Row = (String, i32, String, bool, String, String, String, bool);
    let asked = sqlx::query_as::<_, Row>(SERVER).fetch_one(connection);
    let (version, number, encoding, read_only, fsync, pages, commit, standbys) =
        within(config.answer_max(), asked).await.map_err(OpenError::Database)?;
    if number < VERSION_MIN {
        return Err(OpenError::Version { found: version });
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    if read_only {
        return Err(OpenError::ReadOnly);
    }
    for promise in Promise::ALL {
        let (found, kept) = match promise {
            Promise::Fsync => (&fsync, fsync == "on"),
            Promise::FullPageWrites => (&pages, pages == "on"),
            // `local` leaves out the standbys that somebody asked to wait for.
            Promise::SynchronousCommit => (&commit, commit != "off" && !(commit == "local" && standbys)),
        };
        if !kept && !config.may_be_off.contains(&promise) {
            return Err(OpenError::Setting { setting: promise.name(), found: found.clone() });
        }
    }
    Ok(version)
}

/// Checks that no copy into the database is under way, unless it is opened for one.
pub(crate) async fn check_finished(
    connection: &mut PgConnection,
    config: &PgConfig,
) -> Result<(), OpenError> {
    let asked = sqlx::query_scalar(UNFINISHED).fetch_one(connection);
    let is_unfinished: bool = within(config.answer_max(), asked).await.map_err(OpenError::Database)?;
    if is_unfinished && !config.copying { Err(OpenError::Unfinished) } else { Ok(()) }
}

/// Checks that somebody has brought the schema up to date.
pub(crate) async fn check_schema(connection: &mut PgConnection, config: &PgConfig) -> Result<(), OpenError> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let is_there: bool =
        sqlx::query_scalar(HAS_SCHEMA).fetch_one(&mut *connection).await.map_err(OpenError::Database)?;
    let found: i64 = if is_there {
        sqlx::query_scalar(SCHEMA).fetch_one(connection).await.map_err(OpenError::Database)?
    } else {
        0
    };
    // A later version keeps to what this one does, but has more to copy than this one knows.
    if found < needed || (config.copying && found > needed) {
        Err(OpenError::Schema { found, needed })
    } else {
        Ok(())
    }
}

/// Brings the schema up to date. Of several processes one does it, under an advisory lock; the others wait.
pub(crate) async fn migrate(options: &PgConnectOptions, config: &PgConfig) -> Result<(), OpenError> {
    let limit = MIGRATION_MAX.as_millis();
    let patient = options.clone().options([
        ("statement_timeout", format!("{limit}ms")),
        ("lock_timeout", format!("{limit}ms")),
        // While it waits for its turn, it holds nothing.
        ("idle_in_transaction_session_timeout", "60s".to_owned()),
    ]);
    let mut connection = connect(&patient, config).await.map_err(OpenError::Connect)?;
    // Not `run`: its future is not `Send` for every lifetime, so nobody could spawn what calls it.
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    migrated.map_err(OpenError::Migrate)
}
