//! What the directory knows of a user, and who is acting.

use crate::context::ContextRef;
use crate::id::{ContextKind, Role, UserId};
use crate::message::Origin;
use crate::text::{is_blank, presentable};
use crate::thread::Thread;
use crate::time::Timestamp;

/// What other people see of a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The host's id.
    pub id: UserId,
    /// The store's small unique number, for dialects whose clients need integers. 0 until a store has kept the user.
    pub number: u64,
    /// The name shown to others.
    pub name: String,
    /// The short name that some systems know them by.
    pub username: Option<String>,
    /// Where mail reaches them. Never shown to other users.
    pub email: Option<String>,
    /// Where a picture of them is.
    pub avatar_url: Option<String>,
    /// What they are in the marketplace.
    pub role: Option<Role>,
    /// Whether the host itself told this. What a token says does not change it then.
    pub told: bool,
    /// When that was the case which this says: the moment at which the token was issued that said it. What an earlier
    /// token says does not change it then. 0 for a token without that moment, which counts as the earliest.
    pub as_of: Timestamp,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

/// A user's name at an issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The issuer, by its name in the configuration.
    pub issuer: String,
    /// The issuer's id of the user: the `sub` of its tokens.
    pub sub: String,
}

impl User {
    /// A user that nobody has told about: their id serves as the name.
    #[must_use]
    pub fn unknown(id: UserId) -> Self {
        let name = id.as_str().to_owned();
        Self {
            id,
            number: 0,
            name,
            username: None,
            email: None,
            avatar_url: None,
            role: None,
            told: false,
            as_of: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    /// Whether this takes the place of what is kept of the same user. The host's word stands above a token's, and of
    /// two tokens that one counts which was issued later. Every store judges by this rule, so that of several processes
    /// it is not the last one to write that decides.
    #[must_use]
    pub fn supersedes(&self, kept: &Self) -> bool {
        self.told || (!kept.told && self.as_of >= kept.as_of)
    }

    /// With texts that every store can keep and every screen can show.
    pub(crate) fn presentable(mut self) -> Self {
        self.name = presentable(self.name);
        if is_blank(&self.name) {
            self.id.as_str().clone_into(&mut self.name);
        }
        let optional = |text: Option<String>| text.map(presentable).filter(|text| !is_blank(text));
        self.username = optional(self.username);
        self.email = optional(self.email);
        // An address is changed by leaving out a character of it.
        let is_whole = |url: &String| !url.is_empty() && !url.chars().any(char::is_control);
        self.avatar_url = self.avatar_url.filter(is_whole);
        self
    }
}

/// Who gives a command. Made from a verified token alone, never from a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub user: UserId,
    /// What the token says they are in the marketplace.
    pub role: Option<Role>,
    /// Through what the command came.
    pub origin: Origin,
    /// Which threads exist for them, if they act through a dialect that cannot speak of all.
    pub within: Option<Within>,
}

/// The threads that a dialect can speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// Those about objects of this kind.
    pub kind: ContextKind,
    /// Those of at most so many members.
    pub members_max: u32,
}

impl Within {
    /// Whether a thread is among them.
    #[must_use]
    pub fn contains(&self, thread: &Thread) -> bool {
        thread.member_count <= self.members_max
            && thread.context.as_ref().is_some_and(|context| context.kind == self.kind)
    }
}

impl Actor {
    /// Somebody for whom every thread exists.
    #[must_use]
    pub const fn new(user: UserId, role: Option<Role>, origin: Origin) -> Self {
        Self { user, role, origin, within: None }
    }

    /// Of how many members a thread about an object may be, for it to exist for them; `None` when none does.
    #[must_use]
    pub fn members_max_about(&self, object: &ContextRef) -> Option<u32> {
        match &self.within {
            None => Some(u32::MAX),
            Some(within) => (within.kind == object.kind).then_some(within.members_max),
        }
    }

    /// Whether a thread exists for them.
    #[must_use]
    pub fn reaches(&self, thread: &Thread) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(thread))
    }
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user it speaks for, as far as its claims or the directory describe them.
    pub user: User,
    /// When it stops being accepted, with whatever its verifier allows for clocks that differ.
    pub expires_at: Timestamp,
    /// Whether it speaks for the host itself, which may use the host API; such a token enters no dialect.
    pub is_service: bool,
}

impl Identity {
    /// A user's identity.
    #[must_use]
    pub const fn user(user: User, expires_at: Timestamp) -> Self {
        Self { user, expires_at, is_service: false }
    }

    /// The host's own identity; `user` names the service in logs.
    #[must_use]
    pub const fn service(user: User, expires_at: Timestamp) -> Self {
        Self { user, expires_at, is_service: true }
    }
}
