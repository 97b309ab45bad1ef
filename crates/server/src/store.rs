//! The store that a database URL names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::{ChangeFeed, Directory, MessageRepository, Notifier, ThreadRepository};
use tidings_storage_memory::MemoryStore;
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tokio_util::task::TaskTracker;

use tidings_system::{SystemClock, SystemIds};

/// An open store.
pub(crate) enum Store {
    Memory(MemoryStore),
    /// With the file it is in.
    Sqlite(SqliteStore, PathBuf),
}

impl Store {
    /// Opens the store that `url` names; without one, `tidings.db` in the data folder.
    pub(crate) async fn open(
        url: Option<&str>,
        data_dir: &Path,
        notifier: Arc<dyn Notifier>,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let path = match url {
            None => data_dir.join("tidings.db"),
            Some("memory:") => return Ok(Self::Memory(MemoryStore::new(notifier))),
            Some(url) => match url.strip_prefix("sqlite:") {
                // Both `sqlite:PATH` and the form with an empty host, `sqlite://PATH`, are common.
                Some(path) if !path.trim_start_matches("//").is_empty() => {
                    path.strip_prefix("//").unwrap_or(path).into()
                }
                _ => bail!("the database URL must be `sqlite:PATH` or `memory:`"),
            },
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let store = SqliteStore::open(SqliteConfig::at(&path), notifier, tasks).await?;
        Ok(Self::Sqlite(store, path))
    }

    /// The messaging service over this store.
    pub(crate) fn messaging(&self, policy: SenderRoles) -> Messaging {
        match self {
            Self::Memory(store) => Messaging::new(deps(store, policy)),
            Self::Sqlite(store, _) => Messaging::new(deps(store, policy)),
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

fn deps<S>(store: &S, policy: SenderRoles) -> Deps
where
    S: ThreadRepository + MessageRepository + ChangeFeed + Directory + Clone + 'static,
{
    Deps {
        threads: Arc::new(store.clone()),
        messages: Arc::new(store.clone()),
        feed: Arc::new(store.clone()),
        directory: Arc::new(store.clone()),
        policy: Arc::new(policy),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
    }
}
