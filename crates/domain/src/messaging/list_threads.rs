//! Looking at threads: a page of one's own, or one of them.

use super::Messaging;
use super::reading_on::{LIST_TEXT_BYTES, ThreadsRest, ThreadsView};
use super::view::{self, ThreadView};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::ThreadId;
use crate::member::Member;
use crate::page::ThreadPage;
use crate::thread::Thread;
use crate::user::Actor;

/// Asks for a page of the caller's threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListThreads {
    /// Which page.
    pub page: ThreadPage,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such thread.
    #[error("no such thread")]
    UnknownThread,
    /// The caller takes no part in it.
    #[error("the caller is not a member of the thread")]
    NotAMember,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ReadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownThread => ErrorKind::NotFound,
            Self::NotAMember => ErrorKind::Forbidden,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread => "thread-not-found",
            Self::NotAMember => "not-a-member",
            Self::Store(error) => error.code(),
        }
    }
}

impl Messaging {
    /// A page of the caller's threads, by latest activity first, as it is at one moment; what the host said of their
    /// contexts is as it is when their piece is read.
    ///
    /// Of a long page, and of one with long last messages, this is the first piece; the view's `rest` leads to the
    /// others. So a list of large messages is never in memory as a whole.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list_threads(&self, actor: &Actor, list: ListThreads) -> Result<ThreadsView, ReadError> {
        let page = ThreadPage { limit: list.page.limit.with_text_bytes(LIST_TEXT_BYTES), ..list.page };
        let mut entries = self.deps().threads.threads_of(&actor.user, &page).await?;
        entries.retain(|entry| actor.reaches(&entry.thread));
        self.more_threads(actor, ThreadsRest(entries.into())).await
    }

    /// One thread that the caller takes part in.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn view_thread(&self, actor: &Actor, id: ThreadId) -> Result<ThreadView, ReadError> {
        let (thread, member, members) = self.seen_by(actor, id).await?;
        Ok(view::thread_view(self, thread, member, members).await?)
    }

    /// The thread, the caller's membership in it and everyone's, if the caller takes part.
    pub(super) async fn seen_by(
        &self,
        actor: &Actor,
        id: ThreadId,
    ) -> Result<(Thread, Member, Vec<Member>), ReadError> {
        let found = self.roster(id).await?.filter(|(thread, _)| actor.reaches(thread));
        let (thread, members) = found.ok_or(ReadError::UnknownThread)?;
        let member = members
            .iter()
            .find(|member| member.user == actor.user && member.takes_part())
            .cloned()
            .ok_or(ReadError::NotAMember)?;
        Ok((thread, member, members))
    }
}
