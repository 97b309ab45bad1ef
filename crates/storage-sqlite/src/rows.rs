//! Rows as the tables hold them, and what they mean.

use std::str::FromStr;

use sqlx::FromRow;
use tidings_domain::context::ContextRef;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, Role, SessionId, SummaryId, ThreadId, UserId};
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::{Sentiment, Summary, SummaryContent, SummaryPoint};
use tidings_domain::text::{Body, ClientKey, DraftHash, Subject};
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::user::User;
use uuid::Uuid;

/// The columns of a [`UserRow`] from `user u`.
macro_rules! user_columns {
    () => {
        "u.number, u.id, u.name, u.username, u.email, u.told, u.avatar_url, u.role, u.as_of, u.updated_at"
    };
}

/// The columns of a [`ThreadRow`] from `thread t`.
macro_rules! thread_columns {
    () => {
        "t.number, t.id, t.key, t.context_kind, t.context_id, t.parent_kind, t.parent_id, t.subject, \
         t.member_count, t.last_seq, t.last_message_at, t.modseq, t.fields_modseq, t.notice_due, t.notice_upto, t.created_at, \
         t.updated_at"
    };
}

/// The columns of a [`MemberRow`] from `member m`.
macro_rules! member_columns {
    () => {
        "m.thread, m.thread_id, m.user_id, m.role, m.standing, m.read_seq, m.read_at, m.read_via, \
         m.read_message, m.visible_from, m.archived, m.muted, m.notified_seq, m.joined_at, m.joined_modseq, m.modseq, \
         m.read_modseq"
    };
}

/// The columns of a [`MessageRow`] from `message x` and `thread t`.
macro_rules! message_columns {
    () => {
        "x.number, x.id, x.thread, t.id as thread_id, x.seq, x.modseq, x.appended_modseq, x.sender, \
         x.sender_role, x.body, x.client_key, x.draft, x.session, x.imported, x.created_at, x.edited_at, x.deleted_at"
    };
}

/// The columns of a [`SummaryRow`] from `summary s` and `thread t`.
macro_rules! summary_columns {
    () => {
        "s.id, t.id as thread_id, s.author, s.text, s.key_points, s.action_items, s.sentiment, s.modseq, \
         s.created_at"
    };
}

pub(crate) use {member_columns, message_columns, summary_columns, thread_columns, user_columns};

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}

pub(crate) fn unsigned(value: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(what))
}

fn uuid(bytes: &[u8], what: &str) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| corrupt(what))
}

fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(what))
}

/// A counter or number as a column takes it. Counters never come near the end of the signed range.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[derive(Debug, FromRow)]
pub(crate) struct ThreadRow {
    pub(crate) number: i64,
    pub(crate) key: Option<String>,
    id: Vec<u8>,
    context_kind: Option<String>,
    context_id: Option<String>,
    parent_kind: Option<String>,
    parent_id: Option<String>,
    subject: Option<String>,
    member_count: i64,
    last_seq: i64,
    last_message_at: i64,
    modseq: i64,
    fields_modseq: i64,
    notice_due: Option<i64>,
    notice_upto: i64,
    created_at: i64,
    updated_at: i64,
}

/// A pair of columns that are both null or both not.
fn both<'a>(
    one: Option<&'a String>,
    other: Option<&'a String>,
    what: &str,
) -> Result<Option<(&'a str, &'a str)>, StoreError> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(Some((one, other))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(corrupt(what)),
    }
}

pub(crate) fn context_ref(
    kind: &str,
    id: &str,
    parent: Option<(&str, &str)>,
) -> Result<ContextRef, StoreError> {
    let parent = match parent {
        Some((kind, id)) => Some((parsed(kind, "a parent's kind")?, parsed(id, "a parent's id")?)),
        None => None,
    };
    Ok(ContextRef { kind: parsed(kind, "a context's kind")?, id: parsed(id, "a context's id")?, parent })
}

