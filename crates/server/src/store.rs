//! The store that a database URL names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_domain::change::Commit;
use tidings_domain::messaging::Deps;
use tidings_domain::ports::{Directory, Notifier};
use tidings_storage_memory::MemoryStore;
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tidings_system::{SystemClock, SystemIds};
use tokio_util::task::TaskTracker;

use crate::config::{Config, StoreUrl};
use crate::folder;

/// An open store.
pub(crate) enum Store {
    Memory(MemoryStore),
    /// With the file it is in.
    Sqlite(SqliteStore, PathBuf),
}

/// The file of the store, in the data folder, when no URL is given.
const FILE: &str = "tidings.db";

/// Where the store's file is, if it has one.
pub(crate) fn file(config: &Config) -> Option<PathBuf> {
    match &config.store.url {
        None => Some(config.server.data_dir.join(FILE)),
        Some(StoreUrl::Sqlite(path)) => Some(path.clone()),
        Some(StoreUrl::Memory) => None,
    }
}

/// Brings the schema up to date; tells what was done.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<String> {
    let tasks = TaskTracker::new();
    let store = Store::open(config, Arc::new(Nobody), &tasks).await?;
    store.close().await;
    tasks.close();
    tasks.wait().await;
    Ok(match store {
        Store::Memory(_) => "nothing to migrate: memory: has no schema\n".to_owned(),
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
        }
    }

    /// What the messaging service works with, all of it on this store.
    pub(crate) fn deps(&self) -> Deps {
        match self {
            Self::Memory(store) => Deps::on(store.clone(), SystemClock, SystemIds),
            Self::Sqlite(store, _) => Deps::on(store.clone(), SystemClock, SystemIds),
        }
    }

    /// What it is, for the operator.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Memory(_) => "memory: (everything is forgotten at the end)".to_owned(),
            Self::Sqlite(_, path) => format!("sqlite:{}", path.display()),
        }
    }

    /// Finishes what was taken and closes the store.
    pub(crate) async fn close(&self) {
        if let Self::Sqlite(store, _) = self {
            store.close().await;
        }
    }
}
