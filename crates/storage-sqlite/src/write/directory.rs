//! The rows of users and business objects.

use serde::Serialize;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::user::User;

#[derive(Debug, Serialize)]
pub(crate) struct UserFields<'a> {
    number: u64,
    id: &'a str,
    name: &'a str,
    username: Option<&'a str>,
    email: Option<&'a str>,
    told: i64,
    avatar_url: Option<&'a str>,
    role: Option<&'a str>,
    as_of: i64,
    updated_at: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ContextFields<'a> {
    key: String,
    kind: &'a str,
    id: &'a str,
    parent_kind: Option<&'a str>,
    parent_id: Option<&'a str>,
    title: &'a str,
    is_public: i64,
    state: Option<&'a str>,
    parties: Vec<(&'a str, &'a str)>,
    data: Option<&'a str>,
}

pub(super) fn parent(context: Option<&ContextRef>) -> (Option<&str>, Option<&str>) {
    match context.and_then(|context| context.parent.as_ref()) {
        Some((kind, id)) => (Some(kind.as_str()), Some(id.as_str())),
        None => (None, None),
    }
}

pub(crate) fn user_fields(user: &User) -> UserFields<'_> {
    UserFields {
        number: user.number,
        id: user.id.as_str(),
        name: &user.name,
        username: user.username.as_deref(),
        email: user.email.as_deref(),
        told: i64::from(user.told),
        avatar_url: user.avatar_url.as_deref(),
        role: user.role.as_ref().map(|role| role.as_str()),
        as_of: user.as_of.as_millis(),
        updated_at: user.updated_at.as_millis(),
    }
}

/// What a business object is kept under.
pub(crate) fn context_key(of: &ContextRef) -> String {
    match &of.parent {
        Some((kind, id)) => format!("{kind} {id} / {} {}", of.kind, of.id),
        None => format!("{} {}", of.kind, of.id),
    }
}

pub(crate) fn context_fields(context: &Context) -> ContextFields<'_> {
    let (parent_kind, parent_id) = parent(Some(&context.reference));
    ContextFields {
        key: context_key(&context.reference),
        kind: context.reference.kind.as_str(),
        id: context.reference.id.as_str(),
        parent_kind,
        parent_id,
        title: &context.title,
        is_public: i64::from(context.is_public),
        state: context.state.as_deref(),
        data: context.data.as_deref(),
        parties: context.parties.iter().map(|party| (party.user.as_str(), party.role.as_str())).collect(),
    }
}
