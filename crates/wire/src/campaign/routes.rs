//! The REST routes (contract section 3).

use std::str::FromStr;

use tidings_domain::context::Party;
use tidings_domain::id::{ContextId, MessageId, Role, ThreadId, UserId};
use tidings_domain::messaging::{
    Before, Command, CommandError, Extent, FindThread, Founders, ListThreads, MarkRead, MarkTarget,
    MessagesView, OpenThread, Outcome, OwnMessage, PageMessages, SendMessage, ThreadsView,
};
use tidings_domain::page::{About, PageEnd, PageLimit, ThreadPage};
use tidings_domain::text::{Body, ClientKey, Subject, is_blank};
use tidings_domain::user::Actor;

use super::fields::{BEFORE, CLIENT_MSG_ID, CONTENT, FIELDS, SUBJECT};
use super::shapes::{ContentJson, MessageJson, NewMessagesJson, OpenThreadJson, ThreadJson, is_shown};
use super::{ADVERTISER, PROMOTER, campaign, errors, kind, summaries};
use crate::frame::items;
use crate::iso;
use crate::payload::Refusal;
use crate::rest::{Method, Problem, Reply, RestRequest, Route};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/threads",
        about: "Open the thread of an advertiser and a promoter about a campaign",
        decode: open_thread,
        encode: opened,
    },
    Route {
        method: Method::Get,
        path: "/threads",
        about: "List the caller's threads, latest activity first",
        decode: list_threads,
        encode: threads,
    },
    Route {
        method: Method::Get,
        path: "/threads/{threadId}",
        about: "One thread",
        decode: |request| Ok(Command::ViewThread(thread_id(request.param("threadId"))?)),
        encode: thread,
    },
    Route {
        method: Method::Post,
        path: "/threads/{threadId}/messages",
        about: "Send a message",
        decode: send_message,
        encode: sent,
    },
    Route {
        method: Method::Get,
        path: "/threads/{threadId}/messages",
        about: "Messages, newest first",
        decode: page_messages,
        encode: messages,
    },
    Route {
        method: Method::Patch,
        path: "/threads/{threadId}/read",
        about: "Mark the whole thread as read",
        decode: |request| {
            let target = MarkTarget::Thread(thread_id(request.param("threadId"))?);
            Ok(Command::MarkRead(MarkRead { target, own: OwnMessage::Allow }))
        },
        encode: |actor, result| marked(result, |failed| errors::command(actor, failed)),
    },
    Route {
        method: Method::Patch,
        path: "/messages/{messageId}/read",
        about: "Mark as read up to a message",
        decode: |request| {
            let target = MarkTarget::Message(message_id(request.param("messageId"))?);
            // The message says which thread it is in; a thread that cannot be is a mistake all the same.
            request.query("threadId").map(thread_id).transpose()?;
            Ok(Command::MarkRead(MarkRead { target, own: OwnMessage::Refuse }))
        },
        encode: |actor, result| marked(result, |failed| errors::message_command(actor, failed)),
    },
    Route {
        method: Method::Get,
        path: "/campaigns/{campaignId}/thread",
        about: "The caller's thread about a campaign; null when there is none",
        decode: find_thread,
        encode: found,
    },
    Route {
        method: Method::Get,
        path: "/campaigns/{campaignId}/has-new-messages",
        about: "How many messages are unread in the caller's threads about a campaign",
        decode: |request| Ok(Command::UnreadAbout(campaign(campaign_id(request.param("campaignId"))?))),
        encode: has_new_messages,
    },
    Route {
        method: Method::Post,
        path: "/threads/{threadId}/summaries",
        about: "Add a summary",
        decode: summaries::add,
        encode: summaries::added,
    },
    Route {
        method: Method::Get,
        path: "/threads/{threadId}/summaries",
        about: "Summaries, newest first",
        decode: summaries::list,
        encode: summaries::listed,
    },
];

/// How much of a malformed value is repeated to its sender, in characters.
const ECHO_CHARS_MAX: usize = 64;

