//! What clients say over the socket, and what they are told in answer (contract section 4).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tidings_domain::error::Classify;
use tidings_domain::messaging::{
    Command, CommandError, MarkRead, MarkTarget, Outcome, OwnMessage, ReadError, SendError, SendMessage,
};
use tidings_domain::user::{Actor, User};

use super::errors;
use super::fields::FIELDS;
use super::routes::{body, client_key, message_id, thread_id};
use super::shapes::{InThreadJson, MarkAsReadJson, MessageJson, SendMessageJson, TypingJson, role_text};
use crate::dialect::{Answer, AuthFailure, EventError, Inbound, Intent, Refused, Replies};
use crate::frame::{Frame, json};
use crate::payload::{Refusal, first, parsed};

pub(super) const INBOUND: &[Inbound] = &[
    Inbound {
        name: "joinThread",
        about: "Follow a thread on this socket",
        overlaps: false,
        decode: |args| Ok(Intent::Join(thread_id(&first::<InThreadJson>(args, FIELDS)?.thread_id)?)),
        reply: |_, result| match result {
            Ok(Answer::Joined(thread)) => {
                told("threadJoined", &ThreadIdJson { thread_id: thread.to_string() })
            }
            Ok(_) => Replies::default(),
            Err(EventError::Access(ReadError::NotAMember)) => failed("Access denied to this thread", result),
            Err(_) => failed("Failed to join thread", result),
        },
    },
    Inbound {
        name: "leaveThread",
        about: "Follow it no longer",
        overlaps: false,
        decode: |args| Ok(Intent::Leave(thread_id(&first::<InThreadJson>(args, FIELDS)?.thread_id)?)),
        reply: |_, result| match result {
            Ok(Answer::Left(thread)) => told("threadLeft", &ThreadIdJson { thread_id: thread.to_string() }),
            Ok(_) => Replies::default(),
            Err(_) => failed("Failed to leave thread", result),
        },
    },
    Inbound {
        name: "sendMessage",
        about: "Send a message",
        overlaps: true,
        decode: send_message,
        reply: sent,
    },
    Inbound {
        name: "markAsRead",
        about: "Mark as read up to a message, or a whole thread; a messageId wins",
        overlaps: false,
        decode: mark_as_read,
        reply: |_, result| match result {
            Ok(_) => Replies { emit: Vec::new(), ack: Some(SUCCESS) },
            Err(_) => failed("Failed to mark as read", result),
        },
    },
    Inbound {
        name: "typing",
        about: "Show or end typing",
        overlaps: false,
        decode: |args| {
            let asked: TypingJson = first(args, FIELDS)?;
            Ok(Intent::Typing { thread: thread_id(&asked.thread_id)?, typing: asked.is_typing })
        },
        reply: |_, result| match result {
            Ok(_) => Replies { emit: Vec::new(), ack: Some(SUCCESS) },
            Err(EventError::Access(ReadError::NotAMember)) => failed("Access denied to this thread", result),
            Err(_) => failed("Failed to set typing", result),
        },
    },
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadIdJson {
    thread_id: String,
}

/// What went well and has nothing more to say. Never made anew: every typing is answered so, asked for or not.
const SUCCESS: Cow<'static, str> = Cow::Borrowed(r#"{"success":true}"#);

/// The `error` event. `code` is foreseen by the contract; `detail` is an addition for the client's developer.
#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    message: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// A failure in an acknowledgement.
#[derive(Debug, Serialize)]
struct FailedJson<'a> {
    success: bool,
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    retryable: bool,
}

#[derive(Debug, Serialize)]
struct SentJson<'a> {
    success: bool,
    message: MessageJson<'a>,
}

fn send_message(args: &[&str]) -> Result<Intent, Refusal> {
    let asked: SendMessageJson = first(args, FIELDS)?;
    let client_key = client_key(asked.client_msg_id.as_deref())?;
    let thread = thread_id(&asked.thread_id)?;
    Ok(Intent::Execute(Command::Send(SendMessage { thread, body: body(&asked.content)?, client_key })))
}

