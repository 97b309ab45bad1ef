//! What answers show: rows together with the names and marks that belong to them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Messaging;
use super::reading_on::MessagesRest;
use crate::context::{Context, ContextRef};
use crate::error::StoreError;
use crate::id::UserId;
use crate::member::Member;
use crate::message::Message;
use crate::page::ThreadEntry;
use crate::thread::Thread;
use crate::time::Timestamp;
use crate::user::User;

/// A message as a member sees it.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// The message.
    pub message: Message,
    /// Who wrote it, unless the system did.
    pub sender: Option<Arc<User>>,
    /// When the last of the other members' markers passed it; `None` while somebody has not read it.
    pub read_at: Option<Timestamp>,
}

impl MessageView {
    /// A message that nobody else can have read yet.
    #[must_use]
    pub const fn fresh(message: Message, sender: Option<Arc<User>>) -> Self {
        Self { message, sender, read_at: None }
    }

    /// A message with its read state by the markers of `members`.
    #[must_use]
    pub fn of(message: Message, sender: Option<Arc<User>>, members: &[Member]) -> Self {
        let read_at = read_at(&message, members);
        Self { message, sender, read_at }
    }

    /// Whether every other member has read it.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.read_at.is_some()
    }
}

/// When the last of the markers of those who take part, the author apart, passed `message`. `None` while one has not,
/// and while there is nobody else. A member whose view begins behind the message need not read it, and has not read it
/// either.
fn read_at(message: &Message, members: &[Member]) -> Option<Timestamp> {
    let mut last = None;
    for member in members {
        if !member.takes_part() || message.author.user() == Some(&member.user) {
            continue;
        }
        if member.marker.seq >= message.seq {
            last = last.max(member.marker.at);
        } else if member.sees(message.seq) {
            return None;
        }
    }
    last
}

/// A thread as one of its members sees it.
#[derive(Debug, Clone)]
pub struct ThreadView {
    /// The thread.
    pub thread: Thread,
    /// The viewer's own membership.
    pub member: Member,
    /// The members that a view shows, with what the directory knows of them, the viewer's own among them.
    pub members: Vec<(Member, Arc<User>)>,
    /// What the host told of the thread's context, if anything.
    pub context: Option<Arc<Context>>,
    /// What only lists show.
    pub listed: Option<Listed>,
}

/// What a list shows of a thread beyond the thread itself.
#[derive(Debug, Clone)]
pub struct Listed {
    /// How many messages are unread.
    pub unread: u64,
    /// The newest message that the viewer may see.
    pub last_message: Option<MessageView>,
}

/// A page of a thread's messages.
#[derive(Debug, Clone)]
pub struct MessagesView {
    /// The thread.
    pub thread: Thread,
    /// The messages, by seq upwards.
    pub messages: Vec<MessageView>,
    /// Whether there are older ones that the viewer may see.
    pub has_older: bool,
    /// What is left of the page.
    pub rest: Option<MessagesRest>,
}

/// A thread outside of a list.
pub(super) async fn thread_view(
    messaging: &Messaging,
    thread: Thread,
    member: Member,
    members: Vec<Member>,
) -> Result<ThreadView, StoreError> {
    let contexts = contexts_of(messaging, std::slice::from_ref(&thread)).await?;
    let users: Vec<UserId> = members.iter().map(|member| member.user.clone()).collect();
    let profiles = messaging.profiles(&users).await?;
    let context = thread.context.as_ref().and_then(|of| contexts.get(of)).map(Arc::clone);
    let members = members.into_iter().zip(profiles).collect();
    Ok(ThreadView { thread, member, members, context, listed: None })
}

/// The rows of a list: two look-ups for all of them together, however many there are.
pub(super) async fn thread_views(
    messaging: &Messaging,
    entries: Vec<ThreadEntry>,
) -> Result<Vec<ThreadView>, StoreError> {
    let threads: Vec<Thread> = entries.iter().map(|entry| entry.thread.clone()).collect();
    let contexts = contexts_of(messaging, &threads).await?;
    let mut users: Vec<UserId> =
        entries.iter().flat_map(|entry| &entry.members).map(|member| member.user.clone()).collect();
    users.extend(entries.iter().filter_map(|entry| entry.last_message.as_ref()?.author.user().cloned()));
    users.sort_unstable();
    users.dedup();
    let profiles: HashMap<UserId, Arc<User>> =
        users.iter().cloned().zip(messaging.profiles(&users).await?).collect();
    let known =
        |user: &UserId| profiles.get(user).map_or_else(|| Arc::new(User::unknown(user.clone())), Arc::clone);
    let view = |entry: ThreadEntry| {
        let last_message = entry.last_message.map(|message| {
            let sender = message.author.user().map(known);
            MessageView::of(message, sender, &entry.members)
        });
        ThreadView {
            context: entry.thread.context.as_ref().and_then(|of| contexts.get(of)).map(Arc::clone),
            thread: entry.thread,
            member: entry.member,
            members: entry.members.into_iter().map(|member| (member.clone(), known(&member.user))).collect(),
            listed: Some(Listed { unread: entry.unread, last_message }),
        }
    };
    Ok(entries.into_iter().map(view).collect())
}

async fn contexts_of(
    messaging: &Messaging,
    threads: &[Thread],
) -> Result<HashMap<ContextRef, Arc<Context>>, StoreError> {
    let mut references: Vec<ContextRef> =
        threads.iter().filter_map(|thread| thread.context.clone()).collect();
    references.sort_unstable();
    references.dedup();
    if references.is_empty() {
        return Ok(HashMap::new());
    }
    let contexts = messaging.deps().directory.contexts(&references).await?;
    Ok(contexts.into_iter().map(|context| (context.reference.clone(), Arc::new(context))).collect())
}
