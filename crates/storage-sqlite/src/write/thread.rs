//! The rows of a thread: its own, its members', its messages', its summaries'.

use serde::Serialize;
use tidings_domain::member::{MarkedVia, Member};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::page::ENTRY_MEMBERS_MAX;
use tidings_domain::seq::Modseq;
use tidings_domain::summary::{Sentiment, Summary, SummaryPoint};
use tidings_domain::thread::Thread;
use uuid::Uuid;

use super::directory::parent;
use crate::batch::WrittenMessage;
use crate::load::hex;
use crate::rows::{standing_code, via_code};

#[derive(Debug, Serialize)]
pub(crate) struct ThreadFields<'a> {
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
    notice_upto: u64,
    created_at: i64,
    updated_at: i64,
    commit_no: u64,
}

/// Number, member count, last seq, time of the last message, modseq, when a notice window ends, up to where windows have
/// ended, commit.
pub(super) type ThreadCounters = (u64, u32, u64, i64, u64, Option<i64>, u64, u64);

#[derive(Debug, Serialize)]
pub(crate) struct MemberFields<'a> {
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
    notified_seq: u64,
    joined_at: i64,
    joined_modseq: u64,
    modseq: u64,
    read_modseq: u64,
    activity_at: Option<i64>,
    commit_no: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct MessageFields<'a> {
    pub(super) number: u64,
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
pub(crate) struct SummaryFields<'a> {
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

const fn is_small(thread: &Thread) -> bool {
    thread.member_count <= ENTRY_MEMBERS_MAX
}

/// The activity that the thread's member rows carry.
pub(super) const fn activity(thread: &Thread) -> Option<i64> {
    if is_small(thread) { Some(thread.last_message_at.as_millis()) } else { None }
}

pub(crate) fn thread_fields<'a>(
    thread: &'a Thread,
    key: Option<&'a str>,
    commit_no: u64,
) -> ThreadFields<'a> {
    let (parent_kind, parent_id) = parent(thread.context.as_ref());
    ThreadFields {
        number: thread.number,
        id: hex(thread.id.as_uuid()),
        key,
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
        notice_upto: thread.notice_upto.get(),
        created_at: thread.created_at.as_millis(),
        updated_at: thread.updated_at.as_millis(),
        commit_no,
    }
}

pub(crate) fn member_fields<'a>(
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
        notified_seq: member.notified.get(),
        joined_at: member.joined_at.as_millis(),
        joined_modseq: joined.get(),
        modseq: member.modseq.get(),
        read_modseq: member.marker_modseq.get(),
        activity_at: activity(thread),
        commit_no,
    }
}

pub(crate) fn message_fields<'a>(
    thread: &Thread,
    message: &'a Message,
    written: WrittenMessage,
) -> MessageFields<'a> {
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

pub(crate) fn summary_fields<'a>(thread: &Thread, summary: &'a Summary, commit_no: u64) -> SummaryFields<'a> {
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
