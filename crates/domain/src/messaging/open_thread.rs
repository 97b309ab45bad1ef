//! Opening a thread.

use super::{Messaging, ThreadView, view};
use crate::change::Change;
use crate::context::{Context, ContextRef, Party};
use crate::decision::{Decided, Decision, transact};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{Role, ThreadId, UserId};
use crate::member::{Member, Standing};
use crate::message::Origin;
use crate::ports::{Budget, TooMany};
use crate::snapshot::{NotInScope, Scope, Snapshot};
use crate::text::Subject;
use crate::thread::{NewThread, Thread, ThreadKey};
use crate::user::Actor;

/// Asks for the thread of two parties about a business object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenThread {
    /// What it is about.
    pub context: ContextRef,
    /// Between whom.
    pub founders: Founders,
    /// Its subject. The object's title when nothing is given and the title is known.
    pub subject: Option<Subject>,
}

/// Between whom a thread is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Founders {
    /// The two that the caller names; the caller must be one of them.
    Given([Party; 2]),
    /// One side that the caller names. The other side is the caller, in the role `other`; a caller who names
    /// themselves gets the object's first party in that role.
    Named {
        /// The side that is named.
        party: Party,
        /// The role of the other side.
        other: Role,
    },
    /// The caller, being a party of the object in the directory, and its first party with another role.
    OfContext,
}

impl Founders {
    /// The two sides, for this caller and what the directory says of the object.
    fn resolve(self, actor: &Actor, context: Option<&Context>) -> Result<[Party; 2], OpenError> {
        let parties = || context.map(|context| context.parties.as_slice()).ok_or(OpenError::UnknownContext);
        match self {
            Self::Given(parties) => Ok(parties),
            Self::Named { party, other } if party.user == actor.user => {
                has_role(actor, &party.role)?;
                let mut others = parties()?.iter().filter(|found| found.role == other);
                let counterpart = others.find(|found| found.user != actor.user);
                Ok([party, counterpart.cloned().ok_or(OpenError::NoCounterpart)?])
            }
            Self::Named { party, other } => Ok([party, Party { user: actor.user.clone(), role: other }]),
            Self::OfContext => two_of(actor, parties()?),
        }
    }
}

/// A token that names a role speaks for its user in that role alone.
fn has_role(actor: &Actor, role: &Role) -> Result<(), OpenError> {
    if actor.role.as_ref().is_some_and(|own| own != role) {
        return Err(OpenError::NotAParty);
    }
    Ok(())
}

/// A thread that is open.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The thread as the caller sees it.
    pub thread: ThreadView,
    /// Whether this call created it.
    pub created: bool,
}

