//! The task for writes that belong to no thread: users, business objects, jobs. Many in one transaction.
//!
//! Processes never wait for each other in a circle: each takes the locks of all that its transaction writes at its
//! start, in the same order as the others; and jobs that somebody else has locked are passed over.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::{Executor, PgConnection};
use tidings_domain::error::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::{Reach, reach, store_error};
use crate::open::within;
use crate::queue::{Errand, Ran, Waiting, refuse};
use crate::runner::{Line, Link, Shared};
use crate::{directory, jobs, transfer};

/// Takes locks in the order of their names, to the end of the transaction. Not rows: those of whoever is new are not
/// there yet. The seed keeps them apart from the keys of threads.
const LOCK: &str =
    "select pg_advisory_xact_lock(hashtextextended(n.name, 1)) from unnest($1::text[]) n (name)";

/// A write that changes nothing.
const TOUCH: &str = "update meta set epoch = epoch where only_row";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[LOCK, TOUCH];

type Pending = Waiting<Errand, Ran>;

#[derive(Debug)]
pub(crate) struct Errands {
    shared: Arc<Shared>,
    line: Line,
}

impl Errands {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), line: Line::new(Arc::clone(shared)) }
    }

    /// Works until nobody can ask any more, or `closing` is cancelled and the queue is empty.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Pending>, closing: CancellationToken) {
        let batch_max = self.shared.config.batch_max.max(1);
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
                    // Whatever panics, it goes on: those who wait hear that their fate is unknown.
                    AssertUnwindSafe(self.serve(std::mem::take(&mut batch))).catch_unwind().await.ok();
                }
            }
        }
        self.line.close().await;
    }

    async fn serve(&mut self, batch: Vec<Pending>) {
        match self.attempt(&batch).await {
            Ok(answers) => answer(batch, answers),
            Err((Reach::Someone, error)) if batch.len() > 1 => {
                tracing::warn!(%error, errands = batch.len(), "a batch of errands failed and is done one by one");
                for single in batch {
                    let single = vec![single];
                    match self.attempt(&single).await {
                        Ok(answers) => answer(single, answers),
                        Err((_, error)) => refuse(single, &error),
                    }
                }
            }
            Err((_, error)) => refuse(batch, &error),
        }
    }

    async fn attempt(&mut self, batch: &[Pending]) -> Result<Vec<Ran>, (Reach, StoreError)> {
        let attempt = AssertUnwindSafe(self.transact(batch)).catch_unwind().await;
        let answers = attempt
            .unwrap_or_else(|_| Err((Reach::Someone, StoreError::Internal("an errand panicked".into()))));
        match &answers {
            Ok(_) => self.shared.health.wrote(),
            Err((Reach::Someone, _)) => {}
            Err((Reach::Connection | Reach::Everyone, _)) => self.shared.health.failed(),
        }
        answers
    }

    /// One transaction. A connection that had died before is replaced, and the transaction tried again: done twice,
    /// an errand leaves what it leaves done once, and jobs claimed in vain come back when their lease ends.
    async fn transact(&mut self, batch: &[Pending]) -> Result<Vec<Ran>, (Reach, StoreError)> {
        let limit = self.shared.config.answer_max();
        loop {
            let lost = |error: sqlx::Error| (reach(&error), store_error(&error));
            let (mut link, is_new) = self.line.take().await.map_err(lost)?;
            match within(limit, transaction(&mut link, batch)).await {
                Ok(answers) => {
                    self.line.put(link);
                    return Ok(answers);
                }
                Err(error) if reach(&error) == Reach::Connection && !is_new => {}
                Err(error) => {
                    let ended = within(limit, link.connection.execute("rollback")).await;
                    if reach(&error) != Reach::Connection && ended.is_ok() {
                        self.line.put(link);
                    }
                    return Err(lost(error));
                }
            }
        }
    }
}

fn answer(batch: Vec<Pending>, answers: Vec<Ran>) {
    for (waiting, answer) in batch.into_iter().zip(answers) {
        waiting.reply.send(Ok(answer)).ok();
    }
}

/// What somebody else could be writing, by names that mean the same to every process.
fn locks<'a>(errands: impl Iterator<Item = &'a Errand>) -> BTreeSet<String> {
    let mut locks = BTreeSet::new();
    for errand in errands {
        match errand {
            Errand::PutUser(user, subjects) => {
                locks.insert(format!("user {}", user.id));
                // All of them have one lock, for they move from one user's to another's.
                locks.extend(subjects.as_ref().map(|_| "subjects".to_owned()));
            }
            Errand::PutContext(context) => {
                locks.insert(format!("object {}", directory::context_key(&context.reference)));
            }
            Errand::Claim { .. }
            | Errand::Finish { .. }
            | Errand::Retry { .. }
            | Errand::Transfer(_)
            | Errand::Touch => {}
        }
    }
    locks
}

async fn transaction(link: &mut Link, batch: &[Pending]) -> Result<Vec<Ran>, sqlx::Error> {
    let connection = &mut link.connection;
    connection.execute("begin").await?;
    let locks: Vec<String> = locks(batch.iter().map(|waiting| &waiting.job)).into_iter().collect();
    if !locks.is_empty() {
        sqlx::query(LOCK).bind(locks).execute(&mut *connection).await?;
    }
    let mut answers = Vec::with_capacity(batch.len());
    for waiting in batch {
        answers.push(run(connection, &waiting.job).await?);
    }
    connection.execute("commit").await?;
    Ok(answers)
}

async fn run(connection: &mut PgConnection, errand: &Errand) -> Result<Ran, sqlx::Error> {
    Ok(match errand {
        Errand::PutUser(user, subjects) => {
            Ran::User(directory::put_user(connection, user, subjects.as_deref()).await?)
        }
        Errand::PutContext(context) => {
            directory::put_context(connection, context).await?;
            Ran::Done
        }
        Errand::Claim { now, lease_until, limit } => {
            Ran::Claimed(jobs::claim(connection, *now, *lease_until, *limit).await?)
        }
        Errand::Finish { id, attempts } => {
            jobs::finish(connection, *id, *attempts).await?;
            Ran::Done
        }
        Errand::Retry { id, attempts, at, work } => {
            jobs::retry(connection, *id, *attempts, *at, work).await?;
            Ran::Done
        }
        Errand::Transfer(step) => {
            transfer::take(connection, step).await?;
            Ran::Done
        }
        Errand::Touch => {
            connection.execute(TOUCH).await?;
            Ran::Done
        }
    })
}
