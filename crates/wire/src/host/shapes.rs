//! JSON shapes of the host API.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::member::{Member, Standing};
use tidings_domain::thread::Thread;
use tidings_domain::user::User;

use crate::iso;
use crate::payload::{Object, Refusal};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PutUserJson {
    pub(super) name: String,
    pub(super) username: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) email: Option<String>,
    pub(super) role: Option<String>,
    pub(super) subjects: Option<Vec<Object<SubjectJson>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectJson {
    pub(super) issuer: String,
    pub(super) sub: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PutContextJson {
    pub(super) title: String,
    #[serde(default)]
    pub(super) is_public: bool,
    pub(super) state: Option<String>,
    #[serde(default)]
    pub(super) parties: Vec<Object<PartyJson>>,
    pub(super) data: Option<Box<RawValue>>,
    pub(super) parent: Option<Object<ParentJson>>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParentJson {
    pub(super) kind: String,
    pub(super) id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PartyJson {
    pub(super) user_id: String,
    pub(super) role: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextJson {
    pub(super) kind: String,
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<Object<ParentJson>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OpenThreadJson {
    pub(super) context: Option<Object<ContextJson>>,
    pub(super) parties: Vec<Object<PartyJson>>,
    pub(super) subject: Option<String>,
    #[serde(default)]
    pub(super) unique: UniqueJson,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UniqueJson {
    /// By its two parties and its context.
    #[default]
    Parties,
    /// By its context.
    Context,
    /// By the request's `Idempotency-Key`.
    Request,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PutMemberJson {
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) visible_from: VisibleFromJson,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum VisibleFromJson {
    /// With the next message.
    #[default]
    Now,
    /// With the first message of the thread.
    Beginning,
}

/// A field's text as one of the domain's ids.
pub(super) fn id<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Refusal>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Refusal::invalid(format!("{field} {error}")))
}

impl PartyJson {
    pub(super) fn party(&self) -> Result<Party, Refusal> {
        Ok(Party { user: id("userId", &self.user_id)?, role: id("role", &self.role)? })
    }
}

/// All of them.
pub(super) fn parties(parties: &[Object<PartyJson>]) -> Result<Vec<Party>, Refusal> {
    parties.iter().map(|Object(party)| party.party()).collect()
}

impl ContextJson {
    pub(super) fn reference(&self) -> Result<ContextRef, Refusal> {
        let parent = self
            .parent
            .as_ref()
            .map(|Object(parent)| Ok((id("parent.kind", &parent.kind)?, id("parent.id", &parent.id)?)))
            .transpose()?;
        Ok(ContextRef { kind: id("context.kind", &self.kind)?, id: id("context.id", &self.id)?, parent })
    }

    fn of(reference: &ContextRef) -> Self {
        let parent = reference
            .parent
            .as_ref()
            .map(|(kind, id)| Object(ParentJson { kind: kind.to_string(), id: id.to_string() }));
        Self { kind: reference.kind.to_string(), id: reference.id.to_string(), parent }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserJson<'a> {
    id: &'a str,
    name: &'a str,
    username: Option<&'a str>,
    avatar_url: Option<&'a str>,
    email: Option<&'a str>,
    role: Option<&'a str>,
    updated_at: String,
}

impl<'a> From<&'a User> for UserJson<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.as_str(),
            name: &user.name,
            username: user.username.as_deref(),
            avatar_url: user.avatar_url.as_deref(),
            email: user.email.as_deref(),
            role: user.role.as_ref().map(tidings_domain::id::Role::as_str),
            updated_at: iso::format(user.updated_at),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadJson<'a> {
    id: String,
    created: bool,
    /// The dialects that can show it to their users. Empty: no client sees it.
    shown_in: Vec<&'static str>,
    context: Option<ContextJson>,
    subject: Option<&'a str>,
    last_seq: u64,
    last_message_at: String,
    created_at: String,
    members: Vec<MemberJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberJson<'a> {
    user_id: &'a str,
    role: &'a str,
    /// `active`, `hidden`, `left` or `removed`.
    standing: &'static str,
    read_seq: u64,
    /// Messages with a higher seq are theirs to see; 0 is the whole thread.
    visible_from_seq: u64,
}

impl<'a> From<&'a Member> for MemberJson<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            user_id: member.user.as_str(),
            role: member.role.as_str(),
            standing: match member.standing {
                Standing::Active => "active",
                Standing::Hidden => "hidden",
                Standing::Left => "left",
                Standing::Removed => "removed",
            },
            read_seq: member.marker.seq.get(),
            visible_from_seq: member.visible_from.get(),
        }
    }
}

impl<'a> ThreadJson<'a> {
    pub(super) fn of(
        thread: &'a Thread,
        members: &'a [Member],
        created: bool,
        shown_in: Vec<&'static str>,
    ) -> Self {
        Self {
            id: thread.id.to_string(),
            created,
            shown_in,
            context: thread.context.as_ref().map(ContextJson::of),
            subject: thread.subject.as_ref().map(tidings_domain::text::Subject::as_str),
            last_seq: thread.last_seq.get(),
            last_message_at: iso::format(thread.last_message_at),
            created_at: iso::format(thread.created_at),
            members: members.iter().map(MemberJson::from).collect(),
        }
    }
}
