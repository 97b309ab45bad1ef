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

pub(crate) use directory::context_key;
use directory::{ContextFields, UserFields, context_fields, user_fields};
use thread::{
    MemberFields, MessageFields, SummaryFields, ThreadCounters, ThreadFields, activity, member_fields,
    message_fields, summary_fields, thread_fields,
};

/// One round trip for a whole batch.
const WRITE: &str = include_str!("write.sql");

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[WRITE];

/// Id, kind, thread, last seq, to whom it failed, how often, when it is due.
type JobFields<'a> = (String, i64, String, u64, Vec<&'a str>, u32, i64);

#[derive(Debug, Default)]
struct Changed<'a> {
    new_threads: Vec<ThreadFields<'a>>,
    counters: Vec<ThreadCounters>,
    fields: Vec<ThreadFields<'a>>,
    members: Vec<MemberFields<'a>>,
    /// Thread, and the activity of its active members.
    activity: Vec<(u64, Option<i64>)>,
    new_messages: Vec<MessageFields<'a>>,
    messages: Vec<MessageFields<'a>>,
    summaries: Vec<SummaryFields<'a>>,
}

/// Writes the batch in the transaction that the connection is in.
pub(crate) async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), WriteError> {
    let mut changed = Changed::default();
    for room in batch.rooms.values().filter(|room| room.commit_no > 0) {
        changed.take(room);
    }
    // In the order of their numbers, so that the message table is only ever appended to.
    changed.new_messages.sort_unstable_by_key(|message| message.number);
    let users: Vec<UserFields<'_>> = batch.users.iter().map(user_fields).collect();
    let contexts: Vec<ContextFields<'_>> = batch.contexts.iter().map(context_fields).collect();
    let with_subjects: Vec<u64> = batch.subjects.keys().copied().collect();
    let subjects: Vec<(&str, &str, u64)> = batch
        .subjects
        .iter()
        .flat_map(|(user, subjects)| subjects.iter().map(|s| (s.issuer.as_str(), s.sub.as_str(), *user)))
        .collect();
    let jobs: Vec<JobFields<'_>> = batch.jobs.iter().map(job_fields).collect();
    sqlx::query(WRITE)
        .bind(json(&changed.new_threads)?)
        .bind(json(&changed.counters)?)
        .bind(json(&changed.fields)?)
        .bind(json(&changed.members)?)
        .bind(json(&changed.activity)?)
        .bind(json(&changed.new_messages)?)
        .bind(json(&changed.messages)?)
        .bind(json(&users)?)
        .bind(json(&contexts)?)
        .bind(batch.counters.last_commit())
        .bind(json(&changed.summaries)?)
        .bind(json(&jobs)?)
        .bind(json(&with_subjects)?)
        .bind(json(&subjects)?)
        .execute(connection)
        .await?;
    Ok(())
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
    fn take(&mut self, room: &'a Room) {
        let Some(thread) = room.found.thread() else { return };
        match &room.before {
            None => self.new_threads.push(thread_fields(thread, room)),
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
                    self.fields.push(thread_fields(thread, room));
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
