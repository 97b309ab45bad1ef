//! Loading what a batch of jobs needs to see: the union of all scopes, in one round trip.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::{Either, FromRow, SqliteConnection};
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::text::ClientKey;
use tidings_domain::thread::Thread;
use tidings_domain::user::User;

use crate::queue::Request;
use crate::rows::{
    MemberRow, MessageRow, ThreadRow, UserRow, member_columns, message_columns, thread_columns, user_columns,
};

/// One statement per section of [`Section`], in that order. Arguments are written `$1`, here and in every script: sqlx
/// loses count of `?1` when a later statement of a script does not begin with the first.
const LOAD: &str = concat!(
    "select ",
    thread_columns!(),
    " from json_each($1) j cross join thread t on t.id = unhex(j.value);",
    "select ",
    thread_columns!(),
    " from json_each($2) j cross join thread t on t.key = j.value;",
    "select ",
    member_columns!(),
    " from json_each($3) j cross join thread t on t.id = unhex(j.value ->> 0)",
    " cross join member m on m.thread = t.number and m.user_id = j.value ->> 1;",
    "select ",
    message_columns!(),
    " from json_each($4) j cross join thread t on t.id = unhex(j.value ->> 0)",
    " cross join message x on x.thread = t.number and x.sender = j.value ->> 1",
    " and x.client_key = j.value ->> 2;",
    "select ",
    message_columns!(),
    " from json_each($5) j cross join message x on x.id = unhex(j.value)",
    " cross join thread t on t.number = x.thread;",
    "select ",
    user_columns!(),
    " from json_each($6) j cross join user u on u.id = j.value;",
);

/// Which statement of [`LOAD`] a row comes from.
#[derive(Debug, Clone, Copy)]
enum Section {
    ThreadById,
    ThreadByKey,
    Member,
    Keyed,
    Message,
    User,
}

impl Section {
    const fn next(self) -> Self {
        match self {
            Self::ThreadById => Self::ThreadByKey,
            Self::ThreadByKey => Self::Member,
            Self::Member => Self::Keyed,
            Self::Keyed => Self::Message,
            Self::Message | Self::User => Self::User,
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) threads: HashMap<ThreadId, Thread>,
    /// By the canonical text of their key.
    pub(crate) by_key: HashMap<String, ThreadId>,
    pub(crate) members: HashMap<(ThreadId, UserId), Member>,
    /// With the modseq with which each was appended.
    pub(crate) messages: HashMap<MessageId, Message>,
    pub(crate) keyed: HashMap<(ThreadId, UserId, ClientKey), MessageId>,
    pub(crate) users: HashMap<UserId, User>,
}

/// Why loading failed.
#[derive(Debug)]
pub(crate) enum LoadError {
    Sql(sqlx::Error),
    Row(StoreError),
}

impl From<sqlx::Error> for LoadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Row(error)
    }
}

/// An id of ours as the JSON arguments carry it.
pub(crate) fn hex(id: &uuid::Uuid) -> String {
    id.as_simple().to_string()
}

/// A JSON argument of a statement.
pub(crate) fn json<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    if rows.is_empty() {
        return Ok("[]".to_owned());
    }
    serde_json::to_string(rows).map_err(|error| StoreError::Internal(format!("rows as JSON: {error}")))
}

#[derive(Debug, Default)]
struct Wanted<'a> {
    threads: Vec<String>,
    keys: Vec<String>,
    members: Vec<(String, &'a str)>,
    keyed: Vec<(String, &'a str, &'a str)>,
    messages: Vec<String>,
    users: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(jobs: impl Iterator<Item = &'a Request>) -> Self {
        let mut wanted = Self::default();
        for job in jobs {
            match job {
                Request::Decide { scope, .. } => {
                    let thread = hex(scope.thread.as_uuid());
                    wanted.members.extend(scope.members.iter().map(|user| (thread.clone(), user.as_str())));
                    if let Some((sender, key)) = &scope.client_key {
                        wanted.keyed.push((thread.clone(), sender.as_str(), key.as_str()));
                    }
                    wanted.messages.extend(scope.messages.iter().map(|id| hex(id.as_uuid())));
                    wanted.threads.push(thread);
                }
                Request::Create(new) => wanted.keys.extend(new.key.as_ref().map(ToString::to_string)),
                Request::PutUser(user, _) => wanted.users.push(user.id.as_str()),
                Request::PutContext(_) | Request::Jobs(_) | Request::Transfer(_) | Request::Touch => {}
            }
        }
        wanted.threads.sort_unstable();
        wanted.threads.dedup();
        wanted.members.sort_unstable();
        wanted.members.dedup();
        wanted
    }
}

/// Loads what the jobs name, in the transaction that the connection is in.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    jobs: impl Iterator<Item = &Request>,
) -> Result<Loaded, LoadError> {
    let wanted = Wanted::of(jobs);
    let query = sqlx::query(LOAD)
        .bind(json(&wanted.threads)?)
        .bind(json(&wanted.keys)?)
        .bind(json(&wanted.members)?)
        .bind(json(&wanted.keyed)?)
        .bind(json(&wanted.messages)?)
        .bind(json(&wanted.users)?);
    #[expect(deprecated, reason = "one script is one round trip; `raw_sql` takes no arguments")]
    let mut rows = query.fetch_many(connection);
    let mut section = Section::ThreadById;
    let mut loaded = Loaded::default();
    while let Some(item) = rows.try_next().await? {
        match item {
            Either::Left(_) => section = section.next(),
            Either::Right(row) => loaded.take(section, &row)?,
        }
    }
    Ok(loaded)
}

impl Loaded {
    fn take(&mut self, section: Section, row: &sqlx::sqlite::SqliteRow) -> Result<(), LoadError> {
        match section {
            Section::ThreadById | Section::ThreadByKey => {
                let row = ThreadRow::from_row(row)?;
                let thread = row.thread()?;
                if let Some(key) = row.key {
                    self.by_key.insert(key, thread.id);
                }
                self.threads.insert(thread.id, thread);
            }
            Section::Member => {
                let member = MemberRow::from_row(row)?.member()?;
                self.members.insert((member.thread, member.user.clone()), member);
            }
            Section::Keyed | Section::Message => {
                let message = MessageRow::from_row(row)?.message()?;
                if let (Some(user), Some(key)) = (message.author.user(), &message.client_key) {
                    self.keyed.insert((message.thread, user.clone(), key.clone()), message.id);
                }
                self.messages.insert(message.id, message);
            }
            Section::User => {
                let user = UserRow::from_row(row)?.user()?;
                self.users.insert(user.id.clone(), user);
            }
        }
        Ok(())
    }
}

/// The counters of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The number of the last commit.
    pub(crate) commits: u64,
    /// The number of the last thread.
    pub(crate) threads: u64,
    /// The number of the last message.
    pub(crate) messages: u64,
    /// The number of the last user.
    pub(crate) users: u64,
}

const COUNTERS: &str = "select commits, (select coalesce(max(number), 0) from thread), \
    (select coalesce(max(number), 0) from message), (select coalesce(max(number), 0) from user) from meta";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[LOAD, COUNTERS];

impl Counters {
    pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let (commits, threads, messages, users): (i64, i64, i64, i64) =
            sqlx::query_as(COUNTERS).fetch_one(connection).await?;
        let count = |value| u64::try_from(value).unwrap_or_default();
        Ok(Self {
            commits: count(commits),
            threads: count(threads),
            messages: count(messages),
            users: count(users),
        })
    }
}