fn id<T: FromStr>(what: &str, received: &str) -> Result<T, Refusal> {
    received.parse().map_err(|_| {
        let echo: String = received.chars().take(ECHO_CHARS_MAX).collect();
        Refusal::invalid(format!("Invalid {what} ID format. Expected UUID format, received: {echo}"))
    })
}

pub(super) fn thread_id(received: &str) -> Result<ThreadId, Refusal> {
    id("thread", received)
}

pub(super) fn message_id(received: &str) -> Result<MessageId, Refusal> {
    id("message", received)
}

fn campaign_id(received: &str) -> Result<ContextId, Refusal> {
    id("campaign", received)
}

pub(super) fn body(content: &str) -> Result<Body, Refusal> {
    Body::parse(content).map_err(|error| CONTENT.refuse_text(&error))
}

pub(super) fn client_key(key: Option<&str>) -> Result<Option<ClientKey>, Refusal> {
    key.map(ClientKey::parse).transpose().map_err(|error| CLIENT_MSG_ID.refuse_text(&error))
}

fn open_thread(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let asked: OpenThreadJson = request.json(FIELDS)?;
    let promoter = asked.promoter_id.map(|id| party("promoterId", &id, PROMOTER)).transpose()?;
    let advertiser = asked.advertiser_id.map(|id| party("advertiserId", &id, ADVERTISER)).transpose()?;
    let founders = match (promoter, advertiser) {
        (Some(promoter), Some(advertiser)) => Founders::Given([promoter, advertiser]),
        (Some(party), None) => Founders::Named { party, other: role(ADVERTISER)? },
        (None, Some(party)) => Founders::Named { party, other: role(PROMOTER)? },
        (None, None) => Founders::OfContext,
    };
    let subject = asked
        .subject
        .filter(|subject| !is_blank(subject))
        .map(|subject| Subject::parse(&subject))
        .transpose()
        .map_err(|error| SUBJECT.refuse_text(&error))?;
    Ok(Command::OpenThread(OpenThread {
        context: campaign(campaign_id(&asked.campaign_id)?),
        founders,
        subject,
    }))
}

fn party(field: &str, user: &str, of: &str) -> Result<Party, Refusal> {
    let user: UserId = user.parse().map_err(|error| Refusal::invalid(format!("{field} {error}")))?;
    Ok(Party { user, role: role(of)? })
}

fn role(role: &str) -> Result<Role, Refusal> {
    role.parse().map_err(|error| Refusal::invalid(format!("role {error}")))
}

fn list_threads(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let (skip, limit) = paging(request)?;
    let about = match request.query("campaignId") {
        Some(id) => About::Object(campaign(campaign_id(id)?)),
        None => About::Kind(kind()),
    };
    let skip = u32::try_from(skip).unwrap_or(u32::MAX);
    Ok(Command::ListThreads(ListThreads {
        page: ThreadPage { about: Some(about), below: None, skip, limit },
    }))
}

fn page_messages(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let (skip, limit) = paging(request)?;
    let before = request
        .query("before")
        .map(|text| {
            let at = iso::parse_as_javascript(text);
            at.map(Before::Time).ok_or_else(|| BEFORE.refuse())
        })
        .transpose()?;
    let thread = thread_id(request.param("threadId"))?;
    // Whoever asks with `before` asks on from the oldest message that they got; whoever counts pages does not.
    let extent = if before.is_some() && skip == 0 { Extent::MayEndEarly } else { Extent::Whole };
    Ok(Command::PageMessages(PageMessages {
        thread,
        after: None,
        before,
        from: PageEnd::Newest,
        skip,
        limit,
        extent,
    }))
}

/// `page` counts from 1 and means nothing without `limit`; zero and what is no number count as not given, as in the
/// original, whose unlimited default and database errors on negative numbers are not kept.
fn paging(request: &RestRequest<'_>) -> Result<(u64, PageLimit), Refusal> {
    let number = |name: &'static str| match request.query(name).map(str::parse::<i64>) {
        Some(Ok(number)) if number < 0 => Err(Refusal::invalid(format!("{name} must not be negative"))),
        Some(Ok(number)) => Ok(u64::try_from(number).ok().filter(|number| *number > 0)),
        Some(Err(_)) | None => Ok(None),
    };
    let page = number("page")?.unwrap_or(1);
    let Some(limit) = number("limit")? else { return Ok((0, PageLimit::MAX)) };
    let limit = PageLimit::clamped(u32::try_from(limit).unwrap_or(u32::MAX));
    Ok(((page - 1).saturating_mul(u64::from(limit.get())), limit))
}

