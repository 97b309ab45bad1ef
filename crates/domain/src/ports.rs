//! Every port: what an adapter's author must read.
//!
//! All are object-safe and speak domain words. A store is right when it passes the contract suite of the testkit.
//! Every read sees at least all that was acknowledged before the read began (an ack means visible).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

pub use crate::budget::{Budget, TooMany};
use crate::change::Commit;
use crate::context::{Context, ContextRef};
use crate::decision::AnyDecision;
use crate::error::{Classify, StoreError};
use crate::id::{MessageId, ThreadId, UserId};
use crate::job::{ClaimedJob, Notice, Waiting, Work};
use crate::member::Member;
use crate::message::Message;
use crate::page::{About, MessagePage, PageLimit, ThreadEntry, ThreadPage};
use crate::seq::{Modseq, Seq};
use crate::summary::Summary;
use crate::thread::{NewThread, Thread, ThreadKey};
use crate::time::Timestamp;
use crate::user::{Actor, Identity, Subject, User};

/// Threads and their members, and the one door for changes.
#[async_trait]
pub trait ThreadRepository: Send + Sync + fmt::Debug {
    /// Loads the decision's scope under the thread's lock, runs it, stores its changes atomically and durably, hands
    /// the [`Commit`] to the [`Notifier`], and only then answers. The decision keeps its own answer.
    ///
    /// A thread that does not exist is not an error: the decision sees none and refuses.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was stored, except perhaps with [`StoreError::Unknown`].
    ///
    /// # Concurrency
    /// Decisions on one thread run one after the other, each seeing all before it, in the order in which their futures
    /// were first polled, as far as one store is asked by one process. A store may run many decisions in
    /// one transaction; rows and answers are then the same as one by one. Dropping the future may leave the decision
    /// running; it is then stored and heard, or not at all.
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError>;

    /// Creates a thread with its founders unless its key exists; answers the thread, and whether it was created.
    ///
    /// A created thread starts at modseq 1 per founder, in order, and is told to the [`Notifier`] as one [`Commit`]
    /// of `PutMember` changes.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was created.
    ///
    /// # Concurrency
    /// Of any number of simultaneous calls with one key, exactly one creates.
    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError>;

    /// The thread with this id.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`.
    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError>;

    /// The thread with this key.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`.
    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError>;

    /// Every member the thread ever had, with their standing, in the order they came in; at one moment together
    /// with the thread. `None` when there is no such thread.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError>;

    /// A page of the threads that `user` takes part in and has not hidden, by latest activity first, ties by thread
    /// id downwards; each with what a list shows. Its cost does not grow with the messages in them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError>;

    /// How many messages are unread for `user`: the sum of [`unread`](crate::member::unread) over all threads that they
    /// take part in and have not hidden, as far as these are about `about` and have at most `members_max` members taking
    /// part. At one moment; however many threads these are, none is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError>;

    /// Of the threads about an object, the one with the latest activity, ties by thread id downwards, that `user` takes
    /// part in and has not hidden, in which all of `with` take part, and which has at most `members_max` members taking
    /// part.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`.
    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError>;
}

/// Messages, to be read. They are written through [`ThreadRepository::transact`] alone.
#[async_trait]
pub trait MessageRepository: Send + Sync + fmt::Debug {
    /// The messages of a page, always by seq upwards, tombstones included.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown thread has no messages.
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError>;

    /// The message with this id.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`.
    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError>;

    /// The seq of the newest message of the thread written before `at`; 0 when there is none. The times of a thread's
    /// messages rise strictly with their seq, so a store may search by halves.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError>;
}

/// Summaries, to be read. They are added through [`ThreadRepository::transact`] alone.
#[async_trait]
pub trait SummaryRepository: Send + Sync + fmt::Debug {
    /// The newest summaries of a thread, newest first.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown thread has none.
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError>;
}

/// Jobs, to be worked off. They are stored through [`ThreadRepository::transact`] alone, with the changes that cause
/// them.
#[async_trait]
pub trait JobRepository: Send + Sync + fmt::Debug {
    /// Takes up to `limit` jobs that are due at `now` and that nobody holds, and holds them until `lease_until`. A runner
    /// that dies leaves them to others then. Windows that end ([`Work::NotifyUnread`]) come before all that
    /// [is repeated](Work::is_repeated); of each sort the earliest comes first, between equals the smaller id.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Concurrency
    /// No two callers hold the same job at once.
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError>;

    /// Forgets a job that is done. Nothing happens when somebody else has claimed it since, or when it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError>;

    /// Gives a job back, to be done again at `at` with what is left of its `work`, which is of the same kind and about the
    /// same messages. Nothing happens when somebody else has claimed it since, or when it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError>;

