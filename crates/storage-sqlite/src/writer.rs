//! The one writer: takes what waits, decides it in memory, commits it in one transaction.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tidings_domain::change::Commit;
use tidings_domain::error::StoreError;
use tidings_domain::ports::Notifier;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Outcome};
use crate::config::SqliteConfig;
use crate::error::{hits_everyone, store_error};
use crate::health::Report;
use crate::load::{Counters, LoadError, load};
use crate::queue::{Request, Waiting};
use crate::write::{WriteError, write};
use crate::{jobs, open, transfer};

/// Why a batch came to nothing. Nothing of it was stored, except perhaps with [`StoreError::Unknown`].
#[derive(Debug)]
enum Failure {
    /// The file or the connection: no job would have fared better alone.
    Everyone(StoreError),
    /// Some job or some row: the others must not suffer for it.
    Someone(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if hits_everyone(&error) {
            Self::Everyone(store_error(&error))
        } else {
            Self::Someone(store_error(&error))
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Sql(error) => error.into(),
            LoadError::Row(error) => Self::Someone(error),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Sql(error) => error.into(),
            WriteError::Rows(error) => Self::Someone(error),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) config: SqliteConfig,
    pub(crate) notifier: Arc<dyn Notifier>,
    /// Counts the commits, for the checkpointer.
    pub(crate) commits: Arc<AtomicU64>,
    /// Held until the last write is done.
    pub(crate) lock: Arc<std::fs::File>,
    /// With the counters as of its last commit; `None` after it failed, until it is opened again.
    pub(crate) connection: Option<(SqliteConnection, Counters)>,
    pub(crate) report: Report,
}

impl Writer {
    /// Works until nobody can ask any more, or `closing` is cancelled and the queue is empty.
    pub(crate) async fn run(
        mut self,
        mut queue: mpsc::Receiver<Waiting>,
        closing: CancellationToken,
        gone: oneshot::Sender<()>,
    ) {
        let batch_max = self.config.batch_max.max(1);
        let mut batch = Vec::with_capacity(batch_max);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if open => {
                    queue.close();
                    open = false;
                }
                taken = queue.recv_many(&mut batch, batch_max) => {
                    if taken == 0 {
                        break;
                    }
                    metrics::histogram!("tidings_store_batch_size").record(u32::try_from(taken).unwrap_or(u32::MAX));
                    metrics::gauge!("tidings_store_queue").set(u32::try_from(queue.len()).unwrap_or(u32::MAX));
                    self.report.begins();
                    let taken = mem::replace(&mut batch, Vec::with_capacity(batch_max));
                    // Whatever panics, the writer goes on: those who wait hear that their fate is unknown, and the
                    // connection, whose state is unknown as well, is opened again.
                    if AssertUnwindSafe(self.serve(taken)).catch_unwind().await.is_err() {
                        self.connection = None;
                    }
                    self.report.ends();
                    // Those just answered may have more to ask: let them, so that the next batch is a full one.
                    tokio::task::yield_now().await;
                }
            }
        }
        if let Some((connection, _)) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writer's connection did not close");
        }
        drop(self.lock);
        gone.send(()).ok();
    }

    async fn serve(&mut self, batch: Vec<Waiting>) {
        match self.attempt(&batch).await {
            Ok(outcomes) => self.tell(batch, outcomes),
            Err(Failure::Someone(error)) if batch.len() > 1 => {
                tracing::warn!(%error, jobs = batch.len(), "a batch failed and is decided one by one");
                self.serve_singly(batch).await;
            }
            Err(Failure::Someone(error) | Failure::Everyone(error)) => refuse(batch, &error),
        }
    }

    /// One transaction each, so that only the culprit fails; unless the file itself fails meanwhile.
    async fn serve_singly(&mut self, batch: Vec<Waiting>) {
        let mut left = batch.into_iter();
        while let Some(waiting) = left.next() {
            let single = vec![waiting];
            match self.attempt(&single).await {
                Ok(outcomes) => self.tell(single, outcomes),
                Err(Failure::Someone(error)) => refuse(single, &error),
                Err(Failure::Everyone(error)) => {
                    refuse(single.into_iter().chain(left).collect(), &error);
                    return;
                }
            }
        }
    }

    /// Tells the notifier of every commit in order, and then everyone who waits.
    fn tell(&self, batch: Vec<Waiting>, outcomes: Vec<Outcome>) {
        let mut answers = Vec::with_capacity(outcomes.len());
        for (answer, commit) in outcomes {
            if let Some(commit) = commit {
                self.hear(commit);
            }
            answers.push(answer);
        }
        for (waiting, answer) in batch.into_iter().zip(answers) {
            waiting.reply.send(answer).ok();
        }
    }

    fn hear(&self, commit: Commit) {
        let commit = Arc::new(commit);
        let heard = catch_unwind(AssertUnwindSafe(|| self.notifier.committed(commit)));
        if heard.is_err() {
            tracing::error!("the notifier panicked; a commit went unheard");
        }
    }

    /// One transaction. On failure it is rolled back, or its connection is given up, which does the same; so it is when
    /// a decision panics, which is the fault of no other.
    async fn attempt(&mut self, batch: &[Waiting]) -> Result<Vec<Outcome>, Failure> {
        let attempt = AssertUnwindSafe(self.transact(batch)).catch_unwind().await;
        let outcomes = attempt
            .unwrap_or_else(|_| Err(Failure::Someone(StoreError::Internal("a decision panicked".into()))));
        if let Err(Failure::Everyone(error)) = &outcomes {
            self.report.failed(error);
        }
        outcomes
    }

    async fn transact(&mut self, batch: &[Waiting]) -> Result<Vec<Outcome>, Failure> {
        let jobs = || batch.iter().map(|waiting| &waiting.job);
        let (mut connection, counters) = self.connected().await?;
        match transaction(&mut connection, jobs(), counters).await {
            Ok((outcomes, after)) => {
                self.connection = Some((connection, after));
                self.commits.store(after.commits, Ordering::Relaxed);
                // One that left nothing was rolled back, and proves nothing.
                if after.commits != counters.commits {
                    self.report.wrote();
                }
                Ok(outcomes)
            }
            Err(Broken::Before(failure)) => {
                let kept = !matches!(failure, Failure::Everyone(_))
                    && sqlx::query("rollback").execute(&mut connection).await.is_ok();
                if kept {
                    self.connection = Some((connection, counters));
                } else {
                    give_up(connection).await;
                }
                Err(failure)
            }
            Err(Broken::AtCommit { error, outcomes, counters: wanted }) => {
                give_up(connection).await;
                self.settle(error, outcomes, wanted).await
            }
        }
    }

    /// A commit whose reply was an error: whether it happened after all is in the file.
    async fn settle(
        &mut self,
        error: sqlx::Error,
        outcomes: Vec<Outcome>,
        wanted: Counters,
    ) -> Result<Vec<Outcome>, Failure> {
        let Ok((connection, found)) = self.connected().await else {
            return Err(Failure::Everyone(StoreError::Unknown(error.to_string())));
        };
        self.connection = Some((connection, found));
        if found == wanted {
            self.commits.store(found.commits, Ordering::Relaxed);
            return Ok(outcomes);
        }
        Err(error.into())
    }

    /// The connection, opened again if it was given up.
    async fn connected(&mut self) -> Result<(SqliteConnection, Counters), Failure> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let reopened = async {
            let options = open::writer_options(&self.config).create_if_missing(false);
            let mut connection = options.connect().await?;
            let counters = Counters::read(&mut connection).await?;
            Ok((connection, counters))
        };
        reopened.await.map_err(|error: sqlx::Error| Failure::Everyone(store_error(&error)))
    }
}

