//! Writing the log back into the file, on a connection of its own, so that no commit waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::oneshot;

use crate::config::SqliteConfig;
use crate::open;

/// What a checkpoint found.
#[derive(Debug, sqlx::FromRow)]
struct Checkpointed {
    /// Whether readers or a writer kept it from finishing.
    busy: i64,
    /// Pages in the log; -1 when there is none.
    log: i64,
    /// How many of them are in the file by now.
    checkpointed: i64,
}

#[derive(Debug)]
pub(crate) struct Checkpointer {
    pub(crate) config: SqliteConfig,
    /// The log beside the file.
    pub(crate) log: PathBuf,
    /// Counts the writer's commits.
    pub(crate) commits: Arc<AtomicU64>,
    /// Held until the last write is done.
    pub(crate) lock: Arc<std::fs::File>,
}

impl Checkpointer {
    /// Works until the writer is gone, then empties the log.
    pub(crate) async fn run(self, mut writer_gone: oneshot::Receiver<()>) {
        let mut connection = None;
        let mut seen = 0;
        loop {
            let gone = tokio::time::timeout(self.config.checkpoint_interval, &mut writer_gone).await.is_ok();
            let commits = self.commits.load(Ordering::Relaxed);
            if commits != seen || gone {
                match self.checkpoint(&mut connection, gone).await {
                    Ok(true) => seen = commits,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a checkpoint failed; the log keeps what it did not move");
                        connection = None;
                    }
                }
            }
            if gone {
                break;
            }
        }
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the checkpoint connection did not close");
        }
        drop(self.lock);
    }

    /// Whether nothing is left to do; else a reader still needs the log, and the next round tries again.
    async fn checkpoint(&self, slot: &mut Option<SqliteConnection>, last: bool) -> Result<bool, sqlx::Error> {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(open::checkpoint_options(&self.config).connect().await?),
        };
        // Never waits for anybody, and leaves little to do for a stop of the writer.
        let passive: Checkpointed =
            sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(&mut *connection).await?;
        // The file's own size: once it is written back the writer begins it anew, but nobody shortens it.
        let bytes = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if last || bytes > self.config.wal_bytes_max {
            let cut: Checkpointed =
                sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(connection).await?;
            return Ok(cut.busy == 0);
        }
        Ok(passive.log == passive.checkpointed)
    }
}
