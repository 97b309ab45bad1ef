//! Writing what a batch leaves: the last state of every row, in one round trip.

use serde::Serialize;
use sqlx::SqliteConnection;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::job::Job;
use tidings_domain::member::{MarkedVia, Member};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::page::ENTRY_MEMBERS_MAX;
use tidings_domain::seq::Modseq;
use tidings_domain::summary::{Sentiment, Summary, SummaryPoint};
use tidings_domain::thread::Thread;
use tidings_domain::user::User;
use uuid::Uuid;

use crate::batch::{Batch, Room, WrittenMessage};
use crate::jobs::work_code;
use crate::load::{hex, json};
use crate::rows::{standing_code, via_code};

/// One round trip for a whole batch.
const WRITE: &str = include_str!("write.sql");

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[WRITE];

#[derive(Debug, Serialize)]
struct ThreadFields<'a> {
    number: u64,
    id: String,
    key: Option<&'a str>,
    context_kind: Option<&'a str>,
    context_id: Option<&'a str>,
    parent_kind: Option<&'a str>,
    parent_id: Option<&'a str>,
    subject: Option<&'a str>,
    member_count: u32,
    last_seq: u64,
    last_message_at: i64,
    modseq: u64,
    fields_modseq: u64,
    notice_due: Option<i64>,
    created_at: i64,
    updated_at: i64,
    commit_no: u64,
}

/// Number, member count, last seq, time of the last message, modseq, when a notice is due, commit.
type ThreadCounters = (u64, u32, u64, i64, u64, Option<i64>, u64);

#[derive(Debug, Serialize)]
struct MemberFields<'a> {
    thread: u64,
    user_id: &'a str,
    thread_id: String,
    role: &'a str,
    standing: i64,
    read_seq: u64,
    read_at: Option<i64>,
    read_via: i64,
    read_message: Option<String>,
    visible_from: u64,
    archived: i64,
    muted: i64,
    joined_at: i64,
    joined_modseq: u64,
    modseq: u64,
    read_modseq: u64,
    activity_at: Option<i64>,
    commit_no: u64,
}

#[derive(Debug, Serialize)]
struct MessageFields<'a> {
    number: u64,
    id: String,
    thread: u64,
    seq: u64,
    modseq: u64,
    appended_modseq: u64,
    sender: Option<&'a str>,
    sender_role: Option<&'a str>,
    body: &'a str,
    client_key: Option<&'a str>,
    draft: String,
    session: Option<String>,
    imported: i64,
    created_at: i64,
    edited_at: Option<i64>,
    deleted_at: Option<i64>,
    commit_no: u64,
}

#[derive(Debug, Serialize)]
struct UserFields<'a> {
    number: u64,
    id: &'a str,
    name: &'a str,
    username: Option<&'a str>,
    email: Option<&'a str>,
    told: i64,
    avatar_url: Option<&'a str>,
    role: Option<&'a str>,
    updated_at: i64,
}

#[derive(Debug, Serialize)]
struct ContextFields<'a> {
    key: String,
    kind: &'a str,
    id: &'a str,
    parent_kind: Option<&'a str>,
    parent_id: Option<&'a str>,
    title: &'a str,
    is_public: i64,
    state: Option<&'a str>,
    parties: Vec<(&'a str, &'a str)>,
    data: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct SummaryFields<'a> {
    thread: u64,
    modseq: u64,
    id: String,
    author: &'a str,
    text: &'a str,
    key_points: Vec<(&'a str, Vec<u64>)>,
    action_items: Vec<(&'a str, Vec<u64>)>,
    sentiment: Option<i16>,
    created_at: i64,
    commit_no: u64,
}

/// Id, kind, thread, first seq, when it is due.
type JobFields = (String, i64, String, u64, i64);

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
    let jobs: Vec<JobFields> = batch.jobs.iter().map(job_fields).collect();
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

const fn is_small(thread: &Thread) -> bool {
    thread.member_count <= ENTRY_MEMBERS_MAX
}

/// The activity that the thread's member rows carry.
const fn activity(thread: &Thread) -> Option<i64> {
    if is_small(thread) { Some(thread.last_message_at.as_millis()) } else { None }
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

fn parent(context: Option<&ContextRef>) -> (Option<&str>, Option<&str>) {
    match context.and_then(|context| context.parent.as_ref()) {
        Some((kind, id)) => (Some(kind.as_str()), Some(id.as_str())),
        None => (None, None),
    }
}

fn thread_fields<'a>(thread: &'a Thread, room: &'a Room) -> ThreadFields<'a> {
    let (parent_kind, parent_id) = parent(thread.context.as_ref());
    ThreadFields {
        number: thread.number,
        id: hex(thread.id.as_uuid()),
        key: room.key.as_deref(),
        context_kind: thread.context.as_ref().map(|context| context.kind.as_str()),
        context_id: thread.context.as_ref().map(|context| context.id.as_str()),
        parent_kind,
        parent_id,
        subject: thread.subject.as_ref().map(|subject| subject.as_str()),
        member_count: thread.member_count,
        last_seq: thread.last_seq.get(),
        last_message_at: thread.last_message_at.as_millis(),
        modseq: thread.modseq.get(),
        fields_modseq: thread.fields_modseq.get(),
        notice_due: thread.notice_due.map(|due| due.as_millis()),
        created_at: thread.created_at.as_millis(),
        updated_at: thread.updated_at.as_millis(),
        commit_no: room.commit_no,
    }
}

fn member_fields<'a>(
    thread: &Thread,
    member: &'a Member,
    joined: Modseq,
    commit_no: u64,
) -> MemberFields<'a> {
    let read_message = match member.marker.via {
        MarkedVia::Message(id) => Some(hex(id.as_uuid())),
        MarkedVia::Send | MarkedVia::Thread => None,
    };
    MemberFields {
        thread: thread.number,
        user_id: member.user.as_str(),
        thread_id: hex(thread.id.as_uuid()),
        role: member.role.as_str(),
        standing: standing_code(member.standing),
        read_seq: member.marker.seq.get(),
        read_at: member.marker.at.map(|at| at.as_millis()),
        read_via: via_code(member.marker.via),
        read_message,
        visible_from: member.visible_from.get(),
        archived: i64::from(member.archived),
        muted: i64::from(member.muted),
        joined_at: member.joined_at.as_millis(),
        joined_modseq: joined.get(),
        modseq: member.modseq.get(),
        read_modseq: member.marker_modseq.get(),
        activity_at: activity(thread),
        commit_no,
    }
}

