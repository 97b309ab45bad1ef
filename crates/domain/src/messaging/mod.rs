//! The use cases: what a transport or an embedder asks for.

mod find_thread;
mod host;
mod import;
mod list_threads;
mod mark_read;
mod membership;
mod notices;
mod open_thread;
mod page_messages;
mod reading_on;
mod send;
mod summaries;
mod view;

use std::sync::Arc;

pub use find_thread::FindThread;
pub use host::{HostCommand, HostError, HostOpenThread, HostOutcome, Unique};
pub use import::{ImportError, ImportMember, ImportMessage, ImportProblem, ImportThread, Imported};
pub use list_threads::{ListThreads, ReadError};
pub use mark_read::{Mark, MarkError, MarkRead, MarkTarget, Marked, OwnMessage};
pub use membership::{MemberPut, PutMember, ViewStart};
pub use notices::Round;
pub use open_thread::{Founders, OpenError, OpenThread, Opened};
pub use page_messages::{Before, PageMessages};
pub use reading_on::{Extent, MessagesRest, Rest, ThreadsRest, ThreadsView};
pub use send::{Send, SendError, SendMessage, Sent};
pub use summaries::{AddSummary, ListSummaries, SummaryError};
pub use view::{Listed, MessageView, MessagesView, ThreadView};

use crate::context::{Context, ContextRef};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{SessionId, ThreadId, UserId};
use crate::member::Member;
use crate::message::Origin;
use crate::policy::SenderRoles;
use crate::ports::{
    ChangeFeed, Clock, Directory, IdSource, JobRepository, Limiter, MessageRepository, Policy,
    SummaryRepository, ThreadRepository, Unlimited,
};
use crate::profiles::Profiles;
use crate::seq::Modseq;
use crate::summary::Summary;
use crate::thread::Thread;
use crate::time::Timestamp;
use crate::user::{Actor, Identity, Subject, User, Within};

/// What [`Messaging`] works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Threads and members.
    pub threads: Arc<dyn ThreadRepository>,
    /// Messages.
    pub messages: Arc<dyn MessageRepository>,
    /// Summaries.
    pub summaries: Arc<dyn SummaryRepository>,
    /// Jobs.
    pub jobs: Arc<dyn JobRepository>,
    /// The log of changes.
    pub feed: Arc<dyn ChangeFeed>,
    /// Users and business objects.
    pub directory: Arc<dyn Directory>,
    /// Who may do what beyond membership.
    pub policy: Arc<dyn Policy>,
    /// How often.
    pub limiter: Arc<dyn Limiter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
    /// What an operator may choose.
    pub settings: Settings,
}

impl Deps {
    /// One store for everything, and otherwise the least: every role may write, without limits, without notices,
    /// in open mode. Set the fields to have it otherwise.
    #[must_use]
    pub fn on<S>(store: S, clock: impl Clock + 'static, ids: impl IdSource + 'static) -> Self
    where
        S: ThreadRepository
            + MessageRepository
            + SummaryRepository
            + JobRepository
            + ChangeFeed
            + Directory
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            threads: Arc::<S>::clone(&store),
            messages: Arc::<S>::clone(&store),
            summaries: Arc::<S>::clone(&store),
            jobs: Arc::<S>::clone(&store),
            feed: Arc::<S>::clone(&store),
            directory: store,
            policy: Arc::new(SenderRoles::default()),
            limiter: Arc::new(Unlimited),
            clock: Arc::new(clock),
            ids: Arc::new(ids),
            settings: Settings::default(),
        }
    }
}

/// What an operator may choose about the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Whether only objects that the host has told about, and users whom it has told about or who came with a token
    /// that holds, may have threads. Otherwise the ids of a caller's own are taken as they come.
    pub strict: bool,
    /// After how many milliseconds those who are away are told of unread messages; never when `None`.
    pub notice_after_ms: Option<i64>,
}

impl Settings {
    /// With only what the host has told about.
    #[must_use]
    pub const fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// With notices after so many milliseconds.
    #[must_use]
    pub const fn notice_after_ms(mut self, millis: Option<i64>) -> Self {
        self.notice_after_ms = millis;
        self
    }
}

/// Through what the host's own changes come.
const SYSTEM_ORIGIN: Origin = Origin::Request;

/// Something a user asks for, in domain words. Dialects decode their requests and events to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Open a thread, or find the one that is there.
    OpenThread(OpenThread),
    /// Write a message.
    Send(SendMessage),
    /// Move the own read marker.
    MarkRead(MarkRead),
    /// List the own threads.
    ListThreads(ListThreads),
    /// Look at one thread.
    ViewThread(ThreadId),
    /// Read messages of a thread.
    PageMessages(PageMessages),
    /// Find the own thread about an object.
    FindThread(FindThread),
    /// Count what is unread in the own threads about an object.
    UnreadAbout(ContextRef),
    /// Add a summary to a thread.
    AddSummary(AddSummary),
    /// List the summaries of a thread.
    ListSummaries(ListSummaries),
}

/// What a [`Command`] came to, with every view that an answer may show.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// The thread, and whether it is new.
    Opened(Box<Opened>),
    /// The message, and whether it had been sent before.
    Sent(Sent),
    /// Where the marker is now, and whether it moved.
    Marked(Marked),
    /// The page of threads, or its first piece.
    Threads(ThreadsView),
    /// The thread.
    Thread(Box<ThreadView>),
    /// The page of messages, or its first piece.
    Messages(MessagesView),
    /// The thread that was found, if any.
    Found(Option<Box<ThreadView>>),
    /// How many messages are unread.
    Unread(u64),
    /// The summary that was added.
    SummaryAdded(Summary),
    /// The summaries, newest first.
    Summaries(Vec<Summary>),
}

