//! Threads about one business object: the caller's own, and what is unread in them.

use super::{Messaging, ReadError, ThreadView, view};
use crate::context::ContextRef;
use crate::id::UserId;
use crate::page::{About, PageLimit, ThreadPage};
use crate::user::Actor;

/// Asks for the caller's thread about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindThread {
    /// The object.
    pub context: ContextRef,
    /// Only a thread in which all of these take part.
    pub with: Vec<UserId>,
}

impl Messaging {
    /// The caller's thread about an object, the one with the latest activity if there are several.
    ///
    /// # Errors
    /// [`ReadError`]; none is `None`.
    pub async fn find_thread(
        &self,
        actor: &Actor,
        find: FindThread,
    ) -> Result<Option<ThreadView>, ReadError> {
        let entries = self.about(actor, find.context).await?;
        let found = entries.into_iter().find(|entry| {
            let takes_part = |user: &UserId| {
                entry.members.iter().any(|member| member.user == *user && member.takes_part())
            };
            find.with.iter().all(takes_part)
        });
        let Some(entry) = found else { return Ok(None) };
        Ok(Some(view::thread_view(self, entry.thread, entry.member, entry.members).await?))
    }

    /// How many messages are unread in the caller's threads about an object.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn unread_about(&self, actor: &Actor, context: ContextRef) -> Result<u64, ReadError> {
        Ok(self.about(actor, context).await?.iter().map(|entry| entry.unread).sum())
    }

    async fn about(
        &self,
        actor: &Actor,
        context: ContextRef,
    ) -> Result<Vec<crate::page::ThreadEntry>, ReadError> {
        // Nobody looks at the last messages.
        let limit = PageLimit::MAX.with_text_bytes(0);
        let page = ThreadPage { about: Some(About::Object(context)), below: None, skip: 0, limit };
        let mut entries = self.deps().threads.threads_of(&actor.user, &page).await?;
        entries.retain(|entry| actor.reaches(&entry.thread));
        Ok(entries)
    }
}
