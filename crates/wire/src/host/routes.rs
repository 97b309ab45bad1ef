//! The routes of the host API.

use serde::Serialize;
use tidings_domain::context::Context;
use tidings_domain::messaging::{
    HostCommand, HostError, HostOpenThread, HostOutcome, PutMember, Unique, ViewStart,
};
use tidings_domain::text::{ClientKey, Subject as ThreadSubject, is_blank};
use tidings_domain::user::{Subject, User};

use super::fields::FIELDS;
use super::import;
use super::problem::{of, problem};
use super::shapes::{
    ContextJson, MemberJson, OpenThreadJson, PutContextJson, PutMemberJson, PutUserJson, SubjectJson,
    ThreadJson, UniqueJson, UserJson, VisibleFromJson, id, parties,
};
use super::{HostRequest, HostRoute, shown_in};
use crate::dialect::Dialect;
use crate::payload::{Object, Refusal};
use crate::rest::{Method, Problem, Reply};

/// The longest name, title or other short text that the host gives, in characters.
const SHORT_CHARS_MAX: usize = 256;
/// The longest address of a picture, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// The most subjects of a user, and the most parties of an object.
const LIST_MAX: usize = 1_000;
/// The most free data of an object, in bytes of JSON.
const DATA_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 256 * 1024;
const IMPORT_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The routes of the host API.
pub const ROUTES: &[HostRoute] = &[
    HostRoute {
        method: Method::Put,
        path: "/users/{id}",
        about: "Tell about a user: name, username, avatar, email, role, and their subjects at issuers of tokens",
        body_bytes_max: BODY_BYTES_MAX,
        decode: put_user,
        encode,
    },
    HostRoute {
        method: Method::Put,
        path: "/contexts/{kind}/{id}",
        about: "Tell about a business object: title, whether it is public, state, parties, free data",
        body_bytes_max: BODY_BYTES_MAX,
        decode: put_context,
        encode,
    },
    HostRoute {
        method: Method::Post,
        path: "/threads",
        about: "Open a thread between users, or find the one that is there; that changes nobody's membership",
        body_bytes_max: BODY_BYTES_MAX,
        decode: open_thread,
        encode,
    },
    HostRoute {
        method: Method::Put,
        path: "/threads/{threadId}/members/{userId}",
        about: "Put a user into a thread, or bring back one who left or was removed; says where their view begins",
        body_bytes_max: BODY_BYTES_MAX,
        decode: put_member,
        encode,
    },
    HostRoute {
        method: Method::Delete,
        path: "/threads/{threadId}/members/{userId}",
        about: "Take a user out of a thread, until the host puts them into it again",
        body_bytes_max: BODY_BYTES_MAX,
        decode: |asked| {
            Ok(HostCommand::RemoveMember {
                thread: id("threadId", asked.request.param("threadId"))?,
                user: id("userId", asked.request.param("userId"))?,
            })
        },
        encode,
    },
    HostRoute {
        method: Method::Post,
        path: "/import/threads",
        about: "Bring over threads from another system, with their ids, times, members, read marks and messages",
        body_bytes_max: IMPORT_BODY_BYTES_MAX,
        decode: import::decode,
        encode,
    },
];

fn short(field: &str, text: String) -> Result<String, Refusal> {
    if is_blank(&text) || text.chars().count() > SHORT_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Refusal::invalid(format!(
            "{field} must be a text of 1 to {SHORT_CHARS_MAX} characters, not blank, without control characters"
        )));
    }
    Ok(text)
}

fn put_user(asked: &HostRequest<'_>) -> Result<HostCommand, Refusal> {
    let told: PutUserJson = asked.request.json(FIELDS)?;
    let mut user = User::unknown(id("id", asked.request.param("id"))?);
    user.name = short("name", told.name)?;
    user.username = told.username.map(|name| short("username", name)).transpose()?;
    user.email = told.email.map(|email| short("email", email)).transpose()?;
    user.role = told.role.map(|role| id("role", &role)).transpose()?;
    user.avatar_url = told.avatar_url;
    if user.avatar_url.as_ref().is_some_and(|url| !is_web_address(url)) {
        return Err(Refusal::invalid(format!(
            "avatarUrl must be an http or https address of at most {URL_BYTES_MAX} bytes"
        )));
    }
    let subjects = told.subjects.map(|subjects| {
        if subjects.len() > LIST_MAX {
            return Err(Refusal::invalid(format!("subjects must have at most {LIST_MAX} entries")));
        }
        let subject = |Object(subject): Object<SubjectJson>| {
            Ok(Subject {
                issuer: short("subjects.issuer", subject.issuer)?,
                sub: short("subjects.sub", subject.sub)?,
            })
        };
        subjects.into_iter().map(subject).collect::<Result<Vec<_>, Refusal>>()
    });
    Ok(HostCommand::PutUser { user, subjects: subjects.transpose()? })
}

