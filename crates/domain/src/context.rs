//! The business object that a thread is about.

use crate::id::{ContextId, ContextKind, UserId};
use crate::text::presentable;

/// Names a business object: a campaign, a contract, a job; a milestone with its contract as parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextRef {
    /// What it is: `campaign`, `contract`, `milestone`…
    pub kind: ContextKind,
    /// The host's id of it.
    pub id: ContextId,
    /// The object it is a part of, one level up.
    pub parent: Option<(ContextKind, ContextId)>,
}

impl ContextRef {
    /// An object that is part of no other.
    #[must_use]
    pub const fn new(kind: ContextKind, id: ContextId) -> Self {
        Self { kind, id, parent: None }
    }
}

/// What the host told about a business object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Context {
    /// Which object.
    pub reference: ContextRef,
    /// Its title, for people.
    pub title: String,
    /// Whether everyone in the marketplace may see it.
    pub is_public: bool,
    /// Where it stands: `active`, `completed`… An opaque word.
    pub state: Option<String>,
    /// Who takes part in it.
    pub parties: Vec<Party>,
    /// Whatever else the host wants to keep with it, as a JSON text. Given back as it is.
    pub data: Option<String>,
}

impl Context {
    /// With texts that every store can keep and every screen can show. Its data is JSON, which has no such characters.
    pub(crate) fn presentable(mut self) -> Self {
        self.title = presentable(self.title);
        self.state = self.state.map(presentable);
        self
    }
}

/// A user and the role they have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: crate::id::Role,
}
