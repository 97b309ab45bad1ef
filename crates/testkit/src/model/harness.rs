//! The real thing beside the model.

use std::marker::PhantomData;
use std::sync::Arc;

use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tidings_domain::error::Classify;
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::message::Message;
use tidings_domain::messaging::{
    Before, Extent, Founders, ListThreads, MarkRead, MarkTarget, Messaging, OpenThread, OwnMessage,
    PageMessages, SendMessage,
};
use tidings_domain::page::{PageEnd, PageLimit, ThreadPage};
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use tokio::runtime::Runtime;

use super::reference::{Answer, ModelThread, PAIRS, PEOPLE, Reference, Step, count};
use crate::fixture::{Fixture, Subject};
use crate::people::{Person, body, campaign, key};
use crate::rules::{Refused, Rule, keeping_member, replacing};
use crate::time::T0;

pub(super) struct Harness<S>(PhantomData<S>);

pub(super) struct Real {
    runtime: Arc<Runtime>,
    fixture: Fixture,
    messaging: Messaging,
    threads: [Option<ThreadId>; PAIRS.len()],
    nobody: (ThreadId, MessageId),
}

fn text(text: u8) -> String {
    format!("text {text}")
}

fn person(index: usize) -> Person {
    PEOPLE.get(index).copied().expect("a person")
}

fn refused(error: &impl Classify) -> Answer {
    Answer::Refused(error.code())
}

impl Real {
    fn thread(&self, index: usize) -> ThreadId {
        self.threads.get(index).copied().flatten().unwrap_or(self.nobody.0)
    }

    async fn message(&self, thread: usize, place: usize) -> MessageId {
        let all = self.fixture.messages(self.thread(thread)).await;
        all.get(place).map_or(self.nobody.1, |message| message.id)
    }

    async fn step(&mut self, step: Step) -> Answer {
        match step {
            Step::Wait { millis } => {
                self.fixture.clock.advance(millis);
                Answer::Done
            }
            Step::Open { thread, by } => self.open(thread, by).await,
            Step::Send { thread, by, text: number, key: k } => {
                let send = SendMessage {
                    thread: self.thread(thread),
                    body: body(&text(number)),
                    client_key: k.map(|k| key(&format!("k{k}"))),
                };
                match self.messaging.send(&person(by).actor(), send).await {
                    Ok(sent) => {
                        Answer::Sent { seq: sent.message.message.seq.get(), duplicate: sent.duplicate }
                    }
                    Err(error) => refused(&error),
                }
            }
            Step::MarkThread { thread, by } => self.mark(by, MarkTarget::Thread(self.thread(thread))).await,
            Step::MarkMessage { thread, by, message } => {
                let message = self.message(thread, message).await;
                self.mark(by, MarkTarget::Message(message)).await
            }
            Step::Page { thread, by, before, by_date, limit } => {
                let before = match before {
                    Some(seq) if by_date => Some(self.before_date(thread, seq).await),
                    before => before.map(|seq| Before::Seq(Seq::new(seq))),
                };
                self.page(thread, by, before, limit).await
            }
            Step::Delete { thread, message } => {
                let id = self.message(thread, message).await;
                let at = self.fixture.now();
                self.rule(replacing(self.thread(thread), id, move |it| it.deleted_at = Some(at))).await
            }
            Step::Stand { thread, by, standing } => {
                let user = person(by).id();
                self.rule(keeping_member(self.thread(thread), user, move |it| it.standing = standing)).await
            }
        }
    }

    async fn open(&mut self, index: usize, by: usize) -> Answer {
        let pair = PAIRS.get(index).expect("a pair");
        let open = OpenThread {
            context: campaign(&format!("campaign-{index}")),
            founders: Founders::Given(pair.map(Person::party)),
            subject: None,
        };
        match self.messaging.open_thread(&person(by).actor(), open).await {
            Ok(opened) => {
                *self.threads.get_mut(index).expect("a thread") = Some(opened.thread.thread.id);
                Answer::Opened { created: opened.created }
            }
            Err(error) => refused(&error),
        }
    }

    async fn mark(&self, by: usize, target: MarkTarget) -> Answer {
        let mark = MarkRead { target, own: OwnMessage::Allow };
        match self.messaging.mark_read(&person(by).actor(), mark).await {
            Ok(marked) => Answer::Marked { moved: marked.moved, read: marked.member.marker.seq.get() },
            Err(error) => refused(&error),
        }
    }

    /// Before the date of the message with this seq; where there is none, before the seq itself.
    async fn before_date(&self, thread: usize, seq: u64) -> Before {
        let all = self.fixture.messages(self.thread(thread)).await;
        let message = all.into_iter().find(|message| message.seq.get() == seq);
        message.map_or(Before::Seq(Seq::new(seq)), |message| Before::Time(message.created_at))
    }

    async fn page(&self, thread: usize, by: usize, before: Option<Before>, limit: u32) -> Answer {
        let ask = PageMessages {
            thread: self.thread(thread),
            after: None,
            before,
            from: PageEnd::Newest,
            skip: 0,
            limit: PageLimit::clamped(limit),
            extent: Extent::Whole,
        };
        match self.messaging.page_messages(&person(by).actor(), ask).await {
            Ok(page) => Answer::Page {
                seqs: page.messages.iter().map(|view| view.message.seq.get()).collect(),
                has_older: page.has_older,
            },
            Err(error) => refused(&error),
        }
    }

