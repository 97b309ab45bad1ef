//! Who the tests are about, and what they say.

use tidings_domain::context::{ContextRef, Party};
use tidings_domain::id::UserId;
use tidings_domain::message::Origin;
use tidings_domain::text::{Body, ClientKey, Subject};
use tidings_domain::user::Actor;

/// Somebody, by their user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(pub &'static str);

/// An advertiser in most stories.
pub const ALICE: Person = Person("alice");
/// Whom Alice writes to.
pub const BOB: Person = Person("bob");
/// A third one.
pub const CAROL: Person = Person("carol");
/// A fourth one.
pub const DAVE: Person = Person("dave");
/// Somebody with an id in which every trap for SQL, JSON and URLs is set.
pub const ERIN: Person = Person("erin'\"\\%_😀é/{}[]?#,;$1");

impl Person {
    /// Their user id.
    ///
    /// # Panics
    /// When the text is not a user id.
    #[must_use]
    pub fn id(self) -> UserId {
        self.0.parse().expect("a person's text is a user id")
    }

    /// Them in the role that all have here: `member`.
    ///
    /// # Panics
    /// When the text is not a user id.
    #[must_use]
    pub fn party(self) -> Party {
        Party { user: self.id(), role: "member".parse().expect("a role") }
    }

    /// Them acting through a request, with no role in their token.
    ///
    /// # Panics
    /// When the text is not a user id.
    #[must_use]
    pub fn actor(self) -> Actor {
        Actor::new(self.id(), None, Origin::Request)
    }
}

/// So many parties with made-up ids, none of them a [`Person`].
///
/// # Panics
/// Never: the ids are well-formed.
#[must_use]
pub fn crowd(count: usize) -> Vec<Party> {
    let party = |index| Party {
        user: format!("crowd-{index:04}").parse().expect("a user id"),
        role: "member".parse().expect("a role"),
    };
    (0..count).map(party).collect()
}

/// A message's text.
///
/// # Panics
/// When it is not one.
#[must_use]
pub fn body(text: &str) -> Body {
    Body::parse(text).expect("a body")
}

/// A client key.
///
/// # Panics
/// When it is not one.
#[must_use]
pub fn key(text: &str) -> ClientKey {
    ClientKey::parse(text).expect("a client key")
}

/// A thread's subject.
///
/// # Panics
/// When it is not one.
#[must_use]
pub fn subject(text: &str) -> Subject {
    Subject::parse(text).expect("a subject")
}

/// A campaign.
///
/// # Panics
/// When the id is not one.
#[must_use]
pub fn campaign(id: &str) -> ContextRef {
    ContextRef::new("campaign".parse().expect("a kind"), id.parse().expect("an id"))
}
