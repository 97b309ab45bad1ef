//! What the host itself asks for: the directory, threads between its users, memberships.

use super::Messaging;
use super::import::{ImportError, ImportThread, Imported};
use super::membership::{MemberPut, PutMember};
use crate::context::{Context, ContextRef, Party};
use crate::error::{Classify, ErrorKind, StoreError};
use crate::id::{ThreadId, UserId};
use crate::member::Member;
use crate::snapshot::NotInScope;
use crate::text::{ClientKey, Subject as ThreadSubject};
use crate::thread::{MEMBERS_MAX, NewThread, Thread, ThreadKey};
use crate::user::{Subject, User};

/// Something the host asks for. It may do all of it for all of its users.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostCommand {
    /// Tell about a user.
    PutUser {
        /// What there is to know. Its number, `told` and `updated_at` are set here.
        user: User,
        /// The user's names at issuers; `None` leaves them as they are.
        subjects: Option<Vec<Subject>>,
    },
    /// Tell about a business object.
    PutContext(Context),
    /// Open a thread between users, or find it. Finding it changes nobody's membership.
    OpenThread(HostOpenThread),
    /// Put a user into a thread, or bring back one who left or was removed.
    PutMember(PutMember),
    /// Take a user out of a thread.
    RemoveMember {
        /// The thread.
        thread: ThreadId,
        /// The user.
        user: UserId,
    },
    /// Bring over threads from another system.
    Import(Vec<ImportThread>),
}

/// A thread that the host opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOpenThread {
    /// What it is about.
    pub context: Option<ContextRef>,
    /// Who is in it.
    pub parties: Vec<Party>,
    /// Its subject; the object's title when there is none.
    pub subject: Option<ThreadSubject>,
    /// What it is unique by.
    pub unique: Unique,
}

/// What makes a thread that the host opens the only one of its sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unique {
    /// Its two parties and its object; its two parties alone when it has no object.
    Parties,
    /// Its object alone.
    Context,
    /// The key of the request; a request without one always opens a new thread.
    Request(Option<ClientKey>),
}

/// What a [`HostCommand`] came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HostOutcome {
    /// The user as kept.
    User(Box<User>),
    /// The object was kept.
    Context,
    /// The thread with its members, and whether it is new.
    Opened {
        /// The thread.
        thread: Box<Thread>,
        /// Everyone who is or was in it.
        members: Vec<Member>,
        /// Whether this call created it.
        created: bool,
    },
    /// The user is in the thread, now or already.
    MemberPut(MemberPut),
    /// The user is out of the thread, now or already.
    Removed,
    /// What became of each imported thread.
    Imported(Vec<Imported>),
}

