//! A connection that writes, and what it takes to keep it: attempts, reconnection, the settling of lost commits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Executor, PgConnection};
use tidings_domain::change::Commit;
use tidings_domain::error::StoreError;
use tidings_domain::ports::Notifier;
use tokio::time::Instant;

use crate::batch::Outcome;
use crate::config::PgConfig;
use crate::error::{Reach, store_error, text};
use crate::health::Health;
use crate::load::Locked;
use crate::numbers::Numbers;
use crate::open::{connect, within};
use crate::queue::{Pending, refuse};
use crate::transaction::{Failure, Fate, Prepared, Written, fate, prepare, started};

/// The first and the longest pause between two attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What all writers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: PgConfig,
    pub(crate) options: PgConnectOptions,
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) health: Health,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: PgConnection,
    /// When its server was started.
    started: String,
}

/// Connects again when need be, with growing pauses.
#[derive(Debug)]
pub(crate) struct Line {
    shared: Arc<Shared>,
    link: Option<Link>,
    /// Not to be tried before.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Line {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, link: None, not_before: None, pause: PAUSE.0 }
    }

    /// The connection and whether it is a new one. Whoever takes it puts it back, unless it broke.
    pub(crate) async fn take(&mut self) -> Result<(Link, bool), sqlx::Error> {
        if let Some(link) = self.link.take() {
            return Ok((link, false));
        }
        if let Some(moment) = self.not_before.take() {
            tokio::time::sleep_until(moment).await;
        }
        let config = &self.shared.config;
        let connected = async {
            let mut connection = connect(&self.shared.options, config).await?;
            let started = within(config.answer_max(), started(&mut connection)).await?;
            Ok(Link { connection, started })
        };
        match connected.await {
            Ok(link) => {
                self.pause = PAUSE.0;
                Ok((link, true))
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = self.pause.saturating_mul(2).min(PAUSE.1);
                Err(error)
            }
        }
    }

    pub(crate) fn put(&mut self, link: Link) {
        self.link = Some(link);
    }

    pub(crate) async fn close(self) {
        use sqlx::Connection;
        let Some(link) = self.link else { return };
        let closed = within(self.shared.config.answer_max(), link.connection.close()).await;
        if let Err(error) = closed {
            tracing::warn!(%error, "a writer's connection did not close");
        }
    }
}

#[derive(Debug)]
pub(crate) struct Runner {
    shared: Arc<Shared>,
    line: Line,
    numbers: Numbers,
}

