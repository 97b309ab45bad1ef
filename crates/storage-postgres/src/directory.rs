//! Users and business objects.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use tidings_domain::context::{Context, ContextRef, Party};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::ports::Directory;
use tidings_domain::user::{Subject, User};

use crate::PgStore;
use crate::queue::{Errand, Ran, mismatched};
use crate::rows::{UserRow, context_ref};
use crate::write::parent;

macro_rules! user_columns {
    () => {
        "u.number, u.id, u.name, u.username, u.email, u.told, u.avatar_url, u.role, u.as_of, \
         u.updated_at"
    };
}

macro_rules! context_columns {
    () => {
        "c.kind, c.id, c.parent_kind, c.parent_id, c.title, c.is_public, c.state, c.parties, c.data"
    };
}

pub(crate) use {context_columns, user_columns};

const USERS: &str = concat!("select ", user_columns!(), " from person u where u.id = any($1)");

const USER_BY_SUBJECT: &str = concat!(
    "select ",
    user_columns!(),
    " from subject s join person u on u.id = s.user_id where s.issuer = $1 and s.sub = $2",
);

const CONTEXTS: &str = concat!("select ", context_columns!(), " from context c where c.key = any($1)");

/// Whoever is known keeps their number, and no other is drawn for them. Gives no row when what is kept stands above it, by
/// the rule of `User::supersedes`.
const PUT_USER: &str = "insert into person \
    (number, id, name, username, email, told, avatar_url, role, updated_at, as_of) \
    values (coalesce((select number from person where id = $1), nextval('user_number')), \
      $1, $2, $3, $4, $5, $6, $7, $8, $9) \
    on conflict (id) do update set name = excluded.name, username = excluded.username, email = excluded.email, \
    told = excluded.told, avatar_url = excluded.avatar_url, role = excluded.role, updated_at = excluded.updated_at, \
    as_of = excluded.as_of \
    where excluded.told or (not person.told and excluded.as_of >= person.as_of) \
    returning number";

const DROP_SUBJECTS: &str = "delete from subject where user_id = $1";

const PUT_SUBJECTS: &str = "insert into subject (issuer, sub, user_id) \
    select n.issuer, n.sub, $1 from unnest($2::text[], $3::text[]) n (issuer, sub) \
    on conflict (issuer, sub) do update set user_id = excluded.user_id";

const PUT_CONTEXT: &str = "insert into context \
    (key, kind, id, parent_kind, parent_id, title, is_public, state, parties, data) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
    on conflict (key) do update set title = excluded.title, is_public = excluded.is_public, \
    state = excluded.state, parties = excluded.parties, data = excluded.data";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[USERS, USER_BY_SUBJECT, CONTEXTS, PUT_USER, DROP_SUBJECTS, PUT_SUBJECTS, PUT_CONTEXT];

#[derive(Debug, FromRow)]
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

/// What a business object is kept under.
pub(crate) fn context_key(of: &ContextRef) -> String {
    match &of.parent {
        Some((kind, id)) => format!("{kind} {id} / {} {}", of.kind, of.id),
        None => format!("{} {}", of.kind, of.id),
    }
}

/// Keeps a user, in the transaction that the connection is in, which has their lock.
pub(crate) async fn put_user(
    connection: &mut PgConnection,
    user: &User,
    subjects: Option<&[Subject]>,
) -> Result<User, sqlx::Error> {
    let number: Option<i64> = sqlx::query_scalar(PUT_USER)
        .bind(user.id.as_str())
        .bind(&user.name)
        .bind(&user.username)
        .bind(&user.email)
        .bind(user.told)
        .bind(&user.avatar_url)
        .bind(user.role.as_ref().map(|role| role.as_str()))
        .bind(user.updated_at.as_millis())
        .bind(user.as_of.as_millis())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(number) = number else {
        let kept =
            sqlx::query_as::<_, UserRow>(USERS).bind(vec![user.id.as_str()]).fetch_one(connection).await?;
        return kept.user().map_err(|error| sqlx::Error::Decode(error.into()));
    };
    if let Some(subjects) = subjects {
        sqlx::query(DROP_SUBJECTS).bind(user.id.as_str()).execute(&mut *connection).await?;
        // Each once: a statement cannot write a row twice.
        let subjects: BTreeSet<&Subject> = subjects.iter().collect();
        let (issuers, subs): (Vec<&str>, Vec<&str>) =
            subjects.into_iter().map(|subject| (subject.issuer.as_str(), subject.sub.as_str())).unzip();
        let query = sqlx::query(PUT_SUBJECTS).bind(user.id.as_str()).bind(issuers).bind(subs);
        query.execute(connection).await?;
    }
    Ok(User { number: u64::try_from(number).unwrap_or_default(), ..user.clone() })
}

/// Keeps a business object, in the transaction that the connection is in, which has its lock.
pub(crate) async fn put_context(connection: &mut PgConnection, context: &Context) -> Result<(), sqlx::Error> {
    let reference = &context.reference;
    let (parent_kind, parent_id) = parent(Some(reference));
    let parties: Vec<(&str, &str)> =
        context.parties.iter().map(|party| (party.user.as_str(), party.role.as_str())).collect();
    let parties = serde_json::to_string(&parties).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let query = sqlx::query(PUT_CONTEXT)
        .bind(context_key(reference))
        .bind(reference.kind.as_str())
        .bind(reference.id.as_str())
        .bind(parent_kind)
        .bind(parent_id)
        .bind(&context.title)
        .bind(context.is_public)
        .bind(&context.state)
        .bind(parties)
        .bind(&context.data);
    query.execute(connection).await.map(drop)
}

#[async_trait]
impl Directory for PgStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
        let mut reader = self.readers.take().await?;
        let rows = reader.all(sqlx::query_as::<_, UserRow>(USERS).bind(ids)).await?;
        reader.done().await;
        rows.into_iter().map(UserRow::user).collect()
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        let query = sqlx::query_as::<_, UserRow>(USER_BY_SUBJECT).bind(&subject.issuer).bind(&subject.sub);
        let mut reader = self.readers.take().await?;
        let row = reader.optional(query).await?;
        reader.done().await;
        row.map(UserRow::user).transpose()
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        match self.errands.put(Errand::PutUser(user, subjects)).await? {
            Ran::User(user) => Ok(user),
            Ran::Done | Ran::Claimed(_) => Err(mismatched()),
        }
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        let keys: Vec<String> = references.iter().map(context_key).collect();
        let mut reader = self.readers.take().await?;
        let rows = reader.all(sqlx::query_as::<_, ContextRow>(CONTEXTS).bind(keys)).await?;
        reader.done().await;
        rows.into_iter().map(ContextRow::context).collect()
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        match self.errands.put(Errand::PutContext(context)).await? {
            Ran::Done => Ok(()),
            Ran::User(_) | Ran::Claimed(_) => Err(mismatched()),
        }
    }
}