/// The oldest client names the two sides too; they narrow the search.
fn find_thread(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let context = campaign(campaign_id(request.param("campaignId"))?);
    let with = ["promoterId", "advertiserId"]
        .into_iter()
        .filter_map(|field| request.query(field).map(|user| (field, user)))
        .map(|(field, user)| user.parse().map_err(|error| Refusal::invalid(format!("{field} {error}"))))
        .collect::<Result<Vec<UserId>, Refusal>>()?;
    Ok(Command::FindThread(FindThread { context, with }))
}

fn send_message(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let thread = thread_id(request.param("threadId"))?;
    let asked: ContentJson = request.json(FIELDS)?;
    let client_key = client_key(asked.client_msg_id.as_deref())?;
    Ok(Command::Send(SendMessage { thread, body: body(&asked.content)?, client_key }))
}

pub(super) type Done<'a> = Result<&'a Outcome, &'a CommandError>;

/// An outcome of another command than the route's own cannot come; if it does, it is a mistake of ours.
pub(super) fn mismatch() -> Reply {
    errors::problem(&Problem::Internal)
}

fn opened(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Opened(opened)) if opened.created => Reply::json(201, &ThreadJson::bare(&opened.thread)),
        Ok(Outcome::Opened(_)) => errors::error(400, "Thread already exists for this campaign and users"),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

fn threads(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Threads(page)) if page.rest.is_none() => {
            Reply::json(200, &shown_threads(page).collect::<Vec<_>>())
        }
        Ok(outcome @ Outcome::Threads(_)) => Reply::array(200, thread_items(actor, outcome), thread_items),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

fn shown_threads(page: &ThreadsView) -> impl Iterator<Item = ThreadJson<'_>> {
    page.threads.iter().filter(|view| super::expresses(&view.thread)).map(ThreadJson::full)
}

fn thread_items(_: &Actor, outcome: &Outcome) -> String {
    let Outcome::Threads(page) = outcome else { return String::new() };
    items(shown_threads(page))
}

fn thread(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Thread(view)) if !super::expresses(&view.thread) => errors::no_thread(),
        Ok(Outcome::Thread(view)) => Reply::json(200, &ThreadJson::full(view)),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

/// None is JSON `null`, which every known client takes for "no thread".
fn found(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Found(view)) => Reply::json(200, &view.as_deref().map(ThreadJson::full)),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

fn has_new_messages(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Unread(unread)) => Reply::json(200, &NewMessagesJson::of(*unread)),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

fn sent(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Sent(sent)) => {
            Reply::json(201, &MessageJson::from(&sent.message).duplicate(sent.duplicate))
        }
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

fn messages(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Messages(page)) if !super::expresses(&page.thread) => errors::no_thread(),
        Ok(Outcome::Messages(page)) if page.rest.is_none() => {
            Reply::json(200, &newest_first(page).collect::<Vec<_>>())
        }
        Ok(outcome @ Outcome::Messages(_)) => Reply::array(200, message_items(actor, outcome), message_items),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

/// As the pieces of a page come that is taken from the newest end.
fn newest_first(page: &MessagesView) -> impl Iterator<Item = MessageJson<'_>> {
    page.messages.iter().rev().filter(|view| is_shown(view)).map(MessageJson::from)
}

fn message_items(_: &Actor, outcome: &Outcome) -> String {
    let Outcome::Messages(page) = outcome else { return String::new() };
    items(newest_first(page))
}

fn marked(result: Done<'_>, failure: impl Fn(&CommandError) -> Reply) -> Reply {
    match result {
        Ok(Outcome::Marked(_)) => Reply::empty(200),
        Ok(_) => mismatch(),
        Err(failed) => failure(failed),
    }
}
