//! The naive model: lists that are walked, nothing kept twice.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use tidings_domain::member::Standing;

use crate::people::{ALICE, BOB, CAROL, DAVE, Person};

/// Who acts. Dave is in no thread.
pub(super) const PEOPLE: [Person; 4] = [ALICE, BOB, CAROL, DAVE];
/// Between whom each thread is.
pub(super) const PAIRS: [[Person; 2]; 3] = [[ALICE, BOB], [ALICE, CAROL], [BOB, CAROL]];

/// A step. Threads and people count [`PAIRS`] and [`PEOPLE`]; a message is the index of its place in its thread.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Wait {
        millis: i64,
    },
    Open {
        thread: usize,
        by: usize,
    },
    Send {
        thread: usize,
        by: usize,
        text: u8,
        key: Option<u8>,
    },
    MarkThread {
        thread: usize,
        by: usize,
    },
    MarkMessage {
        thread: usize,
        by: usize,
        message: usize,
    },
    /// Before a place, by its seq or by the date of the message there.
    Page {
        thread: usize,
        by: usize,
        before: Option<u64>,
        by_date: bool,
        limit: u32,
    },
    Delete {
        thread: usize,
        message: usize,
    },
    Stand {
        thread: usize,
        by: usize,
        standing: Standing,
    },
}

/// What a step answers: enough to tell right from wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Opened { created: bool },
    Sent { seq: u64, duplicate: bool },
    Marked { moved: bool, read: u64 },
    Page { seqs: Vec<u64>, has_older: bool },
    Refused(&'static str),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    pub(super) now: i64,
    pub(super) threads: [Option<ModelThread>; PAIRS.len()],
    /// What the last step answers.
    pub(super) answer: Option<Answer>,
}

#[derive(Debug, Clone)]
pub(super) struct ModelThread {
    pub(super) messages: Vec<ModelMessage>,
    pub(super) members: Vec<ModelMember>,
    /// How many changes there were.
    pub(super) changes: u64,
    pub(super) opened_at: i64,
}

#[derive(Debug, Clone)]
pub(super) struct ModelMessage {
    pub(super) sender: Person,
    pub(super) text: u8,
    pub(super) key: Option<u8>,
    pub(super) at: i64,
    pub(super) is_deleted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ModelMember {
    pub(super) person: Person,
    pub(super) standing: Standing,
    pub(super) read: u64,
    pub(super) read_at: Option<i64>,
    /// 0 by sending, 1 up to a message, 2 the whole thread.
    pub(super) strength: u8,
}

impl ModelMember {
    fn joining(person: Person) -> Self {
        Self { person, standing: Standing::Active, read: 0, read_at: None, strength: 0 }
    }

    fn takes_part(&self) -> bool {
        self.standing == Standing::Active || self.standing == Standing::Hidden
    }

    fn mark(&mut self, seq: u64, at: i64, strength: u8) -> bool {
        let moves = seq > self.read || (seq > 0 && seq == self.read && strength > self.strength);
        if moves {
            (self.read, self.read_at, self.strength) = (seq, Some(at), strength);
        }
        moves
    }
}

pub(super) fn count(messages: &[ModelMessage]) -> u64 {
    u64::try_from(messages.len()).expect("few messages")
}

impl ModelThread {
    pub(super) fn activity(&self) -> i64 {
        self.messages.last().map_or(self.opened_at, |message| message.at)
    }

    /// One by one, over all messages.
    pub(super) fn unread(&self, member: &ModelMember) -> u64 {
        let numbered = self.messages.iter().zip(1_u64..);
        let unread = numbered.filter(|(message, seq)| *seq > member.read && !message.is_deleted);
        u64::try_from(unread.count()).expect("few messages")
    }

    fn takes_part(&mut self, person: Person) -> Option<&mut ModelMember> {
        self.members.iter_mut().find(|member| member.person == person && member.takes_part())
    }
}

fn person(index: usize) -> Person {
    PEOPLE.get(index).copied().expect("a person")
}

impl Reference {
    fn thread(&mut self, index: usize) -> Option<&mut ModelThread> {
        self.threads.get_mut(index).and_then(Option::as_mut)
    }