/// Why a [`Command`] was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Opening a thread failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Sending failed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Marking failed.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Adding a summary failed.
    #[error(transparent)]
    Summary(#[from] SummaryError),
}

impl CommandError {
    /// The error of the use case, to be classified.
    #[must_use]
    pub fn classified(&self) -> &dyn Classify {
        match self {
            Self::Open(error) => error,
            Self::Send(error) => error,
            Self::Mark(error) => error,
            Self::Read(error) => error,
            Self::Summary(error) => error,
        }
    }
}

impl Classify for CommandError {
    fn kind(&self) -> ErrorKind {
        self.classified().kind()
    }

    fn code(&self) -> &'static str {
        self.classified().code()
    }

    fn retryable(&self) -> bool {
        self.classified().retryable()
    }
}

/// The messaging service: one concrete type, cheap to clone, that transports and embedders hold.
#[derive(Debug, Clone)]
pub struct Messaging(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    deps: Deps,
    profiles: Profiles,
}

impl Messaging {
    /// A service over these adapters.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        let profiles = Profiles::new(Arc::clone(&deps.directory), Arc::clone(&deps.clock));
        Self(Arc::new(Inner { deps, profiles }))
    }

    fn deps(&self) -> &Deps {
        &self.0.deps
    }

    /// Now, by the injected clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.deps().clock.now()
    }

    /// How often something may be done, for the transports to ask.
    #[must_use]
    pub fn limiter(&self) -> &dyn Limiter {
        self.deps().limiter.as_ref()
    }

    /// Carries out a command for `actor`.
    ///
    /// # Errors
    /// [`CommandError`] of the use case.
    ///
    /// # Concurrency
    /// Any number of calls at once. A dropped future may leave a write done; with a client key, the same call again
    /// settles it.
    pub async fn execute(&self, actor: &Actor, command: Command) -> Result<Outcome, CommandError> {
        Ok(match command {
            Command::OpenThread(open) => Outcome::Opened(Box::new(self.open_thread(actor, open).await?)),
            Command::Send(send) => Outcome::Sent(self.send(actor, send).await?),
            Command::MarkRead(mark) => Outcome::Marked(self.mark_read(actor, mark).await?),
            Command::ListThreads(list) => Outcome::Threads(self.list_threads(actor, list).await?),
            Command::ViewThread(thread) => Outcome::Thread(Box::new(self.view_thread(actor, thread).await?)),
            Command::PageMessages(page) => Outcome::Messages(self.page_messages(actor, page).await?),
            Command::FindThread(find) => Outcome::Found(self.find_thread(actor, find).await?.map(Box::new)),
            Command::UnreadAbout(context) => Outcome::Unread(self.unread_about(actor, context).await?),
            Command::AddSummary(add) => Outcome::SummaryAdded(self.add_summary(actor, add).await?),
            Command::ListSummaries(list) => Outcome::Summaries(self.list_summaries(actor, list).await?),
        })
    }

    /// What others see of these users, in the order asked; an unknown one shows their id. Remembered for a while.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn profiles(&self, users: &[UserId]) -> Result<Vec<Arc<User>>, StoreError> {
        self.0.profiles.of(users).await
    }

    /// What others see of a user, if that is known without asking the directory: for whoever must not wait. Who has
    /// just acted is known.
    #[must_use]
    pub fn remembered(&self, user: &UserId) -> Option<Arc<User>> {
        self.0.profiles.remembered(user)
    }

    /// Takes in what a verified token says of its own user, where the host has not said it already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sighted(&self, user: User) -> Result<Arc<User>, StoreError> {
        self.0.profiles.sighted(user).await
    }

    /// Who acts by a verified token: the role is the token's, or else the one that the directory knows. Takes in what
    /// the token says of its user, as [`sighted`](Self::sighted).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_of(
        &self,
        identity: &Identity,
        origin: Origin,
        within: Option<Within>,
    ) -> Result<(Actor, Arc<User>), StoreError> {
        let user = self.sighted(identity.user.clone()).await?;
        let role = identity.user.role.clone().or_else(|| user.role.clone());
        Ok((Actor { within, ..Actor::new(user.id.clone(), role, origin) }, user))
    }

    /// Takes in what the host says of a user.
    async fn tell_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<Arc<User>, StoreError> {
        self.0.profiles.told(user, subjects).await
    }

    /// An id for a session that begins now.
    #[must_use]
    pub fn new_session_id(&self) -> SessionId {
        SessionId::from_uuid(self.deps().ids.uuid_v7(self.deps().clock.now()))
    }

    /// A thread and everyone who takes or took part in it, at one moment. For live delivery; not an answer to a user.
    ///
    /// # Errors
    /// [`StoreError`]; no such thread is `None`.
    pub async fn roster(&self, thread: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.deps().threads.members(thread).await
    }

    /// What changed in a thread after a point. For live delivery; see [`ChangeFeed::changes_of`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<crate::change::Commit>, StoreError> {
        self.deps().feed.changes_of(thread, after, limit).await
    }

    /// What the host told about a business object, if anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn context(&self, of: &ContextRef) -> Result<Option<Context>, StoreError> {
        Ok(self.deps().directory.contexts(std::slice::from_ref(of)).await?.pop())
    }
}