    async fn rule<T: Send + 'static>(&self, rule: Rule<T>) -> Answer {
        match self.fixture.tries(rule).await.expect("the store works") {
            Ok(_) => Answer::Done,
            Err(Refused(why)) => Answer::Refused(why),
        }
    }

    /// All that can be seen of a thread equals the model.
    async fn compare(&self, id: ThreadId, model: &ModelThread) {
        let roster = self.fixture.stores.threads.members(id).await.expect("the store works");
        let (thread, members) = roster.expect("an opened thread exists");
        let taking_part = members.iter().filter(|member| member.takes_part()).count();
        assert_eq!(thread.last_seq.get(), count(&model.messages));
        assert_eq!(thread.modseq.get(), model.changes);
        assert_eq!(usize::try_from(thread.member_count), Ok(taking_part));
        assert_eq!(thread.last_message_at, at(model.activity()));
        assert_eq!(members.len(), model.members.len());
        for (member, model) in members.iter().zip(&model.members) {
            assert_eq!((&member.user, member.standing), (&model.person.id(), model.standing));
            assert_eq!((member.marker.seq.get(), member.marker.at), (model.read, model.read_at.map(at)));
        }
        let messages = self.fixture.messages(id).await;
        assert_eq!(messages.len(), model.messages.len());
        for ((message, model), seq) in messages.iter().zip(&model.messages).zip(1_u64..) {
            assert_eq!(shown(message), (seq, Some(model.sender.id()), text(model.text), model.is_deleted));
            assert_eq!(message.created_at, at(model.at));
        }
        let mut heard = 0;
        for commit in self.fixture.heard.heard_of(id) {
            assert_eq!(commit.prev.get(), heard, "commits are heard without a gap");
            heard = commit.modseq().get();
        }
        assert_eq!(heard, model.changes);
    }

    /// The list of a person equals the model's, in order.
    async fn compare_list(&self, person: Person, model: &Reference) {
        let page = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
        let views = self.messaging.list_threads(&person.actor(), ListThreads { page }).await.expect("a list");
        assert!(views.rest.is_none(), "so few threads are one piece");
        let found: Vec<_> = views
            .threads
            .iter()
            .map(|view| {
                let listed = view.listed.as_ref().expect("a list shows more");
                let last = listed.last_message.as_ref().map(|last| last.message.seq.get());
                (view.thread.last_message_at, view.thread.id, listed.unread, last)
            })
            .collect();
        let mut expected = Vec::new();
        for (thread, id) in model.threads.iter().zip(self.threads) {
            let (Some(thread), Some(id)) = (thread, id) else { continue };
            let is_listed = |standing| standing == tidings_domain::member::Standing::Active;
            let own = thread.members.iter().find(|member| member.person == person);
            if let Some(own) = own.filter(|own| is_listed(own.standing)) {
                let last = Some(count(&thread.messages)).filter(|last| *last > 0);
                expected.push((at(thread.activity()), id, thread.unread(own), last));
            }
        }
        expected.sort_unstable_by_key(|(activity, id, ..)| std::cmp::Reverse((*activity, *id)));
        assert_eq!(found, expected, "the list of {person:?}");
        let unread: u64 = expected.iter().map(|(_, _, unread, _)| unread).sum();
        let threads = self.fixture.stores.threads.as_ref();
        assert_eq!(threads.unread_of(&person.id(), None, u32::MAX).await, Ok(unread), "of {person:?}");
    }
}

fn at(millis: i64) -> Timestamp {
    T0.plus_millis(millis)
}

fn shown(message: &Message) -> (u64, Option<tidings_domain::id::UserId>, String, bool) {
    let sender = message.author.user().cloned();
    (message.seq.get(), sender, message.body.as_str().to_owned(), message.deleted_at.is_some())
}

impl<S: Subject> StateMachineTest for Harness<S> {
    type SystemUnderTest = Real;
    type Reference = Reference;

    fn init_test(_: &Reference) -> Real {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let fixture = runtime.block_on(Fixture::open::<S>());
        let messaging = fixture.messaging();
        let nobody = (fixture.thread_id(), fixture.message_id());
        Real { runtime: Arc::new(runtime), fixture, messaging, threads: [None; PAIRS.len()], nobody }
    }

    fn apply(mut real: Real, model: &Reference, step: Step) -> Real {
        let runtime = Arc::clone(&real.runtime);
        let answer = runtime.block_on(real.step(step.clone()));
        assert_eq!(Some(&answer), model.answer.as_ref(), "{step:?}");
        real
    }

    fn check_invariants(real: &Real, model: &<Reference as ReferenceStateMachine>::State) {
        real.runtime.block_on(async {
            for (thread, id) in model.threads.iter().zip(real.threads) {
                assert_eq!(thread.is_some(), id.is_some());
                if let (Some(thread), Some(id)) = (thread, id) {
                    real.compare(id, thread).await;
                }
            }
            for person in PEOPLE {
                real.compare_list(person, model).await;
            }
        });
    }
}
