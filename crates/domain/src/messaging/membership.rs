//! Who is in a thread, as the host decides it.

use super::{HostError, Messaging, SYSTEM_ORIGIN};
use crate::change::Change;
use crate::decision::{Decided, Decision, transact};
use crate::error::StoreError;
use crate::id::{Role, ThreadId, UserId};
use crate::member::{Member, Standing};
use crate::message::Origin;
use crate::seq::Seq;
use crate::snapshot::{Scope, Snapshot};
use crate::thread::{MEMBERS_MAX, Thread};
use crate::time::Timestamp;

/// Puts a user into a thread: one who was never in it, or one who left, hid it or was removed.
///
/// Repeating it changes nothing, so a request may be retried: of a user who is in the thread, only the role changes,
/// and a hidden thread comes back into their list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutMember {
    /// The thread.
    pub thread: ThreadId,
    /// The user.
    pub user: UserId,
    /// Their role in it. `None` keeps the role that they had; a user who was never in the thread needs one.
    pub role: Option<Role>,
    /// Where their view of the thread begins when they come in.
    pub visible_from: ViewStart,
}

/// Where a member's view of a thread begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ViewStart {
    /// With the next message. What was written before, also while they were in the thread earlier, is not visible.
    #[default]
    Now,
    /// With the first message of the thread.
    Beginning,
}

/// A member as [`PutMember`] left them.
#[derive(Debug, Clone)]
pub struct MemberPut {
    /// The thread.
    pub thread: Box<Thread>,
    /// The member.
    pub member: Box<Member>,
    /// Whether they were never in the thread before.
    pub added: bool,
}

impl Messaging {
    pub(super) async fn put_member(&self, put: PutMember) -> Result<MemberPut, HostError> {
        let id = put.thread;
        let decision = Put { put, at: self.deps().clock.now() };
        let (member, added) = transact(self.deps().threads.as_ref(), decision).await??;
        let gone = || StoreError::Internal("a thread with a member is gone".into());
        let thread = self.deps().threads.thread(id).await?.ok_or_else(gone)?;
        Ok(MemberPut { thread: Box::new(thread), member: Box::new(member), added })
    }

    pub(super) async fn remove_member(&self, thread: ThreadId, user: UserId) -> Result<(), HostError> {
        transact(self.deps().threads.as_ref(), Remove { thread, user }).await?
    }
}

#[derive(Debug)]
struct Put {
    put: PutMember,
    at: Timestamp,
}

impl Put {
    /// A member who was never in the thread.
    fn joining(&self, thread: &Thread) -> Result<Member, HostError> {
        let role = self.put.role.clone().ok_or(HostError::RoleRequired)?;
        // Founders are those who joined at the moment of creation; a later member is not one of them.
        let at = self.at.max(thread.created_at.plus_millis(1));
        Ok(Member::joining(thread.id, self.put.user.clone(), role, at))
    }
}

impl Decision for Put {
    type Output = (Member, bool);
    type Rejection = HostError;

    fn scope(&self) -> Scope {
        Scope::thread(self.put.thread).member(self.put.user.clone())
    }

    fn origin(&self) -> Origin {
        SYSTEM_ORIGIN
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<Self::Output>, HostError> {
        let thread = found.thread().ok_or(HostError::UnknownThread)?;
        let known = found.member(&self.put.user)?;
        let was = known.map_or_else(|| self.joining(thread), |member| Ok(member.clone()))?;
        let is_in = known.is_some_and(Member::takes_part);
        if !is_in && usize::try_from(thread.member_count).is_ok_and(|count| count >= MEMBERS_MAX) {
            return Err(HostError::ThreadFull);
        }
        let mut member = Member { standing: Standing::Active, ..was };
        if let Some(role) = &self.put.role {
            member.role = role.clone();
        }
        if !is_in {
            member.visible_from = match self.put.visible_from {
                ViewStart::Now => thread.last_seq,
                ViewStart::Beginning => Seq::ZERO,
            };
        }
        if known == Some(&member) {
            return Ok(Decided { changes: Vec::new(), output: (member, false) });
        }
        member.modseq = thread.modseq.next();
        let output = (member.clone(), known.is_none());
        Ok(Decided { changes: vec![Change::PutMember(member)], output })
    }
}

/// Takes a user out of a thread. They cannot come back by themselves; only [`PutMember`] brings them back.
#[derive(Debug)]
struct Remove {
    thread: ThreadId,
    user: UserId,
}

impl Decision for Remove {
    type Output = ();
    type Rejection = HostError;

    fn scope(&self) -> Scope {
        Scope::thread(self.thread).member(self.user.clone())
    }

    fn origin(&self) -> Origin {
        SYSTEM_ORIGIN
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, HostError> {
        let thread = found.thread().ok_or(HostError::UnknownThread)?;
        let member = found.member(&self.user)?.ok_or(HostError::UnknownMember)?;
        let changes = if member.standing == Standing::Removed {
            Vec::new()
        } else {
            let standing = Standing::Removed;
            vec![Change::PutMember(Member { standing, modseq: thread.modseq.next(), ..member.clone() })]
        };
        Ok(Decided { changes, output: () })
    }
}
