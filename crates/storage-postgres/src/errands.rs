//! The task for writes that belong to no thread: users, business objects, jobs. Many in one transaction.
//!
//! All processes take the same locks in the same order, so that they never wait for each other in a circle: the lock
//! of all subjects, if any are given; the rows of users, of objects and of jobs, each kind by its key; and at last jobs
//! are claimed, which waits for nobody. Nobody has been answered yet, so nobody can tell that their turn was another.

use std::sync::Arc;

use sqlx::{Executor, PgConnection};
use tidings_domain::error::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::{Reach, reach, store_error};
use crate::open::within;
use crate::queue::{Errand, Ran, Waiting, refuse};
use crate::runner::{Line, Link, Shared};
use crate::{directory, jobs};

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
                    self.serve(std::mem::take(&mut batch)).await;
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

    /// One transaction. A connection that had died before is replaced, and the transaction tried again: done twice,
    /// an errand leaves what it leaves done once, and jobs claimed in vain come back when their lease ends.
    async fn attempt(&mut self, batch: &[Pending]) -> Result<Vec<Ran>, (Reach, StoreError)> {
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

/// Where an errand comes in its transaction.
fn turn(errand: &Errand) -> (u8, String) {
    match errand {
        Errand::PutUser(user, _) => (0, user.id.to_string()),
        Errand::PutContext(context) => (1, directory::context_key(&context.reference)),
        Errand::Finish { id, .. } | Errand::Retry { id, .. } => (2, id.to_string()),
        Errand::Claim { .. } => (3, String::new()),
    }
}

async fn transaction(link: &mut Link, batch: &[Pending]) -> Result<Vec<Ran>, sqlx::Error> {
    let connection = &mut link.connection;
    connection.execute("begin").await?;
    if batch.iter().any(|waiting| matches!(waiting.job, Errand::PutUser(_, Some(_)))) {
        connection.execute(directory::LOCK_SUBJECTS).await?;
    }
    let mut turns: Vec<(usize, &Errand)> = batch.iter().map(|waiting| &waiting.job).enumerate().collect();
    // Stable: what is told of one user twice is kept as it was told last.
    turns.sort_by_cached_key(|(_, errand)| turn(errand));
    let mut answers = Vec::with_capacity(batch.len());
    for (place, errand) in turns {
        answers.push((place, run(connection, errand).await?));
    }
    connection.execute("commit").await?;
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
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
    })
}
