//! The task for writes that belong to no thread: users, business objects, jobs. Many in one transaction, in order.

use std::sync::Arc;

use sqlx::Executor;
use tidings_domain::error::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::{Reach, is_deadlock, reach, store_error};
use crate::open::within;
use crate::queue::{Errand, Ran, Waiting, refuse};
use crate::runner::{Line, Link, Shared};
use crate::{directory, jobs};

/// How often an errand is tried that another process got in the way of, by waiting for each other in a circle.
const TRIES_MAX: u32 = 5;

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
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
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
                    // Alone, so that what it holds is little and the circle does not come again.
                    if is_deadlock(&error) && batch.len() == 1 && tries < TRIES_MAX {
                        continue;
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

async fn transaction(link: &mut Link, batch: &[Pending]) -> Result<Vec<Ran>, sqlx::Error> {
    let connection = &mut link.connection;
    connection.execute("begin").await?;
    let mut answers = Vec::with_capacity(batch.len());
    for Waiting { job, .. } in batch {
        answers.push(match job {
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
        });
    }
    connection.execute("commit").await?;
    Ok(answers)
}