/// Answers all of them with the failure.
fn refuse(batch: Vec<Waiting>, error: &StoreError) {
    tracing::error!(%error, jobs = batch.len(), "nothing of a batch was stored");
    for waiting in batch {
        waiting.reply.send(Err(error.clone())).ok();
    }
}

/// Closes a connection whose state is unknown. Closing rolls back what is open.
async fn give_up(connection: SqliteConnection) {
    if let Err(error) = connection.close_hard().await {
        tracing::warn!(%error, "a given-up connection did not close");
    }
}

/// Where a transaction broke.
#[derive(Debug)]
enum Broken {
    Before(Failure),
    AtCommit { error: sqlx::Error, outcomes: Vec<Outcome>, counters: Counters },
}

impl<E: Into<Failure>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

async fn transaction<'a>(
    connection: &mut SqliteConnection,
    requests: impl Iterator<Item = &'a Request> + Clone,
    counters: Counters,
) -> Result<(Vec<Outcome>, Counters), Broken> {
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    let loaded = load(connection, requests.clone()).await?;
    let mut batch = Batch::new(loaded, requests.clone(), counters);
    let mut outcomes: Vec<Outcome> = requests.map(|request| batch.run(request)).collect();
    if batch.is_unchanged() {
        sqlx::query("rollback").execute(connection).await?;
        return Ok((outcomes, counters));
    }
    write(connection, &batch).await?;
    for (place, asked) in &batch.job_requests {
        let answer = jobs::answer(connection, asked.clone()).await?;
        if let Some((outcome, _)) = outcomes.get_mut(*place) {
            *outcome = Ok(answer);
        }
    }
    if !batch.steps.is_empty() {
        for step in &batch.steps {
            transfer::take(connection, step, batch.counters.commits).await?;
        }
        // The numbers that were given elsewhere count here too.
        batch.counters = Counters::read(connection).await?;
    }
    match sqlx::query("commit").execute(connection).await {
        Ok(_) => Ok((outcomes, batch.counters)),
        Err(error) => Err(Broken::AtCommit { error, outcomes, counters: batch.counters }),
    }
}
