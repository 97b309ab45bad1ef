//! Fixtures, and the plainest store there is: rows in maps, changes taken over one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_domain::change::Change;
use tidings_domain::id::{MessageId, Role, ThreadId, UserId};
use tidings_domain::job::Work;
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::messaging::{Mark, OwnMessage, Send, SendMessage};
use tidings_domain::policy::SenderRoles;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::text::{Body, ClientKey, DraftHash};
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::user::Actor;
use uuid::Uuid;

/// When the thread of the tests was opened.
pub(crate) const OPENED_AT: i64 = 1_000;

pub(crate) fn the_thread() -> ThreadId {
    ThreadId::from_uuid(Uuid::from_u128(7))
}

pub(crate) fn user(n: u8) -> UserId {
    format!("u{n}").parse().unwrap()
}

pub(crate) fn role(n: u8) -> Role {
    format!("role{n}").parse().unwrap()
}

pub(crate) fn body(n: u8) -> Body {
    Body::parse(&format!("text {n}")).unwrap()
}

pub(crate) fn key(n: u8) -> ClientKey {
    ClientKey::parse(&format!("key {n}")).unwrap()
}

pub(crate) fn message_id(n: usize) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(1_000 + n as u128))
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn actor(n: u8) -> Actor {
    Actor::new(user(n), None, Origin::Request)
}

pub(crate) fn sending(who: u8, id: usize, text: u8, with: Option<u8>, millis: i64) -> Send {
    let request = SendMessage { thread: the_thread(), body: body(text), client_key: with.map(key) };
    Send {
        actor: actor(who),
        id: message_id(id),
        draft: DraftHash::of_body(&request.body),
        request,
        at: at(millis),
        notice_after_ms: None,
        policy: Arc::new(SenderRoles::default()),
    }
}

pub(crate) fn marking(who: u8, up_to: Option<usize>, own: OwnMessage, millis: i64) -> Mark {
    Mark { actor: actor(who), thread: the_thread(), up_to: up_to.map(message_id), own, at: at(millis) }
}

/// The rows of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) thread: Thread,
    pub(crate) members: BTreeMap<UserId, Member>,
    pub(crate) messages: BTreeMap<Seq, Message>,
}

impl Rows {
    /// A thread with the users 0 to `founders` in it, as a store creates it: one change for each.
    pub(crate) fn opened(founders: u8) -> Self {
        let member = |n: u8| Member {
            modseq: Modseq::new(u64::from(n) + 1),
            ..Member::joining(the_thread(), user(n), role(n), at(OPENED_AT))
        };
        let modseq = Modseq::new(u64::from(founders));
        let thread = Thread {
            id: the_thread(),
            number: 1,
            context: None,
            subject: None,
            member_count: u32::from(founders),
            last_seq: Seq::ZERO,
            last_message_at: at(OPENED_AT),
            modseq,
            fields_modseq: modseq,
            notice_due: None,
            notice_upto: Seq::ZERO,
            created_at: at(OPENED_AT),
            updated_at: at(OPENED_AT),
        };
        let members = (0..founders).map(|n| (user(n), member(n))).collect();
        Self { thread, members, messages: BTreeMap::new() }
    }

    fn message(&self, id: MessageId) -> Option<Message> {
        self.messages.values().find(|message| message.id == id).cloned()
    }

    /// What a store loads for these scopes together.
    pub(crate) fn snapshot(&self, scopes: &[Scope]) -> Snapshot {
        let number = self.messages.values().map(|message| message.number).max().unwrap_or(0) + 1;
        let mut found = Snapshot::new(Some(self.thread.clone()), number);
        for scope in scopes {
            for user in &scope.members {
                found.load_member(user.clone(), self.members.get(user).cloned());
            }
            if let Some((sender, key)) = &scope.client_key {
                let is_it =
                    |m: &&Message| m.author.user() == Some(sender) && m.client_key.as_ref() == Some(key);
                let keyed = self.messages.values().find(is_it).cloned();
                found.load_keyed(sender.clone(), key.clone(), keyed);
            }
            for id in &scope.messages {
                found.load_message(*id, self.message(*id));
            }
        }
        found
    }

    /// Takes over changes. Deliberately not by [`Snapshot::apply`], which is what it is compared with.
    pub(crate) fn write(&mut self, changes: &[Change]) {
        for change in changes {
            match change.clone() {
                Change::AppendMessage(message) => {
                    assert_eq!(message.seq, self.thread.last_seq.next(), "a gap or a double");
                    self.thread.last_seq = message.seq;
                    self.thread.last_message_at = message.created_at;
                    self.messages.insert(message.seq, message);
                }
                Change::ReplaceMessage(message) => {
                    let before =
                        self.messages.insert(message.seq, message.clone()).expect("nothing to replace");
                    assert_eq!(before.id, message.id, "a message moved");
                }
                Change::PutMember(member) => {
                    self.members.insert(member.user.clone(), member);
                    let taking_part = self.members.values().filter(|member| member.takes_part()).count();
                    self.thread.member_count = u32::try_from(taking_part).unwrap();
                }
                Change::PutThread(fields) => {
                    self.thread.subject = fields.subject;
                    self.thread.context = fields.context;
                    self.thread.updated_at = fields.updated_at;
                    self.thread.fields_modseq = fields.fields_modseq;
                }
                Change::AddSummary(_) => {}
                Change::EnqueueJob(job) => {
                    if matches!(job.work, Work::NotifyUnread { .. }) {
                        self.thread.notice_due = Some(job.due_at);
                    }
                    continue;
                }
                Change::SettleNotices(settled) => {
                    (self.thread.notice_due, self.thread.notice_upto) = (settled.due, settled.upto);
                    for (user, upto) in settled.notified {
                        self.members.get_mut(&user).unwrap().notified = upto;
                    }
                    continue;
                }
            }
            self.thread.modseq = self.thread.modseq.next();
        }
    }
}
