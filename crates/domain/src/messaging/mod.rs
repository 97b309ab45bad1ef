//! The use cases: what a transport or an embedder asks for.

mod list_threads;
mod mark_read;
mod open_thread;
mod page_messages;
mod send;
mod view;

use std::sync::Arc;

pub use list_threads::{ListThreads, ReadError};
pub use mark_read::{Mark, MarkError, MarkRead, MarkTarget, Marked, OwnMessage};
pub use open_thread::{Founders, OpenError, OpenThread, Opened};
pub use page_messages::{Before, PageMessages};
pub use send::{Send, SendError, SendMessage, Sent};
pub use view::{Listed, MessageView, MessagesView, ThreadView};

use crate::context::Context;
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{SessionId, ThreadId, UserId};
use crate::member::Member;
use crate::ports::{ChangeFeed, Clock, Directory, IdSource, MessageRepository, Policy, ThreadRepository};
use crate::profiles::Profiles;
use crate::seq::Modseq;
use crate::thread::Thread;
use crate::user::{Actor, User};

/// What [`Messaging`] works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Threads and members.
    pub threads: Arc<dyn ThreadRepository>,
    /// Messages.
    pub messages: Arc<dyn MessageRepository>,
    /// The log of changes.
    pub feed: Arc<dyn ChangeFeed>,
    /// Users and business objects.
    pub directory: Arc<dyn Directory>,
    /// Who may do what beyond membership.
    pub policy: Arc<dyn Policy>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
}

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
    /// The page of threads.
    Threads(Vec<ThreadView>),
    /// The thread.
    Thread(Box<ThreadView>),
    /// The page of messages.
    Messages(MessagesView),
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
        })
    }

    /// What others see of these users, in the order asked; an unknown one shows their id. Remembered for a while.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn profiles(&self, users: &[UserId]) -> Result<Vec<Arc<User>>, StoreError> {
        self.0.profiles.of(users).await
    }

    /// Takes in what a verified token says of its own user, where the host has not said it already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sighted(&self, user: User) -> Result<Arc<User>, StoreError> {
        self.0.profiles.sighted(user).await
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
    pub async fn context(&self, of: &crate::context::ContextRef) -> Result<Option<Context>, StoreError> {
        Ok(self.deps().directory.contexts(std::slice::from_ref(of)).await?.pop())
    }
}