impl ThreadRow {
    pub(crate) fn thread(&self) -> Result<Thread, StoreError> {
        let parent = both(self.parent_kind.as_ref(), self.parent_id.as_ref(), "half a parent")?;
        let context = match both(self.context_kind.as_ref(), self.context_id.as_ref(), "half a context")? {
            Some((kind, id)) => Some(context_ref(kind, id, parent)?),
            None => None,
        };
        let subject = self.subject.as_deref().map(Subject::parse_kept).transpose();
        Ok(Thread {
            id: ThreadId::from_uuid(uuid(&self.id, "a thread's id")?),
            number: unsigned(self.number, "a thread's number")?,
            context,
            subject: subject.map_err(|_| corrupt("a thread's subject"))?,
            member_count: u32::try_from(self.member_count).map_err(|_| corrupt("a member count"))?,
            last_seq: Seq::new(unsigned(self.last_seq, "a thread's last seq")?),
            last_message_at: Timestamp::from_millis(self.last_message_at),
            modseq: Modseq::new(unsigned(self.modseq, "a thread's modseq")?),
            fields_modseq: Modseq::new(unsigned(self.fields_modseq, "a thread's modseq")?),
            notice_due: self.notice_due.map(Timestamp::from_millis),
            notice_upto: Seq::new(unsigned(self.notice_upto, "where notice windows have ended")?),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

#[derive(Debug, FromRow)]
pub(crate) struct MemberRow {
    pub(crate) thread: i64,
    pub(crate) joined_modseq: i64,
    thread_id: Vec<u8>,
    user_id: String,
    role: String,
    standing: i64,
    read_seq: i64,
    read_at: Option<i64>,
    read_via: i64,
    read_message: Option<Vec<u8>>,
    visible_from: i64,
    archived: bool,
    muted: bool,
    notified_seq: i64,
    joined_at: i64,
    modseq: i64,
    read_modseq: i64,
}

pub(crate) const fn standing_code(standing: Standing) -> i64 {
    match standing {
        Standing::Active => 0,
        Standing::Hidden => 1,
        Standing::Left => 2,
        Standing::Removed => 3,
    }
}

pub(crate) const fn via_code(via: MarkedVia) -> i64 {
    match via {
        MarkedVia::Send => 0,
        MarkedVia::Message(_) => 1,
        MarkedVia::Thread => 2,
    }
}

impl MemberRow {
    pub(crate) fn member(&self) -> Result<Member, StoreError> {
        let standing = match self.standing {
            0 => Standing::Active,
            1 => Standing::Hidden,
            2 => Standing::Left,
            3 => Standing::Removed,
            _ => return Err(corrupt("a member's standing")),
        };
        let via = match (self.read_via, &self.read_message) {
            (0, None) => MarkedVia::Send,
            (1, Some(id)) => MarkedVia::Message(MessageId::from_uuid(uuid(id, "a read message's id")?)),
            (2, None) => MarkedVia::Thread,
            _ => return Err(corrupt("how a marker moved")),
        };
        Ok(Member {
            thread: ThreadId::from_uuid(uuid(&self.thread_id, "a member's thread")?),
            user: parsed(&self.user_id, "a member's user")?,
            role: parsed(&self.role, "a member's role")?,
            standing,
            marker: ReadMarker {
                seq: Seq::new(unsigned(self.read_seq, "a read marker")?),
                at: self.read_at.map(Timestamp::from_millis),
                via,
            },
            marker_modseq: Modseq::new(unsigned(self.read_modseq, "a marker's modseq")?),
            visible_from: Seq::new(unsigned(self.visible_from, "where a view begins")?),
            archived: self.archived,
            muted: self.muted,
            notified: Seq::new(unsigned(self.notified_seq, "what a member was notified of")?),
            joined_at: Timestamp::from_millis(self.joined_at),
            modseq: Modseq::new(unsigned(self.modseq, "a member's modseq")?),
        })
    }
}

#[derive(Debug, FromRow)]
pub(crate) struct MessageRow {
    pub(crate) appended_modseq: i64,
    pub(crate) thread: i64,
    number: i64,
    id: Vec<u8>,
    thread_id: Vec<u8>,
    pub(crate) seq: i64,
    modseq: i64,
    sender: Option<String>,
    sender_role: Option<String>,
    body: String,
    client_key: Option<String>,
    draft: Vec<u8>,
    session: Option<Vec<u8>>,
    imported: bool,
    created_at: i64,
    edited_at: Option<i64>,
    deleted_at: Option<i64>,
}

impl MessageRow {
    /// How many bytes its text has.
    pub(crate) fn text_bytes(&self) -> i64 {
        i64::try_from(self.body.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn message(&self) -> Result<Message, StoreError> {
        let author = match both(self.sender.as_ref(), self.sender_role.as_ref(), "half an author")? {
            None => Author::System,
            Some((user, role)) => {
                Author::Member { user: parsed(user, "a sender")?, role: parsed(role, "a sender's role")? }
            }
        };
        let origin = match &self.session {
            None if self.imported => Origin::Import,
            None => Origin::Request,
            Some(id) => Origin::Session(SessionId::from_uuid(uuid(id, "a session's id")?)),
        };
        let client_key = self.client_key.as_deref().map(ClientKey::parse).transpose();
        let draft = self.draft.as_slice().try_into().map_err(|_| corrupt("a draft's hash"))?;
        Ok(Message {
            id: MessageId::from_uuid(uuid(&self.id, "a message's id")?),
            number: unsigned(self.number, "a message's number")?,
            thread: ThreadId::from_uuid(uuid(&self.thread_id, "a message's thread")?),
            seq: Seq::new(unsigned(self.seq, "a message's seq")?),
            modseq: Modseq::new(unsigned(self.modseq, "a message's modseq")?),
            author,
            body: Body::parse_kept(&self.body).map_err(|_| corrupt("a message's body"))?,
            client_key: client_key.map_err(|_| corrupt("a client key"))?,
            draft: DraftHash::from_bytes(draft),
            origin,
            created_at: Timestamp::from_millis(self.created_at),
            edited_at: self.edited_at.map(Timestamp::from_millis),
            deleted_at: self.deleted_at.map(Timestamp::from_millis),
        })
    }
}

#[derive(Debug, FromRow)]
pub(crate) struct SummaryRow {
    id: Vec<u8>,
    thread_id: Vec<u8>,
    author: String,
    text: String,
    key_points: String,
    action_items: String,
    sentiment: Option<i16>,
    modseq: i64,
    created_at: i64,
}

fn points(json: &str) -> Result<Vec<SummaryPoint>, StoreError> {
    let points: Vec<(String, Vec<u64>)> =
        serde_json::from_str(json).map_err(|_| corrupt("the points of a summary"))?;
    let point = |(text, cites): (String, Vec<u64>)| SummaryPoint {
        text,
        cites: cites.into_iter().map(Seq::new).collect(),
    };
    Ok(points.into_iter().map(point).collect())
}

impl SummaryRow {
    pub(crate) fn summary(self) -> Result<Summary, StoreError> {
        let sentiment = self.sentiment.map(Sentiment::from_hundredths).transpose();
        let sentiment = sentiment.map_err(|_| corrupt("a sentiment"))?;
        let content = SummaryContent::parse_kept(
            self.text,
            points(&self.key_points)?,
            points(&self.action_items)?,
            sentiment,
        );
        Ok(Summary {
            id: SummaryId::from_uuid(uuid(&self.id, "a summary's id")?),
            thread: ThreadId::from_uuid(uuid(&self.thread_id, "a summary's thread")?),
            author: parsed(&self.author, "a summary's author")?,
            content: content.map_err(|_| corrupt("a summary"))?,
            modseq: Modseq::new(unsigned(self.modseq, "a summary's modseq")?),
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

#[derive(Debug, FromRow)]
pub(crate) struct UserRow {
    number: i64,
    id: String,
    name: String,
    username: Option<String>,
    email: Option<String>,
    told: bool,
    avatar_url: Option<String>,
    role: Option<String>,
    as_of: i64,
    updated_at: i64,
}

impl UserRow {
    pub(crate) fn user(self) -> Result<User, StoreError> {
        let role: Option<Role> = match &self.role {
            Some(role) => Some(parsed(role, "a user's role")?),
            None => None,
        };
        Ok(User {
            id: parsed::<UserId>(&self.id, "a user's id")?,
            number: unsigned(self.number, "a user's number")?,
            name: self.name,
            username: self.username,
            email: self.email,
            told: self.told,
            avatar_url: self.avatar_url,
            role,
            as_of: Timestamp::from_millis(self.as_of),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
