//! Adding and reading summaries.

use super::{Messaging, ReadError};
use crate::change::Change;
use crate::decision::{Decided, Decision, transact};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{SummaryId, ThreadId};
use crate::message::Origin;
use crate::page::{MessagePage, PageEnd, PageLimit};
use crate::ports::{Budget, TooMany};
use crate::seq::Seq;
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::summary::{Summary, SummaryContent};
use crate::time::Timestamp;
use crate::user::Actor;

/// A summary to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddSummary {
    /// Of which thread.
    pub thread: ThreadId,
    /// What it says.
    pub content: SummaryContent,
}

/// Asks for the summaries of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSummaries {
    /// Of which thread.
    pub thread: ThreadId,
    /// How many.
    pub limit: PageLimit,
}

/// Why a summary was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SummaryError {
    /// No such thread.
    #[error("no such thread")]
    UnknownThread,
    /// The caller takes no part in it.
    #[error("the caller is not a member of the thread")]
    NotAMember,
    /// A point cites a message that is not there, or that the caller may not see.
    #[error("a point cites message {0}, which the caller cannot see")]
    UnknownCite(u64),
    /// The author has written too much in too short a time.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for SummaryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownThread => ErrorKind::NotFound,
            Self::NotAMember => ErrorKind::Forbidden,
            Self::UnknownCite(_) => ErrorKind::Invalid,
            Self::TooMany(_) => ErrorKind::LimitExceeded,
            Self::Store(error) => error.kind(),
            Self::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread => "thread-not-found",
            Self::NotAMember => "not-a-member",
            Self::UnknownCite(_) => "cite-not-found",
            Self::TooMany(_) => "rate-limited",
            Self::Store(error) => error.code(),
            Self::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Adds a summary to a thread that the caller takes part in.
    ///
    /// # Errors
    /// [`SummaryError`].
    pub async fn add_summary(&self, actor: &Actor, add: AddSummary) -> Result<Summary, SummaryError> {
        self.deps().limiter.take(Budget::Sends(&actor.user))?;
        let at = self.deps().clock.now();
        let id = SummaryId::from_uuid(self.deps().ids.uuid_v7(at));
        let decision = Add { actor: actor.clone(), id, request: add, at };
        transact(self.deps().threads.as_ref(), decision).await?
    }

    /// The newest summaries of a thread that the caller takes part in, newest first. A summary that was added before
    /// the first message that they see is about nothing that they may know, and is left out.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list_summaries(
        &self,
        actor: &Actor,
        list: ListSummaries,
    ) -> Result<Vec<Summary>, ReadError> {
        let (_, member, _) = self.seen_by(actor, list.thread).await?;
        let mut found = self.deps().summaries.summaries(list.thread, list.limit).await?;
        if member.visible_from > Seq::ZERO && !found.is_empty() {
            let first = MessagePage {
                after: member.visible_from,
                before: None,
                from: PageEnd::Oldest,
                limit: PageLimit::clamped(1),
            };
            let first = self.deps().messages.page(list.thread, &first).await?.pop();
            found.retain(|summary| first.as_ref().is_some_and(|first| summary.modseq > first.modseq));
        }
        Ok(found)
    }
}

#[derive(Debug)]
struct Add {
    actor: Actor,
    id: SummaryId,
    request: AddSummary,
    at: Timestamp,
}

impl Decision for Add {
    type Output = Summary;
    type Rejection = SummaryError;

    fn scope(&self) -> Scope {
        Scope::thread(self.request.thread).member(self.actor.user.clone())
    }

    fn origin(&self) -> Origin {
        self.actor.origin
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<Summary>, SummaryError> {
        let thread =
            found.thread().filter(|thread| self.actor.reaches(thread)).ok_or(SummaryError::UnknownThread)?;
        let member = found
            .member(&self.actor.user)?
            .filter(|member| member.takes_part())
            .ok_or(SummaryError::NotAMember)?;
        let content = &self.request.content;
        let cited = content.key_points().iter().chain(content.action_items()).flat_map(|point| &point.cites);
        if let Some(unknown) = cited.copied().find(|seq| !member.sees(*seq) || *seq > thread.last_seq) {
            return Err(SummaryError::UnknownCite(unknown.get()));
        }
        let summary = Summary {
            id: self.id,
            thread: thread.id,
            author: self.actor.user.clone(),
            content: content.clone(),
            modseq: thread.modseq.next(),
            created_at: self.at,
        };
        Ok(Decided { changes: vec![Change::AddSummary(summary.clone())], output: summary })
    }
}
