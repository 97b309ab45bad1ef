//! Writing the log back into the file, on a connection of its own, so that no commit waits for it.
//!
//! A passive checkpoint stops nobody, and moves what no reader needs any more. Cutting the log back stops the writer for
//! a moment, and is only tried when a passive checkpoint has moved everything: while somebody reads an old state of the
//! file it would fail, after it had held up the writer for as long as it waits. So a long reader costs disk space, not
//! speed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::SqliteConfig;
use crate::open;

/// The longest pause between two tries to cut the log back.
const CUT_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a reader that makes the log grow is warned of.
const WARN_EVERY: Duration = Duration::from_mins(1);

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

/// What is remembered between two checkpoints.
#[derive(Debug)]
struct Course {
    /// When the log may be cut back again, and how long the pause after the next failure is.
    cut_after: Instant,
    pause: Duration,
    /// Since when a reader has kept the log from being written back.
    held_since: Option<Instant>,
    warn_after: Instant,
}

impl Checkpointer {
    /// Works until the writer is gone, then empties the log.
    pub(crate) async fn run(self, mut writer_gone: oneshot::Receiver<()>) {
        let mut connection = None;
        let mut seen = 0;
        let now = Instant::now();
        let pause = self.config.checkpoint_interval;
        let mut course = Course { cut_after: now, pause, held_since: None, warn_after: now };
        loop {
            let gone = tokio::time::timeout(self.config.checkpoint_interval, &mut writer_gone).await.is_ok();
            let commits = self.commits.load(Ordering::Relaxed);
            if commits != seen || gone {
                match self.checkpoint(&mut connection, &mut course, gone).await {
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

    /// Whether nothing is left to do; else a reader still needs the log, and a later round tries again.
    async fn checkpoint(
        &self,
        slot: &mut Option<SqliteConnection>,
        course: &mut Course,
        last: bool,
    ) -> Result<bool, sqlx::Error> {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(open::checkpoint_options(&self.config).connect().await?),
        };
        let passive: Checkpointed =
            sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(&mut *connection).await?;
        let is_moved = passive.busy == 0 && passive.log == passive.checkpointed;
        // The file's own size: once it is written back the writer begins it anew, but nobody shortens it.
        let bytes = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let now = Instant::now();
        self.watch(course, is_moved, bytes, now);
        let is_long = bytes > self.config.wal_bytes_max;
        if last || (is_long && is_moved && now >= course.cut_after) {
            let cut: Checkpointed =
                sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(connection).await?;
            let is_cut = cut.busy == 0;
            course.pause = if is_cut {
                self.config.checkpoint_interval
            } else {
                course.pause.saturating_mul(2).min(CUT_PAUSE_MAX)
            };
            course.cut_after = Instant::now() + course.pause;
            return Ok(is_cut);
        }
        Ok(is_moved && !is_long)
    }

    /// Measures the log, and warns of a reader that makes it grow.
    fn watch(&self, course: &mut Course, is_moved: bool, bytes: u64, now: Instant) {
        let held_since = if is_moved { None } else { Some(course.held_since.unwrap_or(now)) };
        course.held_since = held_since;
        let held = held_since.map_or(Duration::ZERO, |since| now - since);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 9 PB")]
        metrics::gauge!("tidings_sqlite_wal_bytes").set(bytes as f64);
        metrics::gauge!("tidings_sqlite_wal_held_seconds").set(held);
        if !is_moved && bytes > self.config.wal_bytes_max && now >= course.warn_after {
            course.warn_after = now + WARN_EVERY;
            tracing::warn!(
                file = %self.log.display(),
                bytes,
                held_s = held.as_secs(),
                "the write-ahead log grows, because somebody has been reading the database for long: end the other \
                 process that has it open (a backup, a sqlite3 shell), or its transaction"
            );
        }
    }
}
