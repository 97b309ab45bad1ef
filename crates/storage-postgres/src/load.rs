//! Locking the threads of a batch, and then loading what its decisions need to see.
//!
//! In two statements, always: one statement that waits for a lock sees the thread's new row, but the members and
//! messages as they were before the wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::text::ClientKey;
use tidings_domain::thread::Thread;
use uuid::Uuid;

use crate::queue::Request;
use crate::rows::{MemberRow, MessageRow, ThreadRow, member_columns, message_columns, thread_columns};

/// Locks those threads that nobody else has locked.
const LOCK: &str = concat!(
    "select ",
    thread_columns!(),
    " from thread t where t.id = any($1) order by t.id for no key update skip locked",
);
/// Waits for each of them.
const LOCK_WAITING: &str = concat!(
    "select ",
    thread_columns!(),
    " from thread t where t.id = any($1) order by t.id for no key update",
);
/// Those of the threads that exist.
const EXISTING: &str = "select t.id from thread t where t.id = any($1)";

/// Takes the keys of threads to be created, so that the same key is not inserted twice; answers those it got.
const LOCK_KEYS: &str = "select k.key from unnest($1::text[]) k (key) \
    where pg_try_advisory_xact_lock(hashtextextended(k.key, 0))";
const LOCK_KEYS_WAITING: &str = "select k.key from unnest($1::text[]) k (key), \
    lateral (select pg_advisory_xact_lock(hashtextextended(k.key, 0))) locked";

const THREADS_BY_KEY: &str = concat!("select ", thread_columns!(), " from thread t where t.key = any($1)");

const MEMBERS: &str = concat!(
    "select ",
    member_columns!(),
    " from unnest($1::uuid[], $2::text[]) w (thread_id, user_id)",
    " join member m on m.thread_id = w.thread_id and m.user_id = w.user_id",
);

const MESSAGES: &str = concat!(
    "select ",
    message_columns!(),
    " from unnest($1::uuid[], $2::text[], $3::text[]) w (thread_id, sender, client_key)",
    " join message x on x.thread_id = w.thread_id and x.sender = w.sender and x.client_key = w.client_key",
    " where x.client_key is not null union all select ",
    message_columns!(),
    " from unnest($4::uuid[]) w (id) join message x on x.id = w.id",
);

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[LOCK, LOCK_WAITING, EXISTING, LOCK_KEYS, LOCK_KEYS_WAITING, THREADS_BY_KEY, MEMBERS, MESSAGES];

/// What to do about what somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Leave it out.
    Skip,
    /// Wait for it, up to the server's `lock_timeout`.
    Wait,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Locked; each with the number of its newest message.
    pub(crate) threads: HashMap<ThreadId, (Thread, u64)>,
    /// By the canonical text of their key; not locked.
    pub(crate) by_key: HashMap<String, Thread>,
    pub(crate) members: HashMap<(ThreadId, UserId), Member>,
    pub(crate) messages: HashMap<MessageId, Message>,
    pub(crate) keyed: HashMap<(ThreadId, UserId, ClientKey), MessageId>,
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

