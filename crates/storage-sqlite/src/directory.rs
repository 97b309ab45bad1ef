//! Users and business objects.

use async_trait::async_trait;
use sqlx::SqlitePool;
use tidings_domain::context::{Context, ContextRef, Party};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::ports::Directory;
use tidings_domain::user::{Subject, User};

use crate::SqliteStore;
use crate::error::store_error;
use crate::load::json;
use crate::lookups::SHARED_IDS_MAX;
use crate::queue::{Answer, Request, mismatched};
use crate::rows::{UserRow, context_ref, user_columns};
use crate::write::context_key;

macro_rules! context_columns {
    () => {
        "c.kind, c.id, c.parent_kind, c.parent_id, c.title, c.is_public, c.state, c.parties, c.data"
    };
}

pub(crate) use context_columns;

const USERS: &str =
    concat!("select ", user_columns!(), " from json_each($1) j cross join user u on u.id = j.value");

const USER_BY_SUBJECT: &str = concat!(
    "select ",
    user_columns!(),
    " from subject s cross join user u on u.number = s.user where s.issuer = $1 and s.sub = $2",
);

const CONTEXTS: &str =
    concat!("select ", context_columns!(), " from json_each($1) j cross join context c on c.key = j.value");

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[USERS, USER_BY_SUBJECT, CONTEXTS];

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ContextRow {
    kind: String,
    id: String,
    parent_kind: Option<String>,
    parent_id: Option<String>,
    title: String,
    is_public: bool,
    state: Option<String>,
    parties: String,
    data: Option<String>,
}

impl ContextRow {
    pub(crate) fn context(self) -> Result<Context, StoreError> {
        let corrupt = |_| StoreError::Corrupt("the parties of a context".into());
        let pairs: Vec<(String, String)> =
            serde_json::from_str(&self.parties).map_err(|_| StoreError::Corrupt("parties".into()))?;
        let party = |(user, role): (String, String)| {
            Ok(Party { user: user.parse().map_err(corrupt)?, role: role.parse().map_err(corrupt)? })
        };
        let parent = self.parent_kind.as_deref().zip(self.parent_id.as_deref());
        Ok(Context {
            reference: context_ref(&self.kind, &self.id, parent)?,
            title: self.title,
            is_public: self.is_public,
            state: self.state,
            data: self.data,
            parties: pairs.into_iter().map(party).collect::<Result<_, StoreError>>()?,
        })
    }
}

/// Those of `ids` that are known, in their order.
pub(crate) async fn read_users(
    readers: &SqlitePool,
    ids: impl IntoIterator<Item = &UserId>,
) -> Result<Vec<User>, StoreError> {
    let ids: Vec<&str> = ids.into_iter().map(UserId::as_str).collect();
    let query = sqlx::query_as::<_, UserRow>(USERS).bind(json(&ids)?);
    let rows = query.fetch_all(readers).await.map_err(|error| store_error(&error))?;
    rows.into_iter().map(UserRow::user).collect()
}

#[async_trait]
impl Directory for SqliteStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        if ids.len() <= SHARED_IDS_MAX {
            return self.lookups.users(ids).await;
        }
        read_users(&self.readers, ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        let query = sqlx::query_as::<_, UserRow>(USER_BY_SUBJECT).bind(&subject.issuer).bind(&subject.sub);
        let row = query.fetch_optional(&self.readers).await.map_err(|error| store_error(&error))?;
        row.map(UserRow::user).transpose()
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        match self.queue.put(Request::PutUser(user, subjects)).await? {
            Answer::User(user) => Ok(user),
            Answer::Done | Answer::Created(..) | Answer::Claimed(_) => Err(mismatched()),
        }
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        let keys: Vec<String> = references.iter().map(context_key).collect();
        let query = sqlx::query_as::<_, ContextRow>(CONTEXTS).bind(json(&keys)?);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        rows.into_iter().map(ContextRow::context).collect()
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        match self.queue.put(Request::PutContext(context)).await? {
            Answer::Done => Ok(()),
            Answer::User(_) | Answer::Created(..) | Answer::Claimed(_) => Err(mismatched()),
        }
    }
}