    /// When the earliest job is due that nobody holds, or comes back from its holder; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// Brings notices to people who are away: mail, push, a webhook.
#[async_trait]
pub trait NoticeDelivery: Send + Sync + fmt::Debug {
    /// Delivers one notice. It may come twice after a crash; the job and the user name it. It must end, well or not,
    /// within seconds: a runner holds its job for a minute.
    ///
    /// # Errors
    /// [`DeliveryError`]; it is tried again later.
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError>;
}

/// Why a notice was not delivered. The text is for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the notice was not delivered: {0}")]
pub struct DeliveryError(pub String);

/// Who is here. Notices to them wait until they have read or are gone.
pub trait Attendance: Send + Sync + fmt::Debug {
    /// Whether the user has a live session, or had one a moment ago.
    fn is_here(&self, user: &UserId) -> bool;

    /// Remembers a notice that waits for a user who was here just now, until [`gone`](Self::gone) returns it. For a user and
    /// thread the last one counts. It may be forgotten, as it is here: the job behind the notice looks again anyway.
    fn waits(&self, _waiting: Waiting) {}

    /// Takes up to `limit` of the notices that waited for users who are not here any more.
    fn gone(&self, _limit: usize) -> Vec<Waiting> {
        Vec::new()
    }
}

/// The log of durable changes, as current rows above a mark; intermediate states collapse.
#[async_trait]
pub trait ChangeFeed: Send + Sync + fmt::Debug {
    /// What changed in a thread after `after`, as one [`Commit`] whose changes are in modseq order, at one moment.
    /// `None` when there is no such thread, or when more than `limit` rows changed: never a partial answer.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError>;
}

/// Users and business objects, as the host told about them.
#[async_trait]
pub trait Directory: Send + Sync + fmt::Debug {
    /// What is known of these users, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError>;

    /// The user to whom the host has tied this subject of an issuer: a Firebase uid is not the user's id.
    ///
    /// # Errors
    /// [`StoreError`]; nobody is `None`.
    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError>;

    /// Keeps what is known about a user, unless what is kept already stands above it: see [`User::supersedes`]. Gives
    /// what is kept then, with the number that the user has, which never changes. `subjects`, if given, replaces those
    /// the user had; a subject that was somebody else's is this user's from now on. Where what is kept stands above `user`,
    /// `subjects` are not kept either.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Concurrency
    /// The rule holds between processes too: it is judged where the row is written.
    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError>;

    /// What is known of these objects, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError>;

    /// Keeps what the host told about a business object.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put_context(&self, context: Context) -> Result<(), StoreError>;
}

/// Hears what happened. The hub of live sessions is one.
pub trait Notifier: Send + Sync + fmt::Debug {
    /// A commit, once, after it is durable; commits of one thread in modseq order. Called by the store before it
    /// answers, so it must not block and must not fail: whoever cannot take it notes the gap and reads the feed.
    fn committed(&self, commit: Arc<Commit>);
}

/// Who may do what beyond membership. Pure: it is asked under a thread's lock.
pub trait Policy: Send + Sync + fmt::Debug + 'static {
    /// Whether this actor may write in this thread, being a member or not; membership is judged apart.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    fn may_send(&self, actor: &Actor, thread: &Thread) -> Result<(), Denied>;
}

/// How often something may be done. Asked on hot paths, so it must not wait.
pub trait Limiter: Send + Sync + fmt::Debug + 'static {
    /// Takes one of what is left of a budget.
    ///
    /// # Errors
    /// [`TooMany`] when nothing is left; nothing was taken then.
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany>;

    /// As [`take`](Self::take), where too little is no refusal: the caller waits, or goes on without. A limiter that
    /// counts refusals does not count this one. By default the same as `take`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn try_take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        self.take(budget)
    }

    /// Gives back one that was taken from a budget, which has turned out to be for something else. Nothing by default.
    fn give_back(&self, budget: Budget<'_>) {
        let _ = budget;
    }
}

/// No limit on anything: for tests, and for embedders who limit elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Limiter for Unlimited {
    fn take(&self, _: Budget<'_>) -> Result<(), TooMany> {
        Ok(())
    }
}

/// A policy's no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy says no: {reason}")]
pub struct Denied {
    /// Why, for people.
    pub reason: String,
}

impl Classify for Denied {
    fn kind(&self) -> crate::error::ErrorKind {
        crate::error::ErrorKind::Forbidden
    }

    fn code(&self) -> &'static str {
        "denied-by-policy"
    }
}

/// Who holds a token.
#[async_trait]
pub trait TokenVerifier: Send + Sync + fmt::Debug {
    /// Verifies a token that came in over the named dialect, and reads from its claims who it speaks for.
    ///
    /// # Errors
    /// [`TokenError`] says what does not hold, in words that may be shown to whoever presented it.
    async fn verify(&self, dialect: &str, token: &str) -> Result<Identity, TokenError>;
}

/// Why a token does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub &'static str);

/// What time it is. Read once per use case.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, in whole milliseconds.
    fn now(&self) -> Timestamp;
}

/// Where ids come from.
pub trait IdSource: Send + Sync + fmt::Debug {
    /// A new UUIDv7 (RFC 9562) of that moment with random bits of its own.
    fn uuid_v7(&self, at: Timestamp) -> Uuid;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<I: IdSource + ?Sized> IdSource for Arc<I> {
    fn uuid_v7(&self, at: Timestamp) -> Uuid {
        (**self).uuid_v7(at)
    }
}
