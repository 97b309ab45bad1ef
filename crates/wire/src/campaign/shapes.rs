//! JSON shapes of the dialect (contract section 2).

use serde::{Deserialize, Serialize};
use tidings_domain::id::Role;
use tidings_domain::member::Member;
use tidings_domain::message::{Author, Message};
use tidings_domain::messaging::{MessageView, ThreadView};
use tidings_domain::user::User;

use super::{ADVERTISER, PROMOTER};
use crate::iso;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserJson<'a> {
    id: &'a str,
    username: &'a str,
    profile_picture_url: Option<&'a str>,
}

impl<'a> From<&'a User> for UserJson<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id.as_str(), username: &user.name, profile_picture_url: user.avatar_url.as_deref() }
    }
}

/// A message. `seq`, `clientMsgId` and `duplicate` are additions: a client that does not know them passes them over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageJson<'a> {
    id: String,
    thread_id: String,
    sender_id: Option<&'a str>,
    sender_type: &'a str,
    content: &'a str,
    is_read: bool,
    created_at: String,
    updated_at: String,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<UserJson<'a>>,
}

impl<'a> From<&'a MessageView> for MessageJson<'a> {
    fn from(view: &'a MessageView) -> Self {
        let message = &view.message;
        let sender_type = match &message.author {
            Author::Member { role, .. } => role.as_str(),
            Author::System => "SYSTEM",
        };
        Self {
            id: message.id.to_string(),
            thread_id: message.thread.to_string(),
            sender_id: message.author.user().map(tidings_domain::id::UserId::as_str),
            sender_type,
            content: message.body.as_str(),
            is_read: view.is_read(),
            created_at: iso::format(message.created_at),
            updated_at: iso::format(updated_at(message)),
            seq: message.seq.get(),
            client_msg_id: message.client_key.as_ref().map(tidings_domain::text::ClientKey::as_str),
            duplicate: false,
            sender: view.sender.as_deref().map(UserJson::from),
        }
    }
}

impl MessageJson<'_> {
    pub(super) const fn duplicate(mut self, duplicate: bool) -> Self {
        self.duplicate = duplicate;
        self
    }
}

fn updated_at(message: &Message) -> tidings_domain::time::Timestamp {
    message.deleted_at.or(message.edited_at).unwrap_or(message.created_at)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CampaignJson<'a> {
    id: &'a str,
    title: &'a str,
    is_public: bool,
}

/// A thread. With relations in GETs; without them in the answer to its creation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadJson<'a> {
    id: String,
    campaign_id: &'a str,
    promoter_id: Option<&'a str>,
    advertiser_id: Option<&'a str>,
    subject: Option<&'a str>,
    last_message_at: String,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<CampaignJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promoter: Option<UserJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advertiser: Option<UserJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<MessageJson<'a>>>,
}

impl<'a> ThreadJson<'a> {
    /// The thread alone, as the answer to its creation.
    pub(super) fn bare(view: &'a ThreadView) -> Self {
        let thread = &view.thread;
        let campaign_id = thread.context.as_ref().map_or("", |context| context.id.as_str());
        Self {
            id: thread.id.to_string(),
            campaign_id,
            promoter_id: in_role(view, PROMOTER).map(|user| user.id.as_str()),
            advertiser_id: in_role(view, ADVERTISER).map(|user| user.id.as_str()),
            subject: thread.subject.as_ref().map(tidings_domain::text::Subject::as_str),
            last_message_at: iso::format(thread.last_message_at),
            created_at: iso::format(thread.created_at),
            // The original touches the row with every message.
            updated_at: iso::format(thread.updated_at.max(thread.last_message_at)),
            campaign: None,
            promoter: None,
            advertiser: None,
            unread_count: None,
            messages: None,
        }
    }

    /// The thread with its campaign and its two sides, and in a list with its newest message and unread count.
    pub(super) fn full(view: &'a ThreadView) -> Self {
        let bare = Self::bare(view);
        // A campaign that the host has not told about goes by its subject, or else by its id.
        let title = view.context.as_ref().map_or(bare.subject.unwrap_or(bare.campaign_id), |of| &of.title);
        let last =
            view.listed.as_ref().map(|listed| listed.last_message.iter().filter(|last| is_shown(last)));
        Self {
            campaign: Some(CampaignJson {
                id: bare.campaign_id,
                title,
                is_public: view.context.as_ref().is_some_and(|of| of.is_public),
            }),
            promoter: in_role(view, PROMOTER).map(UserJson::from),
            advertiser: in_role(view, ADVERTISER).map(UserJson::from),
            unread_count: view.listed.as_ref().map(|listed| listed.unread),
            messages: last.map(|last| last.map(MessageJson::from).collect()),
            ..bare
        }
    }
}

/// What the newer client polls for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewMessagesJson {
    has_new_messages: bool,
    unread_count: u64,
}

impl NewMessagesJson {
    pub(super) const fn of(unread: u64) -> Self {
        Self { has_new_messages: unread > 0, unread_count: unread }
    }
}

/// Whether the dialect has a word for the message: it knows no deleted ones.
pub(super) const fn is_shown(view: &MessageView) -> bool {
    view.message.deleted_at.is_none()
}

fn in_role<'a>(view: &'a ThreadView, role: &str) -> Option<&'a User> {
    let has = |member: &Member| member.role.as_str() == role;
    view.members.iter().find(|(member, _)| has(member)).map(|(_, user)| &**user)
}

/// The body of a thread's creation. The clients' generations differ: both sides, none, or `promoterId` alone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenThreadJson {
    pub(super) campaign_id: String,
    pub(super) promoter_id: Option<String>,
    pub(super) advertiser_id: Option<String>,
    pub(super) subject: Option<String>,
}

/// The body of a message sent over REST.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentJson {
    pub(super) content: String,
    #[serde(alias = "clientMessageId")]
    pub(super) client_msg_id: Option<String>,
}

/// The payload of a message sent over a socket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessageJson {
    pub(super) thread_id: String,
    pub(super) content: String,
    #[serde(alias = "clientMessageId")]
    pub(super) client_msg_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InThreadJson {
    pub(super) thread_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarkAsReadJson {
    pub(super) thread_id: Option<String>,
    pub(super) message_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypingJson {
    pub(super) thread_id: String,
    pub(super) is_typing: bool,
}

/// A role's text, for messages to people.
pub(super) fn role_text(role: Option<&Role>) -> &str {
    role.map_or("none", Role::as_str)
}
