//! Users and business objects, as the host told about them (step 8).

use async_trait::async_trait;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::ports::Directory;
use tidings_domain::user::{Subject, User};

use crate::TableStore;
use crate::tables::next_number;

#[async_trait]
impl Directory for TableStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        Ok(self.tables.lock().users.iter().filter(|user| ids.contains(&user.id)).cloned().collect())
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        let tables = self.tables.lock();
        let Some((_, id)) = tables.subjects.iter().find(|(known, _)| known == subject) else {
            return Ok(None);
        };
        Ok(tables.users.iter().find(|user| user.id == *id).cloned())
    }

    async fn put_user(&self, mut user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        let mut tables = self.tables.lock();
        user.number = next_number(&tables.users);
        match tables.users.iter_mut().find(|known| known.id == user.id) {
            Some(known) => {
                // What the host said stays, and what a later token said; with it their subjects.
                if !user.supersedes(known) {
                    return Ok(known.clone());
                }
                // A number once given stays.
                user.number = known.number;
                *known = user.clone();
            }
            None => tables.users.push(user.clone()),
        }
        if let Some(subjects) = subjects {
            // They replace those the user had, and take over what was somebody else's.
            tables.subjects.retain(|(known, id)| *id != user.id && !subjects.contains(known));
            tables.subjects.extend(subjects.into_iter().map(|subject| (subject, user.id.clone())));
        }
        Ok(user)
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        let tables = self.tables.lock();
        Ok(tables.contexts.iter().filter(|row| references.contains(&row.reference)).cloned().collect())
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        tables.contexts.retain(|row| row.reference != context.reference);
        tables.contexts.push(context);
        Ok(())
    }
}
