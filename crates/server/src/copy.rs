//! `tidings copy`: everything from one store into another.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tidings_domain::transfer::{self, CopyError, RecordKind, Transfer};
use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tokio_util::task::TaskTracker;

use crate::config::{Config, StoreUrl};
use crate::folder;
use crate::store::{Nobody, Store, connection};

/// After how many records the log says how far it is.
const TOLD_EVERY: usize = 10_000;

/// Copies everything; answers what both stores have then.
pub(crate) async fn copy(config: &Config, from: &str, to: &str) -> anyhow::Result<String> {
    let (from, to) = (url("--from", from)?, url("--to", to)?);
    ensure!(!is_same_file(&from, &to), "--from and --to are the same file");
    let tasks = TaskTracker::new();
    let source = opened(config, &from, false, &tasks).await.context("--from")?;
    let copied = async {
        let target = opened(config, &to, true, &tasks).await.context("--to")?;
        let copied = between(&source, &target).await;
        target.close().await;
        copied
    };
    let copied = copied.await;
    source.close().await;
    tasks.close();
    tasks.wait().await;
    copied
}

fn url(flag: &str, text: &str) -> anyhow::Result<StoreUrl> {
    // Not what was given: it may hold a password.
    let url = StoreUrl::parse(text)
        .with_context(|| format!("{flag}: expected sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"))?;
    if url == StoreUrl::Memory {
        bail!("{flag}: memory: is empty in every new process, so there is nothing to copy from or into it");
    }
    Ok(url)
}

fn is_same_file(from: &StoreUrl, to: &StoreUrl) -> bool {
    let (StoreUrl::Sqlite(from), StoreUrl::Sqlite(to)) = (from, to) else { return false };
    from.canonicalize().is_ok_and(|from| to.canonicalize().is_ok_and(|to| from == to))
}

/// Opens a side of the copy. The target is made, and its schema brought up to date; the source stays as it is.
async fn opened(
    config: &Config,
    url: &StoreUrl,
    is_target: bool,
    tasks: &TaskTracker,
) -> anyhow::Result<Store> {
    match url {
        StoreUrl::Memory => bail!("memory: cannot be copied"),
        StoreUrl::Sqlite(path) => {
            if is_target {
                folder::make(path.parent().unwrap_or(Path::new("")))?;
            }
            ensure!(is_target || path.exists(), "there is no database at {}", path.display());
            let settings = SqliteConfig { migrate: is_target, copying: true, ..SqliteConfig::at(path) };
            let store = SqliteStore::open(settings, Arc::new(Nobody), tasks).await;
            let is_in_use = matches!(store, Err(tidings_storage_sqlite::OpenError::InUse { .. }));
            let store = if is_in_use { store.context("stop the server first")? } else { store? };
            Ok(Store::Sqlite(store, path.clone()))
        }
        StoreUrl::Postgres(url) => {
            let migrate = is_target && config.store.migrate;
            let settings = PgConfig { migrate, copying: true, ..connection(config, url) };
            let store = PgStore::open(settings, Arc::new(Nobody), tasks).await;
            let store = store.with_context(|| format!("postgres://{}", url.shown()))?;
            Ok(Store::Postgres(store, url.shown().to_owned()))
        }
    }
}

fn door(store: &Store) -> &dyn Transfer {
    match store {
        Store::Memory(store) => store,
        Store::Sqlite(store, _) => store,
        Store::Postgres(store, _) => store,
    }
}

async fn between(source: &Store, target: &Store) -> anyhow::Result<String> {
    let (from, to) = (source.describe(), target.describe());
    tracing::info!(%from, %to, "copying");
    let mut progress = Progress::default();
    let copied = transfer::copy(door(source), door(target), |kind, count| progress.note(kind, count)).await;
    match copied {
        Ok(contents) => Ok(format!("copied {from} to {to}\nchecked: both have {contents}\n")),
        Err(error @ (CopyError::Source(_) | CopyError::Target(_))) => {
            Err(error).context("the copy is unfinished; the same command goes on where it stopped")
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells how far the copy is.
#[derive(Debug, Default)]
struct Progress {
    kind: Option<RecordKind>,
    copied: usize,
    told: usize,
}

impl Progress {
    fn note(&mut self, kind: RecordKind, count: usize) {
        let is_next = self.kind != Some(kind);
        if is_next {
            *self = Self { kind: Some(kind), ..Self::default() };
        }
        self.copied = self.copied.saturating_add(count);
        if is_next || self.copied.saturating_sub(self.told) >= TOLD_EVERY {
            self.told = self.copied;
            tracing::info!(kind = kind.name(), records = self.copied, "copied so far");
        }
    }
}