/// Why a thread was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory knows no such object, and the call did not name the parties.
    #[error("no such business object")]
    UnknownContext,
    /// The caller is not one of the parties, or not in the role that their token gives them.
    #[error("the caller is not a party in that role")]
    NotAParty,
    /// The directory does not know this party, and only known ones are let in.
    #[error("no such user")]
    UnknownParty(Party),
    /// There is nobody to talk to.
    #[error("there is no other party")]
    NoCounterpart,
    /// The caller has opened too many threads in too short a time.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The caller was removed from the thread.
    #[error("the caller was removed from the thread")]
    Removed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for OpenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownContext | Self::UnknownParty(_) => ErrorKind::NotFound,
            Self::NotAParty | Self::Removed => ErrorKind::Forbidden,
            Self::NoCounterpart => ErrorKind::Invalid,
            Self::TooMany(_) => ErrorKind::LimitExceeded,
            Self::Store(error) => error.kind(),
            Self::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownContext => "context-not-found",
            Self::UnknownParty(_) => "user-not-found",
            Self::NotAParty => "not-a-party",
            Self::NoCounterpart => "no-counterpart",
            Self::TooMany(_) => "rate-limited",
            Self::Removed => "removed-from-thread",
            Self::Store(error) => error.code(),
            Self::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Opens the thread of two parties about an object: creates it, or finds it and brings back the caller's hidden
    /// or left membership.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_thread(&self, actor: &Actor, open: OpenThread) -> Result<Opened, OpenError> {
        self.deps().limiter.take(Budget::Opens(&actor.user))?;
        let at = self.deps().clock.now();
        let context = self.context(&open.context).await?;
        let founders = open.founders.resolve(actor, context.as_ref())?;
        let [one, other] = &founders;
        if one.user == other.user {
            return Err(OpenError::NoCounterpart);
        }
        let own = founders.iter().find(|party| party.user == actor.user).ok_or(OpenError::NotAParty)?;
        has_role(actor, &own.role)?;
        self.admitted(&founders, context.as_ref()).await?;
        let titled = || context.as_ref().and_then(|context| Subject::parse(&context.title).ok());
        let new = NewThread {
            id: ThreadId::from_uuid(self.deps().ids.uuid_v7(at)),
            key: Some(ThreadKey::pair(open.context.clone(), one.user.clone(), other.user.clone())),
            context: Some(open.context),
            subject: open.subject.or_else(titled),
            founders: founders.to_vec(),
            created_at: at,
        };
        let (thread, created) = self.deps().threads.create(new).await?;
        if !created {
            let rejoin = Rejoin { actor: actor.clone(), thread: thread.id };
            transact(self.deps().threads.as_ref(), rejoin).await??;
        }
        let thread = self.opened_view(actor, thread).await?;
        Ok(Opened { thread, created })
    }

    /// Whether these parties may talk about this object, as far as the host has told. Where it told who takes part,
    /// others do not; where it told nothing, the settings decide.
    async fn admitted(&self, founders: &[Party; 2], context: Option<&Context>) -> Result<(), OpenError> {
        let strict = self.deps().settings.strict;
        let parties = context.map_or(&[] as &[Party], |context| &context.parties);
        if context.is_none() && strict {
            return Err(OpenError::UnknownContext);
        }
        if strict {
            let users: Vec<UserId> = founders.iter().map(|party| party.user.clone()).collect();
            let known = self.deps().directory.users(&users).await?;
            let unknown = founders.iter().find(|party| known.iter().all(|user| user.id != party.user));
            if let Some(party) = unknown {
                return Err(OpenError::UnknownParty(party.clone()));
            }
        }
        if !parties.is_empty() && founders.iter().any(|party| !parties.contains(party)) {
            return Err(OpenError::NotAParty);
        }
        Ok(())
    }

    async fn opened_view(&self, actor: &Actor, thread: Thread) -> Result<ThreadView, OpenError> {
        let (thread, members) = self
            .roster(thread.id)
            .await?
            .ok_or_else(|| StoreError::Internal("an opened thread is gone".into()))?;
        let member = members
            .iter()
            .find(|member| member.user == actor.user)
            .cloned()
            .ok_or_else(|| StoreError::Internal("the opener is not in the thread".into()))?;
        Ok(view::thread_view(self, thread, member, members).await?)
    }
}

/// The caller and the first party with another role.
fn two_of(actor: &Actor, parties: &[Party]) -> Result<[Party; 2], OpenError> {
    let own = parties.iter().find(|party| party.user == actor.user).ok_or(OpenError::NotAParty)?;
    let other = parties
        .iter()
        .find(|party| party.role != own.role && party.user != own.user)
        .ok_or(OpenError::NoCounterpart)?;
    Ok([own.clone(), other.clone()])
}

/// Brings back a hidden or left membership.
#[derive(Debug)]
struct Rejoin {
    actor: Actor,
    thread: ThreadId,
}

impl Decision for Rejoin {
    type Output = ();
    type Rejection = OpenError;

    fn scope(&self) -> Scope {
        Scope::thread(self.thread).member(self.actor.user.clone())
    }

    fn origin(&self) -> Origin {
        self.actor.origin
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, OpenError> {
        let thread = found.thread().ok_or(OpenError::UnknownContext)?;
        let member = found.member(&self.actor.user)?.ok_or(OpenError::NotAParty)?;
        let changes = match member.standing {
            Standing::Active => Vec::new(),
            Standing::Removed => return Err(OpenError::Removed),
            Standing::Hidden | Standing::Left => vec![Change::PutMember(Member {
                standing: Standing::Active,
                modseq: thread.modseq.next(),
                ..member.clone()
            })],
        };
        Ok(Decided { changes, output: () })
    }
}