/// Locks what the jobs write, in the transaction that the connection is in. Answers what it locked, and which threads
/// it left out because somebody else has them; their jobs must not be run.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    jobs: impl Iterator<Item = &Request>,
    locked: Locked,
) -> Result<(Loaded, HashSet<ThreadId>), LoadError> {
    let mut wanted: BTreeSet<Uuid> = BTreeSet::new();
    // In the same order everywhere, like the threads.
    let mut keys: BTreeMap<String, Vec<ThreadId>> = BTreeMap::new();
    let mut skipped = HashSet::new();
    for job in jobs {
        wanted.insert(*job.thread().as_uuid());
        let Request::Create(new) = job else { continue };
        let Some(key) = &new.key else { continue };
        keys.entry(key.to_string()).or_default().push(new.id);
    }
    let mut loaded = Loaded::default();
    let wanted: Vec<Uuid> = wanted.into_iter().collect();
    let sql = if locked == Locked::Skip { LOCK } else { LOCK_WAITING };
    let rows: Vec<ThreadRow> = sqlx::query_as(sql).bind(&wanted).fetch_all(&mut *connection).await?;
    for row in rows {
        let thread = row.thread()?;
        loaded.threads.insert(thread.id, (thread, u64::try_from(row.last_number).unwrap_or_default()));
    }
    let absent: Vec<Uuid> =
        wanted.into_iter().filter(|id| !loaded.threads.contains_key(&ThreadId::from_uuid(*id))).collect();
    if !absent.is_empty() {
        // One that came into being since is nobody's to decide about without its lock.
        let there: Vec<Uuid> = sqlx::query_scalar(EXISTING).bind(absent).fetch_all(&mut *connection).await?;
        skipped.extend(there.into_iter().map(ThreadId::from_uuid));
    }
    if !keys.is_empty() {
        let texts: Vec<String> = keys.keys().cloned().collect();
        let sql = if locked == Locked::Skip { LOCK_KEYS } else { LOCK_KEYS_WAITING };
        let got: HashSet<String> =
            sqlx::query_scalar(sql).bind(&texts).fetch_all(&mut *connection).await?.into_iter().collect();
        skipped
            .extend(keys.into_iter().filter(|(key, _)| !got.contains(key)).flat_map(|(_, threads)| threads));
        let rows: Vec<ThreadRow> =
            sqlx::query_as(THREADS_BY_KEY).bind(&texts).fetch_all(&mut *connection).await?;
        for row in rows {
            let thread = row.thread()?;
            loaded.by_key.extend(row.key.map(|key| (key, thread)));
        }
    }
    Ok((loaded, skipped))
}

#[derive(Debug, Default)]
struct Wanted<'a> {
    members: (Vec<Uuid>, Vec<&'a str>),
    keyed: (Vec<Uuid>, Vec<&'a str>, Vec<&'a str>),
    messages: Vec<Uuid>,
}

impl<'a> Wanted<'a> {
    fn of(jobs: impl Iterator<Item = &'a Request>) -> Self {
        let mut wanted = Self::default();
        let mut members: HashSet<(Uuid, &str)> = HashSet::new();
        for job in jobs {
            let Request::Decide { scope, .. } = job else { continue };
            let thread = *scope.thread.as_uuid();
            members.extend(scope.members.iter().map(|user| (thread, user.as_str())));
            if let Some((sender, key)) = &scope.client_key {
                wanted.keyed.0.push(thread);
                wanted.keyed.1.push(sender.as_str());
                wanted.keyed.2.push(key.as_str());
            }
            wanted.messages.extend(scope.messages.iter().map(|id| *id.as_uuid()));
        }
        wanted.members = members.into_iter().unzip();
        wanted
    }
}

/// Loads what the jobs' scopes name, in a statement after the one that locked their threads.
pub(crate) async fn load(
    connection: &mut PgConnection,
    jobs: impl Iterator<Item = &Request>,
    loaded: &mut Loaded,
) -> Result<(), LoadError> {
    let Wanted { members, keyed, messages } = Wanted::of(jobs);
    if !members.0.is_empty() {
        let query = sqlx::query_as::<_, MemberRow>(MEMBERS).bind(members.0).bind(members.1);
        for row in query.fetch_all(&mut *connection).await? {
            let member = row.member()?;
            loaded.members.insert((member.thread, member.user.clone()), member);
        }
    }
    if !keyed.0.is_empty() || !messages.is_empty() {
        let query = sqlx::query_as::<_, MessageRow>(MESSAGES);
        let query = query.bind(keyed.0).bind(keyed.1).bind(keyed.2).bind(messages);
        for row in query.fetch_all(&mut *connection).await? {
            let message = row.message()?;
            if let (Some(user), Some(key)) = (message.author.user(), &message.client_key) {
                loaded.keyed.insert((message.thread, user.clone(), key.clone()), message.id);
            }
            loaded.messages.insert(message.id, message);
        }
    }
    Ok(())
}
