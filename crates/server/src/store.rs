//! The store that a database URL names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_domain::change::Commit;
use tidings_domain::error::StoreError;
use tidings_domain::messaging::Deps;
use tidings_domain::ports::{Directory, Notifier};
use tidings_storage_memory::MemoryStore;
use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tidings_system::{SystemClock, SystemIds};
use tokio_util::task::TaskTracker;

use crate::auth::Secret;
use crate::config::{Config, PgUrl, StoreUrl};
use crate::folder;

/// An open store. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) enum Store {
    Memory(MemoryStore),
    /// With the file it is in.
    Sqlite(SqliteStore, PathBuf),
    /// With the host and the database, as they may be shown.
    Postgres(PgStore, String),
}

/// The file of the store, in the data folder, when no URL is given.
const FILE: &str = "tidings.db";

/// Where the store's file is, if it has one.
pub(crate) fn file(config: &Config) -> Option<PathBuf> {
    match &config.store.url {
        None => Some(config.server.data_dir.join(FILE)),
        Some(StoreUrl::Sqlite(path)) => Some(path.clone()),
        Some(StoreUrl::Memory | StoreUrl::Postgres(_)) => None,
    }
}

/// The files that hold what the server must keep to itself: the database, what is beside it, and the secret.
pub(crate) fn private_files(config: &Config) -> Vec<PathBuf> {
    let secret = config.auth.secret.is_none().then(|| Secret::file(&config.server.data_dir));
    let beside = |path: PathBuf| {
        ["", "-wal", "-shm"].map(|end| {
            let mut name = path.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        })
    };
    file(config).map(beside).into_iter().flatten().chain(secret).collect()
}

/// How the database on a server is used, if it is one, and how it may be shown.
pub(crate) fn server(config: &Config) -> Option<(PgConfig, &str)> {
    let Some(StoreUrl::Postgres(url)) = &config.store.url else { return None };
    Some((connection(config, url), url.shown()))
}

/// How a database on a server is used, as configured.
pub(crate) fn connection(config: &Config, url: &PgUrl) -> PgConfig {
    PgConfig {
        lanes: config.store.lanes,
        queue_max: config.store.queue,
        migrate: config.store.migrate,
        may_be_off: config.store.may_be_off.clone(),
        ..PgConfig::at(&url.0)
    }
}

/// Brings the schema up to date; tells what was done.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<String> {
    if let Some((settings, shown)) = server(config) {
        PgStore::migrate(&settings).await?;
        return Ok(format!("the schema of {shown} is up to date\n"));
    }
    let tasks = TaskTracker::new();
    let store = Store::open(config, Arc::new(Nobody), &tasks).await?;
    store.close().await;
    tasks.close();
    tasks.wait().await;
    Ok(match store {
        Store::Memory(_) | Store::Postgres(..) => "nothing to migrate: memory: has no schema\n".to_owned(),
        Store::Sqlite(_, path) => format!("the schema of {} is up to date\n", path.display()),
    })
}

/// Hears of commits that nobody is there to hear.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Notifier for Nobody {
    fn committed(&self, _: Arc<Commit>) {}
}

impl Store {
    /// Opens the configured store.
    pub(crate) async fn open(
        config: &Config,
        notifier: Arc<dyn Notifier>,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        if let Some((settings, shown)) = server(config) {
            return Ok(Self::Postgres(PgStore::open(settings, notifier, tasks).await?, shown.to_owned()));
        }
        let Some(path) = file(config) else { return Ok(Self::Memory(MemoryStore::new(notifier))) };
        folder::make(path.parent().unwrap_or(Path::new("")))?;
        let mut settings = SqliteConfig::at(&path);
        settings.queue_max = config.store.queue;
        let store = SqliteStore::open(settings, notifier, tasks).await?;
        Ok(Self::Sqlite(store, path))
    }

    /// What the host has told about its users.
    pub(crate) fn directory(&self) -> Arc<dyn Directory> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(store, _) => Arc::new(store.clone()),
            Self::Postgres(store, _) => Arc::new(store.clone()),
        }
    }

    /// What the messaging service works with, all of it on this store.
    pub(crate) fn deps(&self) -> Deps {
        match self {
            Self::Memory(store) => Deps::on(store.clone(), SystemClock, SystemIds),
            Self::Sqlite(store, _) => Deps::on(store.clone(), SystemClock, SystemIds),
            Self::Postgres(store, _) => Deps::on(store.clone(), SystemClock, SystemIds),
        }
    }

    /// What it is, for the operator.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Memory(_) => "memory: (everything is forgotten at the end)".to_owned(),
            Self::Sqlite(_, path) => format!("sqlite:{}", path.display()),
            Self::Postgres(_, shown) => format!("postgres://{shown}"),
        }
    }

    /// Whether writes are stored now, judged by those before and, after one that failed, by a small one.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Sqlite(store, _) => store.check_writable().await,
            Self::Postgres(store, _) => store.check_writable().await,
        }
    }

    /// Waits until it takes no more writes.
    pub(crate) async fn stopped(&self) {
        match self {
            Self::Memory(_) => std::future::pending().await,
            Self::Sqlite(store, _) => store.stopped().await,
            Self::Postgres(store, _) => store.stopped().await,
        }
    }

    /// Finishes what was taken and closes the store.
    pub(crate) async fn close(&self) {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(store, _) => store.close().await,
            Self::Postgres(store, _) => store.close().await,
        }
    }
}