impl Runner {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { line: Line::new(Arc::clone(&shared)), shared, numbers: Numbers::default() }
    }

    pub(crate) async fn close(self) {
        self.line.close().await;
    }

    /// Does these jobs, tells of them and answers. Gives back, in order, those whose threads somebody else has locked.
    /// Whatever panics, it can go on: those who wait hear that their fate is unknown.
    pub(crate) async fn serve(&mut self, jobs: Vec<Pending>, locked: Locked) -> Vec<Pending> {
        AssertUnwindSafe(self.serve_all(jobs, locked)).catch_unwind().await.unwrap_or_default()
    }

    async fn serve_all(&mut self, jobs: Vec<Pending>, locked: Locked) -> Vec<Pending> {
        match self.attempt(&jobs, locked).await {
            Ok(outcomes) => self.tell(jobs, outcomes),
            Err(Failure { reach: Reach::Someone, error }) if jobs.len() > 1 => {
                tracing::warn!(%error, jobs = jobs.len(), "a batch failed and is decided one by one");
                self.serve_singly(jobs, locked).await
            }
            Err(failure) => {
                refuse(jobs, &failure.error);
                Vec::new()
            }
        }
    }

    /// One transaction each, so that only the culprit fails; unless the server itself fails meanwhile.
    async fn serve_singly(&mut self, jobs: Vec<Pending>, locked: Locked) -> Vec<Pending> {
        let mut left = jobs.into_iter();
        let mut skipped: Vec<Pending> = Vec::new();
        while let Some(waiting) = left.next() {
            if skipped.iter().any(|before| before.job.thread() == waiting.job.thread()) {
                skipped.push(waiting);
                continue;
            }
            let single = vec![waiting];
            match self.attempt(&single, locked).await {
                Ok(outcomes) => skipped.extend(self.tell(single, outcomes)),
                Err(Failure { reach: Reach::Someone, error }) => refuse(single, &error),
                Err(failure) => {
                    refuse(single.into_iter().chain(left), &failure.error);
                    break;
                }
            }
        }
        skipped
    }

    /// Tells the notifier of every commit in order, and then everyone who waits.
    fn tell(&self, jobs: Vec<Pending>, outcomes: Vec<Option<Outcome>>) -> Vec<Pending> {
        let mut answers = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            answers.push(outcome.map(|(answer, commit)| {
                commit.into_iter().for_each(|commit| self.hear(commit));
                answer
            }));
        }
        let mut skipped = Vec::new();
        for (waiting, answer) in jobs.into_iter().zip(answers) {
            match answer {
                Some(answer) => drop(waiting.reply.send(answer)),
                None => skipped.push(waiting),
            }
        }
        skipped
    }

    fn hear(&self, commit: Commit) {
        let commit = Arc::new(commit);
        let heard = catch_unwind(AssertUnwindSafe(|| self.shared.notifier.committed(commit)));
        if heard.is_err() {
            tracing::error!("the notifier panicked; a commit went unheard");
        }
    }

    /// One transaction. A decision that panics is the fault of no other; its connection is closed, which rolls back.
    async fn attempt(&mut self, jobs: &[Pending], locked: Locked) -> Result<Vec<Option<Outcome>>, Failure> {
        let attempt = AssertUnwindSafe(self.transact(jobs, locked)).catch_unwind().await;
        let outcomes = attempt.unwrap_or_else(|_| {
            let error = StoreError::Internal("a decision panicked".into());
            Err(Failure { reach: Reach::Someone, error })
        });
        if outcomes.as_ref().is_err_and(|failure| failure.reach != Reach::Someone) {
            self.shared.health.failed();
        }
        outcomes
    }

    /// One transaction. A connection that had died before is replaced, and the transaction tried again.
    async fn transact(&mut self, jobs: &[Pending], locked: Locked) -> Result<Vec<Option<Outcome>>, Failure> {
        loop {
            let (mut link, is_new) = self.line.take().await.map_err(|error| Failure {
                reach: Reach::Connection,
                error: StoreError::Unavailable(text(&error)),
            })?;
            match self.prepare(&mut link, jobs, locked).await {
                Ok(prepared) => return self.commit(link, prepared).await,
                Err(failure) => {
                    let kept = failure.reach != Reach::Connection && self.is_rolled_back(&mut link).await;
                    if kept {
                        self.line.put(link);
                    }
                    // Nothing was committed, so it may be done again; on a new connection the server is to blame.
                    if failure.reach == Reach::Connection && !is_new {
                        continue;
                    }
                    return Err(failure);
                }
            }
        }
    }

    async fn prepare(
        &mut self,
        link: &mut Link,
        jobs: &[Pending],
        locked: Locked,
    ) -> Result<Prepared, Failure> {
        let prepared = prepare(&mut link.connection, jobs, locked, &mut self.numbers);
        // Longer than any single statement may take, locks included.
        let limit = self.shared.config.answer_max();
        match tokio::time::timeout(limit, prepared).await {
            Ok(prepared) => prepared,
            Err(_) => Err(Failure {
                reach: Reach::Connection,
                error: StoreError::Unavailable(format!("no answer within {} ms", limit.as_millis())),
            }),
        }
    }

    async fn is_rolled_back(&self, link: &mut Link) -> bool {
        let rolled_back = link.connection.execute("rollback");
        within(self.shared.config.answer_max(), rolled_back).await.is_ok()
    }

    async fn commit(&mut self, mut link: Link, prepared: Prepared) -> Result<Vec<Option<Outcome>>, Failure> {
        let Prepared { outcomes, numbers, written } = prepared;
        let Some(written) = written else {
            self.line.put(link);
            self.numbers = numbers;
            return Ok(outcomes);
        };
        let committed = within(self.shared.config.answer_max(), link.connection.execute("commit")).await;
        match committed {
            Ok(_) => self.line.put(link),
            Err(error) => {
                let started = link.started.clone();
                // Its state is not known; closed, it keeps nothing locked.
                drop(link);
                self.settle(&error, &written, &started).await?;
            }
        }
        self.numbers = numbers;
        self.shared.health.wrote();
        Ok(outcomes)
    }

    /// A commit that was not answered well: whether it happened after all, the database knows.
    async fn settle(&mut self, error: &sqlx::Error, written: &Written, started: &str) -> Result<(), Failure> {
        let limit = self.shared.config.answer_max();
        // By then the server has ended a session to which the commit never came.
        let until = Instant::now() + self.shared.config.idle_max + limit;
        let mut pause = PAUSE.0;
        loop {
            let asked = async {
                let (mut link, _) = self.line.take().await?;
                let fate = within(limit, fate(&mut link.connection, written, started)).await?;
                self.line.put(link);
                Ok::<_, sqlx::Error>(fate)
            };
            match asked.await {
                Ok(Fate::Committed) => return Ok(()),
                Ok(Fate::RolledBack) => {
                    let failure = Failure::from_lost_commit(error);
                    return Err(failure);
                }
                Ok(Fate::Unknown) => break,
                Ok(Fate::Undecided) | Err(_) if Instant::now() > until => break,
                Ok(Fate::Undecided) => tokio::time::sleep(pause).await,
                Err(lost) => {
                    tracing::warn!(error = %text(&lost), "the fate of a commit cannot be asked yet");
                    tokio::time::sleep(pause).await;
                }
            }
            pause = pause.saturating_mul(2).min(PAUSE.1);
        }
        tracing::error!(error = %text(error), "the fate of a commit is unknown");
        Err(Failure { reach: Reach::Everyone, error: StoreError::Unknown(text(error)) })
    }
}

impl Failure {
    /// Of a commit that was refused, or that never arrived.
    fn from_lost_commit(error: &sqlx::Error) -> Self {
        let reach = match crate::error::reach(error) {
            Reach::Someone => Reach::Someone,
            // A new connection stands already.
            Reach::Connection | Reach::Everyone => Reach::Everyone,
        };
        Self { reach, error: store_error(error) }
    }
}