fn message_fields<'a>(thread: &Thread, message: &'a Message, written: WrittenMessage) -> MessageFields<'a> {
    let (sender, sender_role) = match &message.author {
        Author::Member { user, role } => (Some(user.as_str()), Some(role.as_str())),
        Author::System => (None, None),
    };
    let session = match message.origin {
        Origin::Request | Origin::Import => None,
        Origin::Session(id) => Some(hex(id.as_uuid())),
    };
    MessageFields {
        number: message.number,
        id: hex(message.id.as_uuid()),
        thread: thread.number,
        seq: message.seq.get(),
        modseq: message.modseq.get(),
        appended_modseq: written.appended.unwrap_or(message.modseq).get(),
        sender,
        sender_role,
        body: message.body.as_str(),
        client_key: message.client_key.as_ref().map(|key| key.as_str()),
        draft: hex(&Uuid::from_bytes(*message.draft.as_bytes())),
        session,
        imported: i64::from(message.origin == Origin::Import),
        created_at: message.created_at.as_millis(),
        edited_at: message.edited_at.map(|at| at.as_millis()),
        deleted_at: message.deleted_at.map(|at| at.as_millis()),
        commit_no: written.commit_no,
    }
}

fn summary_fields<'a>(thread: &Thread, summary: &'a Summary, commit_no: u64) -> SummaryFields<'a> {
    let points = |points: &'a [SummaryPoint]| {
        let cites = |point: &SummaryPoint| point.cites.iter().map(|seq| seq.get()).collect();
        points.iter().map(|point| (point.text.as_str(), cites(point))).collect()
    };
    SummaryFields {
        thread: thread.number,
        modseq: summary.modseq.get(),
        id: hex(summary.id.as_uuid()),
        author: summary.author.as_str(),
        text: summary.content.text(),
        key_points: points(summary.content.key_points()),
        action_items: points(summary.content.action_items()),
        sentiment: summary.content.sentiment().map(Sentiment::hundredths),
        created_at: summary.created_at.as_millis(),
        commit_no,
    }
}

fn job_fields(job: &Job) -> JobFields {
    let (kind, thread, from) = work_code(&job.work);
    (hex(job.id.as_uuid()), kind, hex(thread.as_uuid()), from.get(), job.due_at.as_millis())
}

fn user_fields(user: &User) -> UserFields<'_> {
    UserFields {
        number: user.number,
        id: user.id.as_str(),
        name: &user.name,
        username: user.username.as_deref(),
        email: user.email.as_deref(),
        told: i64::from(user.told),
        avatar_url: user.avatar_url.as_deref(),
        role: user.role.as_ref().map(|role| role.as_str()),
        updated_at: user.updated_at.as_millis(),
    }
}

/// What a business object is kept under.
pub(crate) fn context_key(of: &ContextRef) -> String {
    match &of.parent {
        Some((kind, id)) => format!("{kind} {id} / {} {}", of.kind, of.id),
        None => format!("{} {}", of.kind, of.id),
    }
}

fn context_fields(context: &Context) -> ContextFields<'_> {
    let (parent_kind, parent_id) = parent(Some(&context.reference));
    ContextFields {
        key: context_key(&context.reference),
        kind: context.reference.kind.as_str(),
        id: context.reference.id.as_str(),
        parent_kind,
        parent_id,
        title: &context.title,
        is_public: i64::from(context.is_public),
        state: context.state.as_deref(),
        data: context.data.as_deref(),
        parties: context.parties.iter().map(|party| (party.user.as_str(), party.role.as_str())).collect(),
    }
}