    fn open(&mut self, index: usize, by: Person) -> Answer {
        let pair = PAIRS.get(index).expect("a pair");
        let now = self.now;
        if !pair.contains(&by) {
            return Answer::Refused("not-a-party");
        }
        match self.thread(index) {
            None => {
                let members = pair.iter().copied().map(ModelMember::joining).collect();
                let made = ModelThread { messages: Vec::new(), members, changes: 2, opened_at: now };
                *self.threads.get_mut(index).expect("a thread") = Some(made);
                Answer::Opened { created: true }
            }
            Some(thread) => {
                let own = thread.members.iter_mut().find(|member| member.person == by).expect("a founder");
                if own.standing == Standing::Removed {
                    return Answer::Refused("removed-from-thread");
                }
                if own.standing != Standing::Active {
                    own.standing = Standing::Active;
                    thread.changes += 1;
                }
                Answer::Opened { created: false }
            }
        }
    }

    fn send(&mut self, index: usize, by: Person, text: u8, key: Option<u8>) -> Answer {
        let now = self.now;
        let Some(thread) = self.thread(index) else { return Answer::Refused("thread-not-found") };
        let at = thread.messages.last().map_or(thread.opened_at, |message| message.at + 1).max(now);
        let next = count(&thread.messages) + 1;
        let first = thread
            .messages
            .iter()
            .zip(1_u64..)
            .find(|(message, _)| key.is_some() && message.sender == by && message.key == key)
            .map(|(message, seq)| (message.text, seq));
        let Some(own) = thread.takes_part(by) else { return Answer::Refused("not-a-member") };
        match first {
            Some((same, seq)) if same == text => return Answer::Sent { seq, duplicate: true },
            Some(_) => return Answer::Refused("client-key-reused"),
            None => {}
        }
        own.mark(next, at, 0);
        thread.messages.push(ModelMessage { sender: by, text, key, at, is_deleted: false });
        thread.changes += 2;
        Answer::Sent { seq: next, duplicate: false }
    }

    fn mark(&mut self, index: usize, by: Person, message: Option<usize>) -> Answer {
        let now = self.now;
        let unknown = if message.is_some() { "message-not-found" } else { "thread-not-found" };
        let Some(thread) = self.thread(index) else { return Answer::Refused(unknown) };
        let (seq, strength) = match message {
            None => (count(&thread.messages), 2),
            Some(place) if place < thread.messages.len() => (u64::try_from(place).expect("few") + 1, 1),
            Some(_) => return Answer::Refused("message-not-found"),
        };
        // Nothing is read before it was written.
        let at = now.max(thread.activity());
        let Some(own) = thread.takes_part(by) else { return Answer::Refused("not-a-member") };
        let moved = own.mark(seq, at, strength);
        let read = own.read;
        thread.changes += u64::from(moved);
        Answer::Marked { moved, read }
    }

    fn page(&mut self, index: usize, by: Person, before: Option<u64>, limit: u32) -> Answer {
        let Some(thread) = self.thread(index) else { return Answer::Refused("thread-not-found") };
        if thread.takes_part(by).is_none() {
            return Answer::Refused("not-a-member");
        }
        let limit = usize::try_from(limit).expect("a limit");
        let all = 1..=count(&thread.messages);
        let mut seqs: Vec<u64> = all.filter(|seq| before.is_none_or(|before| *seq < before)).collect();
        let has_older = seqs.len() > limit;
        seqs.drain(..seqs.len().saturating_sub(limit));
        Answer::Page { seqs, has_older }
    }

    fn delete(&mut self, index: usize, message: usize) -> Answer {
        let Some(thread) = self.thread(index) else { return Answer::Refused("no such message") };
        let Some(message) = thread.messages.get_mut(message) else {
            return Answer::Refused("no such message");
        };
        message.is_deleted = true;
        thread.changes += 1;
        Answer::Done
    }