/// Why a [`HostCommand`] was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No such thread.
    #[error("no such thread")]
    UnknownThread,
    /// The user was never in the thread.
    #[error("the user is not in the thread")]
    UnknownMember,
    /// A user who was never in the thread was put into it without a role.
    #[error("the user was never in the thread: `role` is needed to add them")]
    RoleRequired,
    /// As many members take part in the thread as it may have.
    #[error("the thread has {MEMBERS_MAX} members, the most that it may have")]
    ThreadFull,
    /// The parties do not fit what makes the thread unique.
    #[error("{0}")]
    Parties(&'static str),
    /// The request's key was used for another thread.
    #[error("the key was already used for a thread with other parties or another object")]
    KeyReused,
    /// A thread was not imported. Those before it were.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours.
    #[error(transparent)]
    Scope(#[from] NotInScope),
}

impl Classify for HostError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownThread | Self::UnknownMember => ErrorKind::NotFound,
            Self::Parties(_) | Self::RoleRequired => ErrorKind::Invalid,
            Self::KeyReused | Self::ThreadFull => ErrorKind::Conflict,
            Self::Import(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Scope(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread => "thread-not-found",
            Self::UnknownMember => "member-not-found",
            Self::Parties(_) => "invalid-parties",
            Self::RoleRequired => "role-required",
            Self::ThreadFull => "thread-full",
            Self::KeyReused => "idempotency-key-reused",
            Self::Import(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Scope(_) => "internal",
        }
    }
}

impl Messaging {
    /// Carries out a command of the host. Whoever calls this has made sure that it is the host who asks.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn execute_host(&self, command: HostCommand) -> Result<HostOutcome, HostError> {
        match command {
            HostCommand::PutUser { user, subjects } => {
                let user = self.tell_user(user, subjects).await?;
                Ok(HostOutcome::User(Box::new((*user).clone())))
            }
            HostCommand::PutContext(context) => {
                self.deps().directory.put_context(context.presentable()).await?;
                Ok(HostOutcome::Context)
            }
            HostCommand::OpenThread(open) => self.host_open(open).await,
            HostCommand::RemoveMember { thread, user } => {
                self.remove_member(thread, user).await?;
                Ok(HostOutcome::Removed)
            }
            HostCommand::PutMember(put) => Ok(HostOutcome::MemberPut(self.put_member(put).await?)),
            HostCommand::Import(threads) => Ok(HostOutcome::Imported(self.import(threads).await?)),
        }
    }

    async fn host_open(&self, open: HostOpenThread) -> Result<HostOutcome, HostError> {
        let at = self.deps().clock.now();
        let key = key_of(&open)?;
        let title = match (&open.subject, &open.context) {
            (None, Some(of)) => self.context(of).await?.and_then(|of| ThreadSubject::parse(&of.title).ok()),
            _ => None,
        };
        let by_request = matches!(open.unique, Unique::Request(_));
        let new = NewThread {
            id: ThreadId::from_uuid(self.deps().ids.uuid_v7(at)),
            key,
            context: open.context.clone(),
            subject: open.subject.or(title),
            founders: open.parties.clone(),
            created_at: at,
        };
        let (thread, created) = self.deps().threads.create(new).await?;
        let gone = || StoreError::Internal("an opened thread is gone".into());
        let (thread, members) = self.roster(thread.id).await?.ok_or_else(gone)?;
        // Those who came in later are no part of what was asked for; those who left still are.
        let founders = || members.iter().filter(|member| member.joined_at == thread.created_at);
        let founded = |party: &Party| founders().any(|member| member.user == party.user);
        let same = thread.context == open.context
            && founders().count() == open.parties.len()
            && open.parties.iter().all(founded);
        if by_request && !created && !same {
            return Err(HostError::KeyReused);
        }
        // A thread that was there stays as it is: who hid it, left it or was removed comes back by an act of its own.
        Ok(HostOutcome::Opened { thread: Box::new(thread), members, created })
    }
}

fn key_of(open: &HostOpenThread) -> Result<Option<ThreadKey>, HostError> {
    let mut users: Vec<&UserId> = open.parties.iter().map(|party| &party.user).collect();
    users.sort_unstable();
    users.dedup();
    if users.len() != open.parties.len() {
        return Err(HostError::Parties("each party must be another user"));
    }
    if users.is_empty() || users.len() > MEMBERS_MAX {
        return Err(HostError::Parties("a thread has 1 to 1000 parties"));
    }
    match (&open.unique, &open.context, users.as_slice()) {
        (Unique::Parties, None, [one, other]) => {
            Ok(Some(ThreadKey::direct((*one).clone(), (*other).clone())))
        }
        (Unique::Parties, Some(of), [one, other]) => {
            Ok(Some(ThreadKey::pair(of.clone(), (*one).clone(), (*other).clone())))
        }
        (Unique::Parties, ..) => {
            Err(HostError::Parties("a thread that is unique by its parties has two of them"))
        }
        (Unique::Context, Some(of), _) => Ok(Some(ThreadKey::Context(of.clone()))),
        (Unique::Context, None, _) => {
            Err(HostError::Parties("a thread that is unique by its context needs one"))
        }
        (Unique::Request(key), ..) => Ok(key.clone().map(ThreadKey::Request)),
    }
}
