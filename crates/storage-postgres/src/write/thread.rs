//! The rows of threads.

use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;
use tidings_domain::context::ContextRef;
use tidings_domain::id::UserId;
use tidings_domain::page::ENTRY_MEMBERS_MAX;
use tidings_domain::thread::Thread;
use uuid::Uuid;

use crate::rows::signed;

/// In the order of their keys, so that two processes never wait for each other in a circle.
pub(super) const CREATE: &str = "insert into thread (id, number, key, context_kind, context_id, parent_kind, \
    parent_id, subject, member_count, last_seq, last_message_at, last_number, modseq, fields_modseq, notice_due, \
    notice_upto, created_at, updated_at) \
    select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
    $8::text[], $9::int[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], \
    $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])";

/// Apart from the counters, because the fields are indexed and hardly ever change.
pub(super) const FIELDS: &str = "update thread t set context_kind = c.context_kind, context_id = c.context_id, \
    parent_kind = c.parent_kind, parent_id = c.parent_id, subject = c.subject, fields_modseq = c.fields_modseq, \
    updated_at = c.updated_at, xid = pg_current_xact_id() \
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[]) \
    c (id, context_kind, context_id, parent_kind, parent_id, subject, fields_modseq, updated_at) where t.id = c.id";

pub(super) type Write<'q> = QueryScalar<'q, sqlx::Postgres, String, PgArguments>;

/// The activity that the thread's member rows carry.
pub(super) const fn activity(thread: &Thread) -> Option<i64> {
    if thread.member_count <= ENTRY_MEMBERS_MAX { Some(thread.last_message_at.as_millis()) } else { None }
}

/// The counters of threads that were there before.
#[derive(Debug, Default)]
pub(super) struct Counters {
    id: Vec<Uuid>,
    member_count: Vec<i32>,
    last_seq: Vec<i64>,
    last_message_at: Vec<i64>,
    last_number: Vec<i64>,
    modseq: Vec<i64>,
    notice_due: Vec<Option<i64>>,
    notice_upto: Vec<i64>,
}

impl Counters {
    pub(super) fn push(&mut self, thread: &Thread, last_number: u64) {
        self.id.push(*thread.id.as_uuid());
        self.member_count.push(i32::try_from(thread.member_count).unwrap_or(i32::MAX));
        self.last_seq.push(signed(thread.last_seq.get()));
        self.last_message_at.push(thread.last_message_at.as_millis());
        self.last_number.push(signed(last_number));
        self.modseq.push(signed(thread.modseq.get()));
        self.notice_due.push(thread.notice_due.map(|due| due.as_millis()));
        self.notice_upto.push(signed(thread.notice_upto.get()));
    }

    pub(super) fn bind(self, query: Write<'_>) -> Write<'_> {
        query
            .bind(self.id)
            .bind(self.member_count)
            .bind(self.last_seq)
            .bind(self.last_message_at)
            .bind(self.last_number)
            .bind(self.modseq)
            .bind(self.notice_due)
            .bind(self.notice_upto)
    }
}

/// Threads whose members' rows carry another activity from now on.
#[derive(Debug, Default)]
pub(super) struct Activities {
    id: Vec<Uuid>,
    activity: Vec<Option<i64>>,
    /// The members whose rows are written anyhow. An array of arrays would need all of one length; ids hold no spaces.
    put: Vec<String>,
}

impl Activities {
    pub(super) fn push<'a>(&mut self, thread: &Thread, put: impl Iterator<Item = &'a UserId>) {
        self.id.push(*thread.id.as_uuid());
        self.activity.push(activity(thread));
        self.put.push(put.map(UserId::as_str).collect::<Vec<_>>().join(" "));
    }

    pub(super) fn bind(self, query: Write<'_>) -> Write<'_> {
        query.bind(self.id).bind(self.activity).bind(self.put)
    }
}

/// The fields of threads, for people and for lists.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    id: Vec<Uuid>,
    context_kind: Vec<Option<&'a str>>,
    context_id: Vec<Option<&'a str>>,
    parent_kind: Vec<Option<&'a str>>,
    parent_id: Vec<Option<&'a str>>,
    subject: Vec<Option<&'a str>>,
    fields_modseq: Vec<i64>,
    updated_at: Vec<i64>,
}

impl<'a> Fields<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    pub(super) fn push(&mut self, thread: &'a Thread) {
        let context = thread.context.as_ref();
        let (parent_kind, parent_id) = parent(context);
        self.id.push(*thread.id.as_uuid());
        self.context_kind.push(context.map(|context| context.kind.as_str()));
        self.context_id.push(context.map(|context| context.id.as_str()));
        self.parent_kind.push(parent_kind);
        self.parent_id.push(parent_id);
        self.subject.push(thread.subject.as_ref().map(|subject| subject.as_str()));
        self.fields_modseq.push(signed(thread.fields_modseq.get()));
        self.updated_at.push(thread.updated_at.as_millis());
    }

    pub(super) async fn update(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let query = sqlx::query(FIELDS)
            .bind(self.id)
            .bind(self.context_kind)
            .bind(self.context_id)
            .bind(self.parent_kind)
            .bind(self.parent_id)
            .bind(self.subject)
            .bind(self.fields_modseq)
            .bind(self.updated_at);
        query.execute(connection).await.map(drop)
    }
}

pub(crate) fn parent(context: Option<&ContextRef>) -> (Option<&str>, Option<&str>) {
    match context.and_then(|context| context.parent.as_ref()) {
        Some((kind, id)) => (Some(kind.as_str()), Some(id.as_str())),
        None => (None, None),
    }
}

/// A thread that is new to the database.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) thread: &'a Thread,
    /// The text of its key.
    pub(crate) key: Option<&'a str>,
    /// The number of its newest message.
    pub(crate) last_number: u64,
}

/// Inserts new threads.
pub(super) async fn create(
    connection: &mut PgConnection,
    mut made: Vec<Made<'_>>,
) -> Result<(), sqlx::Error> {
    made.sort_unstable_by_key(|made| made.key);
    let (mut counters, mut fields) = (Counters::default(), Fields::default());
    for made in &made {
        counters.push(made.thread, made.last_number);
        fields.push(made.thread);
    }
    let query = sqlx::query(CREATE)
        .bind(counters.id)
        .bind(made.iter().map(|made| signed(made.thread.number)).collect::<Vec<i64>>())
        .bind(made.iter().map(|made| made.key).collect::<Vec<Option<&str>>>())
        .bind(fields.context_kind)
        .bind(fields.context_id)
        .bind(fields.parent_kind)
        .bind(fields.parent_id)
        .bind(fields.subject)
        .bind(counters.member_count)
        .bind(counters.last_seq)
        .bind(counters.last_message_at)
        .bind(counters.last_number)
        .bind(counters.modseq)
        .bind(fields.fields_modseq)
        .bind(counters.notice_due)
        .bind(counters.notice_upto)
        .bind(made.iter().map(|made| made.thread.created_at.as_millis()).collect::<Vec<i64>>())
        .bind(fields.updated_at);
    query.execute(connection).await.map(drop)
}
