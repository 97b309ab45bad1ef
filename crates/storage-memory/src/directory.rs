//! Users and business objects.

use async_trait::async_trait;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::ports::Directory;
use tidings_domain::user::{Subject, User};

use crate::MemoryStore;

#[async_trait]
impl Directory for MemoryStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let state = self.0.state.lock();
        Ok(ids.iter().filter_map(|id| state.users.get(id)).cloned().collect())
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        let state = self.0.state.lock();
        Ok(state.subjects.get(subject).and_then(|id| state.users.get(id)).cloned())
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        let mut state = self.0.state.lock();
        let known = state.users.get(&user.id);
        if let Some(known) = known.filter(|known| !user.supersedes(known)) {
            return Ok(known.clone());
        }
        let number = known.map_or(state.users_made.saturating_add(1), |known| known.number);
        let user = User { number, ..user };
        state.users_made = state.users_made.max(user.number);
        state.users.insert(user.id.clone(), user.clone());
        if let Some(subjects) = subjects {
            state.subjects.retain(|_, id| *id != user.id);
            state.subjects.extend(subjects.into_iter().map(|subject| (subject, user.id.clone())));
        }
        Ok(user)
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        let state = self.0.state.lock();
        Ok(references.iter().filter_map(|reference| state.contexts.get(reference)).cloned().collect())
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.0.state.lock().contexts.insert(context.reference.clone(), context);
        Ok(())
    }
}
