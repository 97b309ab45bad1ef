//! What was found under a thread's lock, for a decision to judge.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::id::{MessageId, ThreadId, UserId};
use crate::job::Work;
use crate::member::Member;
use crate::message::Message;
use crate::seq::{Modseq, Seq};
use crate::text::ClientKey;
use crate::thread::Thread;

/// What a decision needs to see. A store loads just this, under the lock of the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The thread to lock and load.
    pub thread: ThreadId,
    /// Members to load: the acting one, and the one acted upon.
    pub members: Vec<UserId>,
    /// A client key whose message is to be loaded, with its sender.
    pub client_key: Option<(UserId, ClientKey)>,
    /// Messages to load. A message of another thread is found absent.
    pub messages: Vec<MessageId>,
}

impl Scope {
    /// The thread's own row and nothing else.
    #[must_use]
    pub const fn thread(thread: ThreadId) -> Self {
        Self { thread, members: Vec::new(), client_key: None, messages: Vec::new() }
    }

    /// With a member.
    #[must_use]
    pub fn member(mut self, user: UserId) -> Self {
        self.members.push(user);
        self
    }

    /// With the message that `sender` gave this key, if there is one.
    #[must_use]
    pub fn client_key(mut self, sender: UserId, key: ClientKey) -> Self {
        self.client_key = Some((sender, key));
        self
    }

    /// With a message.
    #[must_use]
    pub fn message(mut self, id: MessageId) -> Self {
        self.messages.push(id);
        self
    }
}

/// A decision asked for something that its [`Scope`] did not name: a mistake in the decision, not in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decision looked at a {0} that its scope does not name")]
pub struct NotInScope(pub &'static str);

/// What was found of one thread. "Absent" is `Ok(None)`; "not loaded" is an error, so that a rule cannot take the
/// one for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    thread: Option<Thread>,
    members: BTreeMap<UserId, Option<Member>>,
    keyed: BTreeMap<(UserId, ClientKey), Option<MessageId>>,
    messages: BTreeMap<MessageId, Option<Message>>,
    next_number: u64,
}

impl Snapshot {
    /// A snapshot of `thread` with nothing else loaded. `next_number` is the number that the store will give to the
    /// next message; it must be above that of every message in the thread.
    #[must_use]
    pub const fn new(thread: Option<Thread>, next_number: u64) -> Self {
        Self {
            thread,
            members: BTreeMap::new(),
            keyed: BTreeMap::new(),
            messages: BTreeMap::new(),
            next_number,
        }
    }

    /// For stores: records what was found of a member in the scope.
    pub fn load_member(&mut self, user: UserId, found: Option<Member>) {
        self.members.insert(user, found);
    }

    /// For stores: records what was found under a client key in the scope.
    pub fn load_keyed(&mut self, sender: UserId, key: ClientKey, found: Option<Message>) {
        self.keyed.insert((sender, key), found.as_ref().map(|message| message.id));
        if let Some(message) = found {
            self.messages.insert(message.id, Some(message));
        }
    }

    /// For stores: records what was found of a message in the scope.
    pub fn load_message(&mut self, id: MessageId, found: Option<Message>) {
        self.messages.insert(id, found);
    }

    /// The thread, if it exists.
    #[must_use]
    pub const fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref()
    }

    /// A member in the scope: `None` if there never was one.
    ///
    /// # Errors
    /// [`NotInScope`] if the scope does not name them.
    pub fn member(&self, user: &UserId) -> Result<Option<&Member>, NotInScope> {
        self.members.get(user).map(Option::as_ref).ok_or(NotInScope("member"))
    }

    /// The message that `sender` gave `key` in this thread: `None` if the key is new.
    ///
    /// # Errors
    /// [`NotInScope`] if the scope does not name the key.
    pub fn keyed(&self, sender: &UserId, key: &ClientKey) -> Result<Option<&Message>, NotInScope> {
        match self.keyed.get(&(sender.clone(), key.clone())) {
            None => Err(NotInScope("client key")),
            Some(None) => Ok(None),
            Some(Some(id)) => self.message(*id),
        }
    }

    /// A message in the scope: `None` if this thread has none such.
    ///
    /// # Errors
    /// [`NotInScope`] if the scope does not name it.
    pub fn message(&self, id: MessageId) -> Result<Option<&Message>, NotInScope> {
        self.messages.get(&id).map(Option::as_ref).ok_or(NotInScope("message"))
    }

    /// The number the next message of the thread gets.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next_number
    }

    /// What `change` leaves. Every store uses this, so that two decisions in one batch see each other's effect the
    /// same way everywhere, and a store writes the rows of the last snapshot instead of interpreting changes.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::AppendMessage(message) => {
                if let Some(thread) = &mut self.thread {
                    thread.last_seq = message.seq;
                    thread.last_message_at = message.created_at;
                }
                if let (Some(user), Some(key)) = (message.author.user(), &message.client_key) {
                    self.keyed.insert((user.clone(), key.clone()), Some(message.id));
                }
                self.messages.insert(message.id, Some(message.clone()));
                self.next_number = message.number.saturating_add(1);
            }
            Change::ReplaceMessage(message) => {
                self.messages.insert(message.id, Some(message.clone()));
            }
            Change::PutMember(member) => {
                let was_in =
                    self.members.get(&member.user).and_then(Option::as_ref).is_some_and(Member::takes_part);
                if let Some(thread) = &mut self.thread {
                    match (was_in, member.takes_part()) {
                        (false, true) => thread.member_count = thread.member_count.saturating_add(1),
                        (true, false) => thread.member_count = thread.member_count.saturating_sub(1),
                        (true, true) | (false, false) => {}
                    }
                }
                self.members.insert(member.user.clone(), Some(member.clone()));
            }
            Change::PutThread(fields) => {
                if let Some(thread) = &mut self.thread {
                    thread.subject.clone_from(&fields.subject);
                    thread.context.clone_from(&fields.context);
                    thread.updated_at = fields.updated_at;
                    thread.fields_modseq = fields.fields_modseq;
                }
            }
            // Decisions do not look at summaries.
            Change::AddSummary(_) => {}
            Change::EnqueueJob(job) => match (&job.work, &mut self.thread) {
                (Work::NotifyUnread { .. }, Some(thread)) => thread.notice_due = Some(job.due_at),
                (Work::NotifyUnread { .. }, None) | (Work::NotifyAgain { .. }, _) => {}
            },
            Change::SettleNotices(settled) => {
                if let Some(thread) = &mut self.thread {
                    (thread.notice_due, thread.notice_upto) = (settled.due, settled.upto);
                }
                for (user, upto) in &settled.notified {
                    if let Some(Some(member)) = self.members.get_mut(user) {
                        member.notified = *upto;
                    }
                }
            }
        }
        if let (Some(thread), Some(modseq)) = (&mut self.thread, change.modseq()) {
            thread.modseq = modseq;
        }
    }

    /// The thread's head: its newest seq and its change counter. Zero of both when there is no thread.
    #[must_use]
    pub fn head(&self) -> (Seq, Modseq) {
        self.thread.as_ref().map_or((Seq::ZERO, Modseq::ZERO), |thread| (thread.last_seq, thread.modseq))
    }
}
