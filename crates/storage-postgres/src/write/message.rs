//! The rows of messages.

use sqlx::PgConnection;
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::seq::Modseq;
use uuid::Uuid;

use super::thread::Write;
use crate::rows::signed;

pub(super) const REPLACE: &str = "update message x set modseq = c.modseq, body = c.body, draft = c.draft, \
    edited_at = c.edited_at, deleted_at = c.deleted_at, xid = pg_current_xact_id() \
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::uuid[], $6::bigint[], $7::bigint[]) \
    c (thread_id, seq, modseq, body, draft, edited_at, deleted_at) \
    where x.thread_id = c.thread_id and x.seq = c.seq";

/// Messages that were appended or replaced.
#[derive(Debug, Default)]
pub(crate) struct Messages<'a> {
    thread_id: Vec<Uuid>,
    seq: Vec<i64>,
    id: Vec<Uuid>,
    number: Vec<i64>,
    modseq: Vec<i64>,
    appended_modseq: Vec<i64>,
    sender: Vec<Option<&'a str>>,
    sender_role: Vec<Option<&'a str>>,
    body: Vec<&'a str>,
    client_key: Vec<Option<&'a str>>,
    draft: Vec<Uuid>,
    session: Vec<Option<Uuid>>,
    imported: Vec<bool>,
    created_at: Vec<i64>,
    edited_at: Vec<Option<i64>>,
    deleted_at: Vec<Option<i64>>,
}

impl<'a> Messages<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    pub(crate) fn push(&mut self, message: &'a Message, appended: Modseq) {
        let (sender, sender_role) = match &message.author {
            Author::Member { user, role } => (Some(user.as_str()), Some(role.as_str())),
            Author::System => (None, None),
        };
        self.thread_id.push(*message.thread.as_uuid());
        self.seq.push(signed(message.seq.get()));
        self.id.push(*message.id.as_uuid());
        self.number.push(signed(message.number));
        self.modseq.push(signed(message.modseq.get()));
        self.appended_modseq.push(signed(appended.get()));
        self.sender.push(sender);
        self.sender_role.push(sender_role);
        self.body.push(message.body.as_str());
        self.client_key.push(message.client_key.as_ref().map(|key| key.as_str()));
        self.draft.push(Uuid::from_bytes(*message.draft.as_bytes()));
        self.session.push(match message.origin {
            Origin::Request | Origin::Import => None,
            Origin::Session(id) => Some(*id.as_uuid()),
        });
        self.imported.push(message.origin == Origin::Import);
        self.created_at.push(message.created_at.as_millis());
        self.edited_at.push(message.edited_at.map(|at| at.as_millis()));
        self.deleted_at.push(message.deleted_at.map(|at| at.as_millis()));
    }

    pub(super) fn bind<'q>(self, query: Write<'q>) -> Write<'q>
    where
        'a: 'q,
    {
        query
            .bind(self.thread_id)
            .bind(self.seq)
            .bind(self.id)
            .bind(self.number)
            .bind(self.modseq)
            .bind(self.appended_modseq)
            .bind(self.sender)
            .bind(self.sender_role)
            .bind(self.body)
            .bind(self.client_key)
            .bind(self.draft)
            .bind(self.session)
            .bind(self.imported)
            .bind(self.created_at)
            .bind(self.edited_at)
            .bind(self.deleted_at)
    }

    /// Overwrites what may change of those messages.
    pub(super) async fn replace(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let query = sqlx::query(REPLACE)
            .bind(self.thread_id)
            .bind(self.seq)
            .bind(self.modseq)
            .bind(self.body)
            .bind(self.draft)
            .bind(self.edited_at)
            .bind(self.deleted_at);
        query.execute(connection).await.map(drop)
    }
}