    fn stand(&mut self, index: usize, by: Person, standing: Standing) -> Answer {
        let Some(thread) = self.thread(index) else { return Answer::Refused("no such member") };
        let Some(own) = thread.members.iter_mut().find(|member| member.person == by) else {
            return Answer::Refused("no such member");
        };
        own.standing = standing;
        thread.changes += 1;
        Answer::Done
    }
}

/// Where the next step may go: mostly to open threads, by their members, at messages that are there; now and then
/// anywhere else.
#[derive(Debug, Clone)]
struct Choices {
    open: Vec<usize>,
    messages: Vec<usize>,
}

impl Choices {
    fn of(state: &Reference) -> Self {
        let open = state.threads.iter().enumerate().filter(|(_, thread)| thread.is_some());
        let messages = state.threads.iter().map(|thread| thread.as_ref().map_or(0, |it| it.messages.len()));
        Self { open: open.map(|(index, _)| index).collect(), messages: messages.collect() }
    }

    /// Any thread, and mostly one of its founders.
    fn anywhere() -> impl Strategy<Value = (usize, usize)> {
        (0..PAIRS.len(), 0..20_usize).prop_map(|(thread, by)| (thread, actor(thread, by)))
    }

    /// A thread, an actor and a message.
    fn within(self) -> impl Strategy<Value = (usize, usize, usize)> {
        (0..60_usize, 0..20_usize, 0..100_usize).prop_map(move |(thread, by, message)| {
            let any = thread % PAIRS.len();
            let thread = match self.open.len() {
                0 => any,
                _ if thread == 0 => any,
                open => self.open.get(thread % open).copied().unwrap_or(any),
            };
            let messages = self.messages.get(thread).copied().unwrap_or(0);
            (thread, actor(thread, by), message % (messages + 1))
        })
    }
}

/// One of the pair in 19 of 20 cases.
fn actor(thread: usize, by: usize) -> usize {
    let pair = PAIRS.get(thread).expect("a pair");
    let member = pair.get(by % 2).expect("one of two");
    let index = PEOPLE.iter().position(|person| person == member).expect("a person");
    if by == 0 { PEOPLE.len() - 1 } else { index }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let standings =
            vec![Standing::Active, Standing::Hidden, Standing::Hidden, Standing::Left, Standing::Removed];
        let choices = Choices::of(state);
        let within = || choices.clone().within();
        prop_oneof![
            // Clocks are set back, too.
            2 => (-30..50_i64).prop_map(|millis| Step::Wait { millis }),
            3 => Choices::anywhere().prop_map(|(thread, by)| Step::Open { thread, by }),
            12 => (within(), 0..3_u8, prop::option::of(0..4_u8))
                .prop_map(|((thread, by, _), text, key)| Step::Send { thread, by, text, key }),
            2 => within().prop_map(|(thread, by, _)| Step::MarkThread { thread, by }),
            4 => within().prop_map(|(thread, by, message)| Step::MarkMessage { thread, by, message }),
            2 => (within(), prop::option::of(0..14_u64), any::<bool>(), 1..6_u32)
                .prop_map(|((thread, by, _), before, by_date, limit)| Step::Page { thread, by, before, by_date, limit }),
            3 => within().prop_map(|(thread, _, message)| Step::Delete { thread, message }),
            1 => (within(), prop::sample::select(standings))
                .prop_map(|((thread, by, _), standing)| Step::Stand { thread, by, standing }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        let answer = match *step {
            Step::Wait { millis } => {
                state.now += millis;
                Answer::Done
            }
            Step::Open { thread, by } => state.open(thread, person(by)),
            Step::Send { thread, by, text, key } => state.send(thread, person(by), text, key),
            Step::MarkThread { thread, by } => state.mark(thread, person(by), None),
            Step::MarkMessage { thread, by, message } => state.mark(thread, person(by), Some(message)),
            // A date says the same as the seq that has it.
            Step::Page { thread, by, before, by_date: _, limit } => {
                state.page(thread, person(by), before, limit)
            }
            Step::Delete { thread, message } => state.delete(thread, message),
            Step::Stand { thread, by, standing } => state.stand(thread, person(by), standing),
        };
        state.answer = Some(answer);
        state
    }
}
