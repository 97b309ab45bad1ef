//! Writing what a batch leaves: the last state of every row, in one round trip.

mod directory;
mod thread;

use sqlx::SqliteConnection;
use tidings_domain::error::StoreError;
use tidings_domain::job::Job;
use tidings_domain::summary::Summary;

use crate::batch::{Batch, Room};
use crate::jobs::{WorkCode, work_code};
use crate::load::{hex, json};
use crate::rows::signed;

pub(crate) use directory::context_key;
use directory::{ContextFields, UserFields};
pub(crate) use directory::{context_fields, user_fields};
use thread::{MemberFields, MessageFields, SummaryFields, ThreadCounters, ThreadFields, activity};
pub(crate) use thread::{member_fields, message_fields, summary_fields, thread_fields};

/// One round trip for a whole batch.
const WRITE: &str = include_str!("write.sql");

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[WRITE];

/// Id, kind, thread, last seq, to whom it failed, how often, when it is due.
type JobFields<'a> = (String, i64, String, u64, Vec<&'a str>, u32, i64);

/// The rows that one round trip writes.
#[derive(Debug, Default)]
pub(crate) struct Changed<'a> {
    pub(crate) new_threads: Vec<ThreadFields<'a>>,
    counters: Vec<ThreadCounters>,
    fields: Vec<ThreadFields<'a>>,
    pub(crate) members: Vec<MemberFields<'a>>,
    /// Thread, and the activity of its active members.
    activity: Vec<(u64, Option<i64>)>,
    pub(crate) new_messages: Vec<MessageFields<'a>>,
    messages: Vec<MessageFields<'a>>,
    pub(crate) summaries: Vec<SummaryFields<'a>>,
    pub(crate) users: Vec<UserFields<'a>>,
    pub(crate) contexts: Vec<ContextFields<'a>>,
    /// Users whose subjects are replaced.
    with_subjects: Vec<u64>,
    /// Issuer, subject, user.
    pub(crate) subjects: Vec<(&'a str, &'a str, u64)>,
    jobs: Vec<JobFields<'a>>,
}

/// Writes the batch in the transaction that the connection is in.
pub(crate) async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), WriteError> {
    let mut changed = Changed::default();
    for room in batch.rooms.values().filter(|room| room.commit_no > 0) {
        changed.take(room);
    }
    changed.users.extend(batch.users.iter().map(user_fields));
    changed.contexts.extend(batch.contexts.iter().map(context_fields));
    changed.with_subjects.extend(batch.subjects.keys());
    for (user, subjects) in &batch.subjects {
        changed.subjects.extend(subjects.iter().map(|s| (s.issuer.as_str(), s.sub.as_str(), *user)));
    }
    changed.jobs.extend(batch.jobs.iter().map(job_fields));
    changed.write(connection, batch.counters.commits).await
}

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

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Rows(error)
    }
}

impl<'a> Changed<'a> {
    /// Writes the rows in the transaction that the connection is in, as of the commit with this number.
    pub(crate) async fn write(
        mut self,
        connection: &mut SqliteConnection,
        commit_no: u64,
    ) -> Result<(), WriteError> {
        // In the order of their numbers, so that the message table is only ever appended to.
        self.new_messages.sort_unstable_by_key(|message| message.number);
        sqlx::query(WRITE)
            .bind(json(&self.new_threads)?)
            .bind(json(&self.counters)?)
            .bind(json(&self.fields)?)
            .bind(json(&self.members)?)
            .bind(json(&self.activity)?)
            .bind(json(&self.new_messages)?)
            .bind(json(&self.messages)?)
            .bind(json(&self.users)?)
            .bind(json(&self.contexts)?)
            .bind(signed(commit_no))
            .bind(json(&self.summaries)?)
            .bind(json(&self.jobs)?)
            .bind(json(&self.with_subjects)?)
            .bind(json(&self.subjects)?)
            .execute(connection)
            .await?;
        Ok(())
    }

    fn take(&mut self, room: &'a Room) {
        let Some(thread) = room.found.thread() else { return };
        match &room.before {
            None => self.new_threads.push(thread_fields(thread, room.key.as_deref(), room.commit_no)),
            Some(before) => {
                self.counters.push((
                    thread.number,
                    thread.member_count,
                    thread.last_seq.get(),
                    thread.last_message_at.as_millis(),
                    thread.modseq.get(),
                    thread.notice_due.map(|due| due.as_millis()),
                    thread.notice_upto.get(),
                    room.commit_no,
                ));
                if before.fields_modseq != thread.fields_modseq {
                    self.fields.push(thread_fields(thread, None, room.commit_no));
                }
                if activity(before) != activity(thread) {
                    self.activity.push((thread.number, activity(thread)));
                }
            }
        }
        for (user, (joined, commit_no)) in &room.put {
            if let Ok(Some(member)) = room.found.member(user) {
                self.members.push(member_fields(thread, member, *joined, *commit_no));
            }
        }
        for (id, written) in &room.written {
            if let Ok(Some(message)) = room.found.message(*id) {
                let row = message_fields(thread, message, *written);
                match written.appended {
                    Some(_) => self.new_messages.push(row),
                    None => self.messages.push(row),
                }
            }
        }
        let summary = |(summary, commit_no): &'a (Summary, u64)| summary_fields(thread, summary, *commit_no);
        self.summaries.extend(room.summaries.iter().map(summary));
    }
}

fn job_fields(job: &Job) -> JobFields<'_> {
    let WorkCode { kind, upto, failing, failures } = work_code(&job.work);
    let (id, thread) = (hex(job.id.as_uuid()), hex(job.work.thread().as_uuid()));
    (id, kind, thread, upto.get(), failing, failures, job.due_at.as_millis())
}