fn sent(actor: &Actor, result: Result<&Answer, &EventError>) -> Replies {
    match result {
        Ok(answer) => {
            let Answer::Executed(outcome) = answer else { return Replies::default() };
            let Outcome::Sent(sent) = outcome.as_ref() else { return Replies::default() };
            let message = MessageJson::from(&sent.message).duplicate(sent.duplicate);
            Replies { emit: Vec::new(), ack: Some(json(&SentJson { success: true, message }).into()) }
        }
        Err(EventError::Command(CommandError::Send(SendError::Denied(_)))) => {
            failed(&errors::role_may_not_send(actor), result)
        }
        Err(_) => failed("Failed to send message", result),
    }
}

fn mark_as_read(args: &[&str]) -> Result<Intent, Refusal> {
    let asked: MarkAsReadJson = first(args, FIELDS)?;
    // As over REST: an id that cannot be is a mistake, even where the other one is enough.
    let thread = asked.thread_id.map(|thread| thread_id(&thread)).transpose()?;
    let (target, own) = match (asked.message_id, thread) {
        (Some(message), _) => (MarkTarget::Message(message_id(&message)?), OwnMessage::Refuse),
        (None, Some(thread)) => (MarkTarget::Thread(thread), OwnMessage::Allow),
        (None, None) => return Ok(Intent::Nothing),
    };
    Ok(Intent::Execute(Command::MarkRead(MarkRead { target, own })))
}

fn told(event: &'static str, payload: &impl Serialize) -> Replies {
    Replies { emit: vec![Frame::new(event, payload)], ack: Some(SUCCESS) }
}

fn failed(message: &str, result: Result<&Answer, &EventError>) -> Replies {
    let Err(error) = result else { return Replies::default() };
    let (code, detail, retryable) = match error {
        EventError::Refused(refusal) => {
            ("invalid-payload", Some(refusal.message.clone().into_owned()), false)
        }
        EventError::Command(failed) => (failed.code(), None, failed.retryable()),
        EventError::Access(failed) => (failed.code(), None, failed.retryable()),
        EventError::Limit(limit) => ("limit-exceeded", Some((*limit).to_owned()), true),
    };
    Replies {
        emit: vec![Frame::new("error", &ErrorJson { message, code, detail: detail.clone() })],
        ack: Some(json(&FailedJson { success: false, error: message, code, detail, retryable }).into()),
    }
}

/// The original passes over what it does not know; a callback, if there is one, is told so.
pub(super) fn unknown(event: &str) -> Replies {
    let detail = Some(format!("there is no event named {}", event.chars().take(64).collect::<String>()));
    let told = FailedJson {
        success: false,
        error: "Unknown event",
        code: "unknown-event",
        detail,
        retryable: false,
    };
    Replies { emit: Vec::new(), ack: Some(json(&told).into()) }
}

/// The token: `auth.token` as it is, or the `Authorization` header without its `Bearer `.
pub(super) fn token(auth: Option<&str>, authorization: Option<&str>) -> Option<String> {
    #[derive(Deserialize)]
    struct Auth {
        token: Option<String>,
    }
    auth.and_then(|auth| parsed::<Auth>(auth.as_bytes()))
        .and_then(|auth| auth.token)
        .filter(|token| !token.is_empty())
        .or_else(|| authorization.map(|header| header.strip_prefix("Bearer ").unwrap_or(header).to_owned()))
}

/// The original lets everyone in and disconnects whom it does not know, without a word.
pub(super) const fn refused(_: &AuthFailure) -> Refused {
    Refused::Disconnected
}

pub(super) fn welcome(actor: &Actor, _: &User) -> Vec<Frame> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ConnectedJson<'a> {
        user_id: &'a str,
        role: &'a str,
        message: &'static str,
    }
    let role = role_text(actor.role.as_ref());
    vec![Frame::new(
        "connected",
        &ConnectedJson { user_id: actor.user.as_str(), role, message: "Connected to messaging" },
    )]
}
