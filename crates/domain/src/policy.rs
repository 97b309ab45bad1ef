//! The policies that come with the domain.

use std::collections::BTreeMap;

use crate::id::{ContextKind, Role};
use crate::ports::{Denied, Policy};
use crate::thread::Thread;
use crate::user::Actor;

/// Lets only certain roles write in threads about certain kinds of objects; a kind that is not listed is open to
/// every role. The default lists nothing.
///
/// It looks at the role in the actor's token; an actor without one is judged by membership alone.
#[derive(Debug, Clone, Default)]
pub struct SenderRoles(BTreeMap<ContextKind, Vec<Role>>);

impl SenderRoles {
    /// With `roles` as the only ones that may write in threads about a `kind`.
    #[must_use]
    pub fn allow(mut self, kind: ContextKind, roles: Vec<Role>) -> Self {
        self.0.insert(kind, roles);
        self
    }
}

impl Policy for SenderRoles {
    fn may_send(&self, actor: &Actor, thread: &Thread) -> Result<(), Denied> {
        let listed = thread.context.as_ref().and_then(|context| self.0.get(&context.kind));
        match (listed, &actor.role) {
            (Some(roles), Some(role)) if !roles.contains(role) => Err(Denied {
                reason: format!("the role {role} may not write in threads about a {}", thread_kind(thread)),
            }),
            _ => Ok(()),
        }
    }
}

fn thread_kind(thread: &Thread) -> &str {
    thread.context.as_ref().map_or("nothing", |context| context.kind.as_str())
}
