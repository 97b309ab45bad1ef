//! The body of a history import.

use serde::Deserialize;
use tidings_domain::id::UserId;
use tidings_domain::messaging::{HostCommand, ImportMember, ImportMessage, ImportThread};
use tidings_domain::text::{Body, Subject, is_blank};
use tidings_domain::thread::ThreadKey;
use tidings_domain::time::Timestamp;

use super::fields::FIELDS;
use super::shapes::{ContextJson, PartyJson, UniqueJson, id};
use super::{HostRequest, IMPORT_MESSAGES_MAX, IMPORT_THREADS_MAX};
use crate::iso;
use crate::payload::{Object, Refusal};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportJson {
    threads: Vec<Object<ThreadJson>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThreadJson {
    id: String,
    context: Option<Object<ContextJson>>,
    subject: Option<String>,
    #[serde(default)]
    unique: UniqueJson,
    created_at: String,
    members: Vec<Object<MemberJson>>,
    #[serde(default)]
    messages: Vec<Object<MessageJson>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberJson {
    user_id: String,
    role: String,
    read_until: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageJson {
    id: String,
    sender_id: Option<String>,
    content: String,
    created_at: String,
}

pub(super) fn decode(asked: &HostRequest<'_>) -> Result<HostCommand, Refusal> {
    let told: ImportJson = asked.request.json(FIELDS)?;
    if told.threads.len() > IMPORT_THREADS_MAX {
        return Err(Refusal::invalid(format!(
            "threads must have at most {IMPORT_THREADS_MAX} entries in one request"
        )));
    }
    let messages: usize = told.threads.iter().map(|Object(thread)| thread.messages.len()).sum();
    if messages > IMPORT_MESSAGES_MAX {
        return Err(Refusal::invalid(format!(
            "messages must have at most {IMPORT_MESSAGES_MAX} entries in one request"
        )));
    }
    let threads = told.threads.into_iter().enumerate().map(|(index, Object(thread))| {
        thread.import().map_err(|refusal| Refusal::invalid(format!("threads[{index}].{}", refusal.message)))
    });
    Ok(HostCommand::Import(threads.collect::<Result<_, _>>()?))
}

fn time(field: &str, text: &str) -> Result<Timestamp, Refusal> {
    iso::parse(text)
        .ok_or_else(|| Refusal::invalid(format!("{field} must be a date, such as 2025-08-08T10:30:00.000Z")))
}

impl ThreadJson {
    fn import(self) -> Result<ImportThread, Refusal> {
        let context = self.context.as_ref().map(|Object(of)| of.reference()).transpose()?;
        let member = |(index, Object(member)): (usize, &Object<MemberJson>)| {
            member
                .import()
                .map_err(|refusal| Refusal::invalid(format!("members[{index}].{}", refusal.message)))
        };
        let members = self.members.iter().enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
        let users: Vec<&UserId> = members.iter().map(|member| &member.party.user).collect();
        let key = match (self.unique, &context, users.as_slice()) {
            (UniqueJson::Parties, Some(of), [one, other]) => {
                Some(ThreadKey::pair(of.clone(), (*one).clone(), (*other).clone()))
            }
            (UniqueJson::Parties, None, [one, other]) => {
                Some(ThreadKey::direct((*one).clone(), (*other).clone()))
            }
            (UniqueJson::Parties, ..) => {
                return Err(Refusal::invalid("members must be two where a thread is unique by its parties"));
            }
            (UniqueJson::Context, Some(of), _) => Some(ThreadKey::Context(of.clone())),
            (UniqueJson::Context, None, _) => {
                return Err(Refusal::invalid(
                    "context is missing: a thread that is unique by its context needs one",
                ));
            }
            // Its id makes it unique.
            (UniqueJson::Request, ..) => None,
        };
        let subject = self
            .subject
            .filter(|subject| !is_blank(subject))
            .map(|subject| Subject::parse(&subject))
            .transpose()
            .map_err(|error| Refusal::invalid(format!("subject {error}")))?;
        let message = |(index, Object(message)): (usize, Object<MessageJson>)| {
            message
                .import()
                .map_err(|refusal| Refusal::invalid(format!("messages[{index}].{}", refusal.message)))
        };
        Ok(ImportThread {
            id: id("id", &self.id)?,
            key,
            context,
            subject,
            created_at: time("createdAt", &self.created_at)?,
            messages: self.messages.into_iter().enumerate().map(message).collect::<Result<_, _>>()?,
            members,
        })
    }
}

impl MemberJson {
    fn import(&self) -> Result<ImportMember, Refusal> {
        let party = PartyJson { user_id: self.user_id.clone(), role: self.role.clone() };
        let read_until = self.read_until.as_deref().map(|until| time("readUntil", until)).transpose()?;
        Ok(ImportMember { party: party.party()?, read_until })
    }
}

impl MessageJson {
    fn import(self) -> Result<ImportMessage, Refusal> {
        Ok(ImportMessage {
            id: id("id", &self.id)?,
            sender: self.sender_id.map(|sender| id("senderId", &sender)).transpose()?,
            // History stays whole: the other system may have accepted a text that shows nothing.
            body: Body::parse_kept(&self.content)
                .map_err(|error| Refusal::invalid(format!("content {error}")))?,
            created_at: time("createdAt", &self.created_at)?,
        })
    }
}
