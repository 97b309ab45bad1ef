//! Threads about one business object: the caller's own, and what is unread in them.

use super::{Messaging, ReadError, ThreadView, view};
use crate::context::ContextRef;
use crate::error::StoreError;
use crate::id::UserId;
use crate::member::{Member, Standing};
use crate::page::About;
use crate::thread::{Thread, ThreadKey};
use crate::user::Actor;

/// Asks for the caller's thread about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindThread {
    /// The object.
    pub context: ContextRef,
    /// Only a thread in which all of these take part.
    pub with: Vec<UserId>,
}

/// A thread, the caller's membership in it and everyone's.
type Found = (Thread, Member, Vec<Member>);

impl Messaging {
    /// The caller's thread about an object: that of a pair when the caller and one other are named, and otherwise the
    /// one with the latest activity. A thread that the caller has hidden is not found.
    ///
    /// # Errors
    /// [`ReadError`]; none is `None`.
    pub async fn find_thread(
        &self,
        actor: &Actor,
        find: FindThread,
    ) -> Result<Option<ThreadView>, ReadError> {
        let Some(members_max) = actor.members_max_about(&find.context) else { return Ok(None) };
        let mut found = self.of_pair(actor, &find).await?;
        if found.is_none() {
            let threads = self.deps().threads.as_ref();
            let latest = threads.latest_about(&actor.user, &find.context, &find.with, members_max).await?;
            if let Some(thread) = latest {
                found = self.listed_with(actor, &thread, &find.with).await?;
            }
        }
        let Some((thread, member, members)) = found else { return Ok(None) };
        Ok(Some(view::thread_view(self, thread, member, members).await?))
    }

    /// How many messages are unread in the caller's threads about an object.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn unread_about(&self, actor: &Actor, context: ContextRef) -> Result<u64, ReadError> {
        let Some(members_max) = actor.members_max_about(&context) else { return Ok(0) };
        let about = About::Object(context);
        Ok(self.deps().threads.unread_of(&actor.user, Some(&about), members_max).await?)
    }

    /// The thread that the caller and the one other who is named have by their key: found at once, however many
    /// threads there are about the object.
    async fn of_pair(&self, actor: &Actor, find: &FindThread) -> Result<Option<Found>, StoreError> {
        let mut others = find.with.iter().filter(|user| **user != actor.user);
        let Some(other) = others.next() else { return Ok(None) };
        if others.any(|another| another != other) {
            return Ok(None);
        }
        let key = ThreadKey::pair(find.context.clone(), actor.user.clone(), other.clone());
        match self.deps().threads.thread_by_key(&key).await? {
            Some(thread) => self.listed_with(actor, &thread, &find.with).await,
            None => Ok(None),
        }
    }

    /// The thread as it is now, if it is one of the caller's list in which all of `with` take part.
    async fn listed_with(
        &self,
        actor: &Actor,
        thread: &Thread,
        with: &[UserId],
    ) -> Result<Option<Found>, StoreError> {
        let found = self.roster(thread.id).await?.filter(|(thread, _)| actor.reaches(thread));
        let Some((thread, members)) = found else { return Ok(None) };
        let of = |user: &UserId| members.iter().find(|member| member.user == *user);
        let own = of(&actor.user).filter(|member| member.standing == Standing::Active).cloned();
        if !with.iter().all(|user| of(user).is_some_and(Member::takes_part)) {
            return Ok(None);
        }
        Ok(own.map(|own| (thread, own, members)))
    }
}