/// Whether it may stand in a page as a picture's source: nothing that a browser would run.
fn is_web_address(url: &str) -> bool {
    url.len() <= URL_BYTES_MAX
        && (url.starts_with("https://") || url.starts_with("http://"))
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn put_context(asked: &HostRequest<'_>) -> Result<HostCommand, Refusal> {
    let told: PutContextJson = asked.request.json(FIELDS)?;
    let named = ContextJson {
        kind: asked.request.param("kind").to_owned(),
        id: asked.request.param("id").to_owned(),
        parent: told.parent,
    };
    if told.parties.len() > LIST_MAX {
        return Err(Refusal::invalid(format!("parties must have at most {LIST_MAX} entries")));
    }
    let data = told.data.map(|data| data.get().to_owned());
    if data.as_ref().is_some_and(|data| data.len() > DATA_BYTES_MAX) {
        return Err(Refusal::invalid(format!("data must be at most {DATA_BYTES_MAX} bytes of JSON")));
    }
    Ok(HostCommand::PutContext(Context {
        reference: named.reference()?,
        title: short("title", told.title)?,
        is_public: told.is_public,
        state: told.state.map(|state| short("state", state)).transpose()?,
        parties: parties(&told.parties)?,
        data,
    }))
}

fn open_thread(asked: &HostRequest<'_>) -> Result<HostCommand, Refusal> {
    let told: OpenThreadJson = asked.request.json(FIELDS)?;
    let key = asked
        .idempotency_key
        .map(ClientKey::parse)
        .transpose()
        .map_err(|error| Refusal::invalid(format!("Idempotency-Key {error}")))?;
    let subject = told
        .subject
        .map(|subject| ThreadSubject::parse(&subject))
        .transpose()
        .map_err(|error| Refusal::invalid(format!("subject {error}")))?;
    Ok(HostCommand::OpenThread(HostOpenThread {
        context: told.context.as_ref().map(|Object(of)| of.reference()).transpose()?,
        parties: parties(&told.parties)?,
        subject,
        unique: match told.unique {
            UniqueJson::Parties => Unique::Parties,
            UniqueJson::Context => Unique::Context,
            UniqueJson::Request => Unique::Request(key),
        },
    }))
}

/// A user who is brought back needs no body: they keep their role, and their view begins now.
fn put_member(asked: &HostRequest<'_>) -> Result<HostCommand, Refusal> {
    let given: PutMemberJson =
        if asked.request.body.is_empty() { PutMemberJson::default() } else { asked.request.json(FIELDS)? };
    Ok(HostCommand::PutMember(PutMember {
        thread: id("threadId", asked.request.param("threadId"))?,
        user: id("userId", asked.request.param("userId"))?,
        role: given.role.map(|role| id("role", &role)).transpose()?,
        visible_from: match given.visible_from {
            VisibleFromJson::Now => ViewStart::Now,
            VisibleFromJson::Beginning => ViewStart::Beginning,
        },
    }))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportedJson {
    threads: Vec<ImportedThreadJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportedThreadJson {
    id: String,
    created: bool,
    added: usize,
    known: usize,
    shown_in: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PutMemberReply<'a> {
    #[serde(flatten)]
    member: MemberJson<'a>,
    /// The dialects that can show the thread now.
    shown_in: Vec<&'static str>,
}

fn encode(result: Result<&HostOutcome, &HostError>, served: &[&'static Dialect]) -> Reply {
    match result {
        Ok(HostOutcome::User(user)) => Reply::json(200, &UserJson::from(&**user)),
        Ok(HostOutcome::Context | HostOutcome::Removed) => Reply::empty(204),
        Ok(HostOutcome::Opened { thread, members, created }) => {
            let thread = ThreadJson::of(thread, members, *created, shown_in(thread, served));
            Reply::json(if *created { 201 } else { 200 }, &thread)
        }
        Ok(HostOutcome::MemberPut(put)) => {
            let member = PutMemberReply {
                member: MemberJson::from(&*put.member),
                shown_in: shown_in(&put.thread, served),
            };
            Reply::json(if put.added { 201 } else { 200 }, &member)
        }
        Ok(HostOutcome::Imported(threads)) => {
            let threads = threads.iter().map(|done| ImportedThreadJson {
                id: done.thread.id.to_string(),
                created: done.created,
                added: done.added,
                known: done.known,
                shown_in: shown_in(&done.thread, served),
            });
            Reply::json(200, &ImportedJson { threads: threads.collect() })
        }
        Ok(_) => problem(&Problem::Internal),
        Err(error) => of(error),
    }
}
