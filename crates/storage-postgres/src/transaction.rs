//! One transaction: lock, load, decide, write, commit.

use std::collections::HashSet;

use sqlx::{Executor, PgConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use uuid::Uuid;

use crate::batch::{Batch, Outcome};
use crate::error::{Reach, is_invalid_parameter, reach, store_error};
use crate::load::{LoadError, Locked, load, lock};
use crate::numbers::Numbers;
use crate::queue::{Pending, Request};
use crate::rows::signed;
use crate::write::{WriteError, write};

/// The fate of a transaction, when its server started, and whether what it wrote is there: a message if it appended
/// one, else its last state of a thread.
const FATE: &str = "select pg_xact_status($1::text::xid8), pg_postmaster_start_time()::text, \
    exists (select from message where id = $2) \
    or exists (select from thread where id = $3 and modseq = $4 and xid = $1::text::xid8)";

const STARTED: &str = "select pg_postmaster_start_time()::text";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FATE, STARTED];

/// Why a batch came to nothing. Nothing of it was stored, except perhaps with [`StoreError::Unknown`].
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reach: Reach,
    pub(crate) error: StoreError,
}

impl Failure {
    fn of_someone(error: StoreError) -> Self {
        Self { reach: Reach::Someone, error }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self { reach: reach(&error), error: store_error(&error) }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Sql(error) => error.into(),
            LoadError::Row(error) => Self::of_someone(error),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Sql(error) => error.into(),
            WriteError::Rows(error) => Self::of_someone(error),
        }
    }
}

/// A batch that was run and written, but not committed.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// One for each job, in order; `None` for those whose thread somebody else has locked.
    pub(crate) outcomes: Vec<Option<Outcome>>,
    /// The numbers that are left.
    pub(crate) numbers: Numbers,
    /// `None` when there is nothing to commit: the transaction was rolled back.
    pub(crate) written: Option<Written>,
}

/// By what a transaction can be found again.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    xid: String,
    message: Option<Uuid>,
    thread: Uuid,
    modseq: i64,
}

/// All of a transaction but its commit. After a failure the connection may be in the middle of it.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    jobs: &[Pending],
    locked: Locked,
    numbers: &mut Numbers,
) -> Result<Prepared, Failure> {
    connection.execute("begin").await?;
    let all = || jobs.iter().map(|waiting| &waiting.job);
    let (mut loaded, skipped) = lock(connection, all(), locked).await?;
    let included = || all().filter(|job| !skipped.contains(&job.thread()));
    load(connection, included(), &mut loaded).await?;
    let last = loaded.threads.values().map(|(_, last)| *last).max().unwrap_or(0);
    let (messages, threads) = wanted_numbers(included());
    numbers.reserve(connection, messages, last, threads).await?;
    // A copy: what is not committed is used by the next.
    let mut batch = Batch::new(loaded, included(), numbers.clone());
    let outcomes = run(&mut batch, jobs, &skipped)?;
    let written = if batch.is_unchanged() {
        connection.execute("rollback").await?;
        None
    } else {
        let xid = write(connection, &batch).await?;
        witness(&batch, xid)
    };
    Ok(Prepared { outcomes, numbers: batch.numbers, written })
}

/// How many numbers for messages and for threads these jobs may use: one message each, or as many as they name.
fn wanted_numbers<'a>(jobs: impl Iterator<Item = &'a Request>) -> (u64, usize) {
    jobs.fold((0, 0), |(messages, threads): (u64, usize), job| match job {
        Request::Decide { scope, .. } => {
            let named = u64::try_from(scope.messages.len()).unwrap_or(u64::MAX).max(1);
            (messages.saturating_add(named), threads)
        }
        Request::Create(_) => (messages, threads.saturating_add(1)),
    })
}

fn run(
    batch: &mut Batch,
    jobs: &[Pending],
    skipped: &HashSet<ThreadId>,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let mut outcomes = Vec::with_capacity(jobs.len());
    for Pending { job, .. } in jobs {
        if skipped.contains(&job.thread()) {
            outcomes.push(None);
            continue;
        }
        let outcome = batch.run(job).map_err(|_| {
            Failure::of_someone(StoreError::Internal("a decision wrote more messages than it named".into()))
        })?;
        outcomes.push(Some(outcome));
    }
    Ok(outcomes)
}

fn witness(batch: &Batch, xid: String) -> Option<Written> {
    let mut rooms = batch.rooms.values().filter(|room| room.changed).peekable();
    let (thread, modseq) = rooms.peek().map(|room| {
        let (_, modseq) = room.found.head();
        (room.found.thread().map_or(Uuid::nil(), |thread| *thread.id.as_uuid()), signed(modseq.get()))
    })?;
    let appended = |room: &crate::batch::Room| {
        room.written.iter().find(|(_, appended)| appended.is_some()).map(|(id, _)| *id.as_uuid())
    };
    Some(Written { xid, message: rooms.find_map(appended), thread, modseq })
}

/// When the server that this connection leads to was started.
pub(crate) async fn started(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(STARTED).fetch_one(connection).await
}

/// What became of a transaction whose commit was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    RolledBack,
    /// Its session is still at it.
    Undecided,
    Unknown,
}

/// Asks a new connection for the fate of a transaction that was written on a server started at `started_before`.
///
/// A server that crashed may give a lost transaction's id to another one, which then looks committed; so after a
/// restart its rows are looked for, too.
pub(crate) async fn fate(
    connection: &mut PgConnection,
    written: &Written,
    started_before: &str,
) -> Result<Fate, sqlx::Error> {
    let asked = sqlx::query_as::<_, (Option<String>, String, bool)>(FATE)
        .bind(&written.xid)
        .bind(written.message)
        .bind(written.thread)
        .bind(written.modseq);
    let (status, started, is_there) = match asked.fetch_one(connection).await {
        Ok(answer) => answer,
        // "In the future": the server has forgotten that it ever gave out this id.
        Err(error) if is_invalid_parameter(&error) => return Ok(Fate::RolledBack),
        Err(error) => return Err(error),
    };
    Ok(match status.as_deref() {
        Some("in progress") => Fate::Undecided,
        Some("aborted") => Fate::RolledBack,
        Some("committed") if is_there || started == started_before => Fate::Committed,
        _ if is_there => Fate::Committed,
        _ => Fate::Unknown,
    })
}
