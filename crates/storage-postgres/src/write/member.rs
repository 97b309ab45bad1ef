//! The rows of members.

use tidings_domain::member::{MarkedVia, Member};
use tidings_domain::seq::Modseq;
use tidings_domain::thread::Thread;
use uuid::Uuid;

use super::thread::{Write, activity};
use crate::rows::{signed, standing_code, via_code};

/// Members who came or changed.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    thread_id: Vec<Uuid>,
    user_id: Vec<&'a str>,
    role: Vec<&'a str>,
    standing: Vec<i16>,
    read_seq: Vec<i64>,
    read_at: Vec<Option<i64>>,
    read_via: Vec<i16>,
    read_message: Vec<Option<Uuid>>,
    read_modseq: Vec<i64>,
    visible_from: Vec<i64>,
    archived: Vec<bool>,
    muted: Vec<bool>,
    notified_seq: Vec<i64>,
    joined_at: Vec<i64>,
    joined_modseq: Vec<i64>,
    modseq: Vec<i64>,
    activity_at: Vec<Option<i64>>,
}

impl<'a> Members<'a> {
    pub(crate) fn push(&mut self, thread: &Thread, member: &'a Member, joined: Modseq) {
        self.thread_id.push(*thread.id.as_uuid());
        self.user_id.push(member.user.as_str());
        self.role.push(member.role.as_str());
        self.standing.push(standing_code(member.standing));
        self.read_seq.push(signed(member.marker.seq.get()));
        self.read_at.push(member.marker.at.map(|at| at.as_millis()));
        self.read_via.push(via_code(member.marker.via));
        self.read_message.push(match member.marker.via {
            MarkedVia::Message(id) => Some(*id.as_uuid()),
            MarkedVia::Send | MarkedVia::Thread => None,
        });
        self.read_modseq.push(signed(member.marker_modseq.get()));
        self.visible_from.push(signed(member.visible_from.get()));
        self.archived.push(member.archived);
        self.muted.push(member.muted);
        self.notified_seq.push(signed(member.notified.get()));
        self.joined_at.push(member.joined_at.as_millis());
        self.joined_modseq.push(signed(joined.get()));
        self.modseq.push(signed(member.modseq.get()));
        self.activity_at.push(activity(thread));
    }

    pub(super) fn bind<'q>(self, query: Write<'q>) -> Write<'q>
    where
        'a: 'q,
    {
        query
            .bind(self.thread_id)
            .bind(self.user_id)
            .bind(self.role)
            .bind(self.standing)
            .bind(self.read_seq)
            .bind(self.read_at)
            .bind(self.read_via)
            .bind(self.read_message)
            .bind(self.read_modseq)
            .bind(self.visible_from)
            .bind(self.archived)
            .bind(self.muted)
            .bind(self.notified_seq)
            .bind(self.joined_at)
            .bind(self.joined_modseq)
            .bind(self.modseq)
            .bind(self.activity_at)
    }
}
