//! What the others hear (contract section 4, delivery rules of section 7).

use serde::Serialize;
use tidings_domain::change::Change;
use tidings_domain::member::{MarkedVia, Member, unread};
use tidings_domain::message::Origin;
use tidings_domain::typing::TypingChange;

use super::shapes::MessageJson;
use crate::dialect::Heard;
use crate::frame::{Audience, Frame, Outbound, Reach};

pub(super) fn commit(heard: &Heard<'_>) -> Vec<Outbound> {
    if heard.commit.origin == Origin::Import {
        return Vec::new();
    }
    match heard.change {
        Change::AppendMessage(_) => heard.message.map(new_message).into_iter().collect(),
        Change::PutMember(member) => marker_moved(heard, member),
        // The dialect knows no edits and no changes of a thread's own fields, and tells nobody of a summary.
        Change::ReplaceMessage(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_)
        | Change::SettleNotices(_) => Vec::new(),
    }
}

/// Every socket of the counterpart hears it, joined or not. The sender's joined sockets hear it too when it came
/// over a socket, because the guide's client shows its own messages from this echo alone; not when it came over
/// REST, because the newer client would count it as unread.
fn new_message(view: &tidings_domain::messaging::MessageView) -> Outbound {
    let own = match view.message.origin {
        Origin::Session(_) => Reach::Joined,
        Origin::Request | Origin::Import => Reach::Nobody,
    };
    Outbound {
        frame: Frame::new("newMessage", &MessageJson::from(view)),
        audience: Audience { actor: view.message.author.user().cloned(), own, others: Reach::Everyone },
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageReadJson<'a> {
    message_id: String,
    user_id: &'a str,
    thread_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadReadJson<'a> {
    thread_id: String,
    user_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadUpdatedJson {
    thread_id: String,
    unread_count: u64,
    action: &'static str,
}

fn marker_moved(heard: &Heard<'_>, member: &Member) -> Vec<Outbound> {
    if !member.just_marked() {
        return Vec::new();
    }
    let thread_id = member.thread.to_string();
    let user_id = member.user.as_str();
    let to_others = |frame| Outbound {
        frame,
        audience: Audience { actor: Some(member.user.clone()), own: Reach::Nobody, others: Reach::Everyone },
    };
    match member.marker.via {
        MarkedVia::Send => Vec::new(),
        MarkedVia::Message(id) => {
            let message_id = id.to_string();
            vec![to_others(Frame::new("messageRead", &MessageReadJson { message_id, user_id, thread_id }))]
        }
        MarkedVia::Thread => {
            let mut frames = vec![to_others(Frame::new(
                "threadRead",
                &ThreadReadJson { thread_id: thread_id.clone(), user_id },
            ))];
            if heard.commit.origin == Origin::Request {
                let unread_count = unread(heard.commit.thread.last_seq, member.unread_above(), 0);
                let updated = ThreadUpdatedJson { thread_id, unread_count, action: "marked_as_read" };
                frames.push(Outbound {
                    frame: Frame::new("threadUpdated", &updated),
                    audience: Audience {
                        actor: Some(member.user.clone()),
                        own: Reach::Everyone,
                        others: Reach::Nobody,
                    },
                });
            }
            frames
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTypingJson<'a> {
    thread_id: String,
    user_id: &'a str,
    is_typing: bool,
}

pub(super) fn typing(change: &TypingChange) -> Option<Outbound> {
    let payload = UserTypingJson {
        thread_id: change.thread.to_string(),
        user_id: change.user.as_str(),
        is_typing: change.typing,
    };
    Some(Outbound {
        frame: Frame::new("userTyping", &payload),
        audience: Audience { actor: Some(change.user.clone()), own: Reach::Nobody, others: Reach::Everyone },
    })
}
