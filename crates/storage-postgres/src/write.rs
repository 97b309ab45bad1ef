//! Writing what a batch leaves: the last state of every row, by arrays, most of it in one statement.

mod member;
mod message;
mod thread;

use sqlx::PgConnection;
use tidings_domain::error::StoreError;
use tidings_domain::summary::{Sentiment, Summary, SummaryPoint};
use uuid::Uuid;

use crate::batch::{Batch, Room};
use crate::jobs::{count, work_code};
use crate::rows::signed;

pub(crate) use member::Members;
pub(crate) use message::Messages;
pub(crate) use thread::{Made, parent};

use thread::{Activities, Counters, Fields};

/// What nearly every batch writes.
const WRITE: &str = include_str!("write.sql");

const SUMMARY: &str = "insert into summary (thread_id, modseq, id, author, text, key_points, action_items, \
    sentiment, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const JOBS: &str = "insert into job (id, kind, thread_id, upto_seq, failing_users, failures, due_at, \
    claimable_at, attempts) \
    select j.id, j.kind, j.thread_id, j.upto_seq, coalesce(string_to_array(nullif(j.failing, ''), ' '), '{}'), \
    j.failures, j.due_at, j.due_at, 0 \
    from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::text[], $6::int[], $7::bigint[]) \
    j (id, kind, thread_id, upto_seq, failing, failures, due_at)";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[WRITE, SUMMARY, JOBS, thread::CREATE, thread::FIELDS, message::REPLACE];

/// Why writing failed.
#[derive(Debug)]
pub(crate) enum WriteError {
    Sql(sqlx::Error),
    Rows(StoreError),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// The rows that are written together.
#[derive(Debug, Default)]
pub(crate) struct Changed<'a> {
    pub(crate) new_threads: Vec<Made<'a>>,
    counters: Counters,
    fields: Fields<'a>,
    pub(crate) members: Members<'a>,
    activities: Activities,
    pub(crate) appended: Messages<'a>,
    replaced: Messages<'a>,
    pub(crate) summaries: Vec<&'a Summary>,
}

/// Writes the batch in the transaction that the connection is in; answers that transaction's id.
pub(crate) async fn write(connection: &mut PgConnection, batch: &Batch) -> Result<String, WriteError> {
    let mut changed = Changed::default();
    for room in batch.rooms.values().filter(|room| room.changed) {
        changed.take(room);
    }
    if !batch.jobs.is_empty() {
        add_jobs(connection, batch).await?;
    }
    changed.write(connection).await
}

impl<'a> Changed<'a> {
    /// Writes the rows in the transaction that the connection is in; answers that transaction's id.
    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<String, WriteError> {
        if !self.new_threads.is_empty() {
            thread::create(connection, self.new_threads).await?;
        }
        if !self.fields.is_empty() {
            self.fields.update(connection).await?;
        }
        if !self.replaced.is_empty() {
            self.replaced.replace(connection).await?;
        }
        for summary in self.summaries {
            add_summary(connection, summary).await?;
        }
        let query = sqlx::query_scalar(WRITE);
        let query = self.counters.bind(query);
        let query = self.appended.bind(query);
        let query = self.members.bind(query);
        let query = self.activities.bind(query);
        Ok(query.fetch_one(connection).await?)
    }

    fn take(&mut self, room: &'a Room) {
        let Some(thread) = room.found.thread() else { return };
        match &room.before {
            None => self.new_threads.push(Made {
                thread,
                key: room.key.as_deref(),
                last_number: room.last_number,
            }),
            Some(before) => {
                self.counters.push(thread, room.last_number);
                if before.fields_modseq != thread.fields_modseq {
                    self.fields.push(thread);
                }
                if thread::activity(before) != thread::activity(thread) {
                    self.activities.push(thread, room.put.keys());
                }
            }
        }
        for (user, joined) in &room.put {
            if let Ok(Some(member)) = room.found.member(user) {
                self.members.push(thread, member, *joined);
            }
        }
        for (id, appended) in &room.written {
            if let Ok(Some(message)) = room.found.message(*id) {
                match appended {
                    Some(appended) => self.appended.push(message, *appended),
                    None => self.replaced.push(message, message.modseq),
                }
            }
        }
        self.summaries.extend(&room.summaries);
    }
}

async fn add_summary(connection: &mut PgConnection, summary: &Summary) -> Result<(), WriteError> {
    let points = |points: &[SummaryPoint]| {
        let cites = |point: &SummaryPoint| point.cites.iter().map(|seq| seq.get()).collect();
        let points: Vec<(&str, Vec<u64>)> =
            points.iter().map(|point| (point.text.as_str(), cites(point))).collect();
        let json = serde_json::to_string(&points);
        json.map_err(|error| WriteError::Rows(StoreError::Internal(format!("points as JSON: {error}"))))
    };
    sqlx::query(SUMMARY)
        .bind(*summary.thread.as_uuid())
        .bind(signed(summary.modseq.get()))
        .bind(*summary.id.as_uuid())
        .bind(summary.author.as_str())
        .bind(summary.content.text())
        .bind(points(summary.content.key_points())?)
        .bind(points(summary.content.action_items())?)
        .bind(summary.content.sentiment().map(Sentiment::hundredths))
        .bind(summary.created_at.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

async fn add_jobs(connection: &mut PgConnection, batch: &Batch) -> Result<(), WriteError> {
    let codes = || batch.jobs.iter().map(|job| work_code(&job.work));
    sqlx::query(JOBS)
        .bind(batch.jobs.iter().map(|job| *job.id.as_uuid()).collect::<Vec<Uuid>>())
        .bind(codes().map(|code| code.kind).collect::<Vec<i16>>())
        .bind(batch.jobs.iter().map(|job| *job.work.thread().as_uuid()).collect::<Vec<Uuid>>())
        .bind(codes().map(|code| signed(code.upto.get())).collect::<Vec<i64>>())
        // An array of arrays would need all of one length; ids hold no spaces.
        .bind(codes().map(|code| code.failing.join(" ")).collect::<Vec<String>>())
        .bind(codes().map(|code| count(code.failures)).collect::<Vec<i32>>())
        .bind(batch.jobs.iter().map(|job| job.due_at.as_millis()).collect::<Vec<i64>>())
        .execute(connection)
        .await?;
    Ok(())
}
