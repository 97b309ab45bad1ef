//! The batch law: many decisions submitted at once leave the same rows, answers and commits as one by one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_domain::change::Commit;
use tidings_domain::decision::{Decided, transact};
use tidings_domain::id::{JobId, MessageId, SummaryId, ThreadId};
use tidings_domain::job::{ClaimedJob, Job, NoticesSettled, Work};
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing};
use tidings_domain::message::Message;
use tidings_domain::page::{PageLimit, ThreadEntry};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::Scope;
use tidings_domain::summary::{Summary, SummaryContent};
use tidings_domain::text::Body;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::user::{Subject as TokenSubject, User};

use crate::fixture::{Fixture, Subject};
use crate::people::{ALICE, BOB, CAROL, Person, campaign, key, subject};
use crate::rules::{
    Draft, Refused, Rule, appending, appending_with_notice, enqueuing, keeping_member, putting_member,
    putting_subject, replacing, sending, settling, summarising,
};
use crate::runtime::{block_on_one_thread, config, holds};
use crate::strategies;

const PEOPLE: [Person; 3] = [ALICE, BOB, CAROL];
/// The last of them does not exist until a step creates it.
const THREADS: usize = 3;
const STEPS_MAX: usize = 60;

/// One decision, fully said before any runs. `thread` and `person` count [`THREADS`] and [`PEOPLE`]; `message` is the
/// index of the step that writes it.
#[derive(Debug, Clone)]
enum Step {
    Send {
        thread: usize,
        person: usize,
        body: Body,
        key: Option<u8>,
    },
    /// Uses its key whether it is taken or not.
    Blunder {
        thread: usize,
        person: usize,
        key: u8,
    },
    Mark {
        thread: usize,
        person: usize,
        seq: u64,
    },
    Stand {
        thread: usize,
        person: usize,
        standing: Standing,
    },
    Join {
        thread: usize,
        person: usize,
    },
    Edit {
        thread: usize,
        message: usize,
        body: Body,
    },
    Delete {
        thread: usize,
        message: usize,
    },
    Rename {
        thread: usize,
    },
    /// Ids are shared by several steps on purpose: the later ones fail.
    Summarise {
        thread: usize,
        id: u8,
    },
    /// A message and its job, under an id that may be taken.
    Notice {
        thread: usize,
        person: usize,
        job: u8,
    },
    Enqueue {
        thread: usize,
        job: u8,
    },
    /// A window ends, and a person was notified.
    Settle {
        thread: usize,
        person: usize,
        upto: u64,
    },
    /// Tells about a person, perhaps with subjects that were others'.
    Tell {
        person: usize,
        subjects: Option<Vec<u8>>,
    },
    Refuse {
        thread: usize,
    },
    Panic {
        thread: usize,
    },
    Create,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (thread, person, message) = (0..THREADS, 0..PEOPLE.len(), 0..STEPS_MAX);
    let at = || (thread.clone(), person.clone());
    let standing =
        prop::sample::select(vec![Standing::Active, Standing::Hidden, Standing::Left, Standing::Removed]);
    let bodies = strategies::bodies;
    let step = prop_oneof![
        8 => (at(), bodies(), prop::option::of(0..4_u8))
            .prop_map(|((thread, person), body, key)| Step::Send { thread, person, body, key }),
        1 => (at(), 0..4_u8).prop_map(|((thread, person), key)| Step::Blunder { thread, person, key }),
        3 => (at(), 0..20_u64).prop_map(|((thread, person), seq)| Step::Mark { thread, person, seq }),
        2 => (at(), standing).prop_map(|((thread, person), standing)| Step::Stand { thread, person, standing }),
        1 => at().prop_map(|(thread, person)| Step::Join { thread, person }),
        2 => (thread.clone(), message.clone(), bodies())
            .prop_map(|(thread, message, body)| Step::Edit { thread, message, body }),
        2 => (thread.clone(), message).prop_map(|(thread, message)| Step::Delete { thread, message }),
        1 => thread.clone().prop_map(|thread| Step::Rename { thread }),
        1 => (thread.clone(), 0..9_u8).prop_map(|(thread, id)| Step::Summarise { thread, id }),
        1 => (at(), 0..9_u8).prop_map(|((thread, person), job)| Step::Notice { thread, person, job }),
        1 => (thread.clone(), 0..9_u8).prop_map(|(thread, job)| Step::Enqueue { thread, job }),
        2 => (at(), 0..20_u64).prop_map(|((thread, person), upto)| Step::Settle { thread, person, upto }),
        4 => (person.clone(), prop::option::weighted(0.9, vec(0..2_u8, 0..3)))
            .prop_map(|(person, subjects)| Step::Tell { person, subjects }),
        1 => thread.clone().prop_map(|thread| Step::Refuse { thread }),
        1 => thread.clone().prop_map(|thread| Step::Panic { thread }),
        1 => Just(Step::Create),
    ];
    vec(step, 1..STEPS_MAX)
}

/// An answer as text: what it was, whichever type it had.
type Answering = Pin<Box<dyn Future<Output = String> + Send>>;

/// The same threads and the same ids on every store.
struct World {
    fixture: Fixture,
    threads: [ThreadId; THREADS],
    messages: Vec<MessageId>,
}

impl World {
    async fn open<S: Subject>() -> Self {
        let fixture = Fixture::open::<S>().await;
        let one = fixture.created(fixture.direct(ALICE, BOB)).await.id;
        let other = fixture.opened(&PEOPLE).await.id;
        let threads = [one, other, fixture.thread_id()];
        let messages = (0..STEPS_MAX).map(|_| fixture.message_id()).collect();
        Self { fixture, threads, messages }
    }

    fn thread(&self, index: usize) -> ThreadId {
        self.threads.get(index).copied().expect("a thread of the world")
    }

    fn message(&self, index: usize) -> MessageId {
        self.messages.get(index).copied().expect("a message of the world")
    }

    fn draft(&self, index: usize, thread: usize, person: usize, client_key: Option<u8>) -> Draft {
        let sender = person_at(person);
        let client_key = client_key.map(|number| key(&format!("k{number}")));
        let plain = self.fixture.draft(self.thread(thread), sender, "blunder", None);
        Draft { id: self.message(index), key: client_key, ..plain }
    }

    fn deciding<T: fmt::Debug + Send + 'static>(&self, rule: Rule<T>) -> Answering {
        let threads = Arc::clone(&self.fixture.stores.threads);
        Box::pin(
            async move { format!("{:?}", transact(threads.as_ref(), rule).await.map_err(|_| "store error")) },
        )
    }

    /// The step as a future that nobody has polled yet.
    fn begin(&self, index: usize, step: &Step) -> Answering {
        let now = self.fixture.now();
        match step.clone() {
            Step::Send { thread, person, body, key } => {
                self.deciding(sending(Draft { body, ..self.draft(index, thread, person, key) }))
            }
            Step::Blunder { thread, person, key } => {
                self.deciding(appending(self.draft(index, thread, person, Some(key))))
            }
            Step::Mark { thread, person, seq } => {
                let marker = ReadMarker { seq: Seq::new(seq), at: Some(now), via: MarkedVia::Thread };
                let rule =
                    keeping_member(self.thread(thread), person_at(person).id(), move |it| it.marker = marker);
                self.deciding(rule)
            }
            Step::Stand { thread, person, standing } => {
                let user = person_at(person).id();
                self.deciding(keeping_member(self.thread(thread), user, move |it| it.standing = standing))
            }
            Step::Join { thread, person } => {
                let party = person_at(person).party();
                self.deciding(putting_member(Member::joining(
                    self.thread(thread),
                    party.user,
                    party.role,
                    now,
                )))
            }
            Step::Edit { thread, message, body } => {
                let id = self.message(message);
                self.deciding(replacing(self.thread(thread), id, move |it| {
                    it.body = body.clone();
                    it.edited_at = Some(now);
                }))
            }
            Step::Delete { thread, message } => {
                let id = self.message(message);
                self.deciding(replacing(self.thread(thread), id, move |it| it.deleted_at = Some(now)))
            }
            Step::Rename { thread } => {
                let name = subject(&format!("renamed by step {index}"));
                self.deciding(putting_subject(self.thread(thread), Some(name), now))
            }
            Step::Summarise { thread, id } => {
                let text = format!("by step {index}");
                let content = SummaryContent::parse(text, Vec::new(), Vec::new(), None).expect("a summary");
                let id = SummaryId::from_uuid(uuid(id));
                self.deciding(summarising(self.thread(thread), id, ALICE.id(), content, now))
            }
            Step::Notice { thread, person, job } => {
                let draft = self.draft(index, thread, person, None);
                self.deciding(appending_with_notice(draft, JobId::from_uuid(uuid(job)), now))
            }
            Step::Enqueue { thread, job } => {
                let work = Work::NotifyUnread { thread: self.thread(thread) };
                let due_at = now.plus_millis(i64::try_from(index).expect("few steps"));
                self.deciding(enqueuing(Job { id: JobId::from_uuid(uuid(job)), due_at, work }))
            }
            Step::Settle { thread, person, upto } => {
                let notified = vec![(person_at(person).id(), Seq::new(upto))];
                let (thread, upto) = (self.thread(thread), Seq::new(upto));
                let due = index.is_multiple_of(2).then_some(now);
                self.deciding(settling(NoticesSettled { thread, due, upto, notified }))
            }
            Step::Tell { person, subjects } => self.telling(index, person_at(person), subjects),
            Step::Refuse { thread } => self
                .deciding(Rule::<()>::new(Scope::thread(self.thread(thread)), |found| {
                    Err(Refused(if found.thread().is_some() { "some" } else { "none" }))
                })),
            Step::Panic { thread } => {
                let panicking = |_: &_| -> Result<Decided<()>, Refused> {
                    std::panic::resume_unwind(Box::new("a rule that panics, as it should here"))
                };
                self.deciding(Rule::new(Scope::thread(self.thread(thread)), panicking))
            }
            Step::Create => self.creating(),
        }
    }

    fn creating(&self) -> Answering {
        let [_, _, id] = self.threads;
        let key = Some(ThreadKey::Context(campaign("c")));
        let new = NewThread { id, key, context: Some(campaign("c")), ..self.fixture.group(&[BOB, CAROL]) };
        let threads = Arc::clone(&self.fixture.stores.threads);
        Box::pin(async move { format!("{:?}", threads.create(new).await) })
    }

    fn telling(&self, index: usize, person: Person, subjects: Option<Vec<u8>>) -> Answering {
        let user = User { name: format!("named by step {index}"), ..User::unknown(person.id()) };
        let subjects = subjects.map(|subjects| subjects.into_iter().map(token_subject).collect());
        let directory = Arc::clone(&self.fixture.stores.directory);
        Box::pin(async move { format!("{:?}", directory.put_user(user, subjects).await) })
    }

    /// All that can be seen of the store.
    async fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for id in self.threads {
            let threads = &self.fixture.stores.threads;
            seen.rosters.push(threads.members(id).await.expect("the store works"));
            seen.messages.push(self.fixture.messages(id).await);
            let feed = self.fixture.stores.feed.changes_of(id, Modseq::ZERO, usize::MAX).await;
            seen.feeds.push(feed.expect("the store works"));
            seen.heard.push(self.fixture.heard.heard_of(id));
            let summaries = self.fixture.stores.summaries.summaries(id, PageLimit::MAX).await;
            seen.summaries.push(summaries.expect("the store works"));
        }
        for person in PEOPLE {
            seen.lists.push(self.fixture.list(person).await);
        }
        for subject in (0..3).map(token_subject) {
            let user = self.fixture.stores.directory.user_by_subject(&subject).await;
            seen.subjects.push(user.expect("the store works"));
        }
        seen.jobs = self.fixture.claim(1_000, 500).await;
        seen
    }
}

fn person_at(index: usize) -> Person {
    PEOPLE.get(index).copied().expect("a person of the world")
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    rosters: Vec<Option<(Thread, Vec<Member>)>>,
    messages: Vec<Vec<Message>>,
    feeds: Vec<Option<Commit>>,
    heard: Vec<Vec<Arc<Commit>>>,
    lists: Vec<Vec<ThreadEntry>>,
    summaries: Vec<Vec<Summary>>,
    subjects: Vec<Option<User>>,
    jobs: Vec<ClaimedJob>,
}

/// One of few, for what several steps share.
fn uuid(number: u8) -> uuid::Uuid {
    uuid::Uuid::from_u128(u128::from(number) + 1)
}

fn token_subject(number: u8) -> TokenSubject {
    TokenSubject { issuer: "issuer".to_owned(), sub: format!("subject {number}") }
}

async fn one_by_one<S: Subject>(steps: &[Step]) -> (Vec<String>, Seen) {
    let world = World::open::<S>().await;
    let mut answers = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        answers.push(world.begin(index, step).await);
    }
    (answers, world.seen().await)
}

async fn at_once<S: Subject>(steps: &[Step]) -> (Vec<String>, Seen) {
    let world = World::open::<S>().await;
    let mut begun: Vec<_> = steps.iter().enumerate().map(|(index, step)| world.begin(index, step)).collect();
    // Each is polled once, in order, before any task of the store can run: so they are submitted in order, and a store
    // that batches has them all before it begins.
    let mut answers: Vec<Option<String>> = Vec::new();
    for step in &mut begun {
        let polled = step.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        answers.push(if let std::task::Poll::Ready(answer) = polled { Some(answer) } else { None });
    }
    let pending =
        begun.into_iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(step, _)| step);
    let mut later = join_all(pending).await.into_iter();
    let answers =
        answers.into_iter().map(|answer| answer.or_else(|| later.next()).expect("an answer")).collect();
    (answers, world.seen().await)
}

/// Tries the law on so many random sequences of decisions over a few threads.
///
/// Sends, repetitions, marks, members coming and going, edits, tombstones, summaries, jobs, told users, refusals, panics
/// and constraint violations.
///
/// # Panics
/// When the law is broken.
pub fn batch_law<S: Subject>(cases: u32) {
    holds(config(cases), &steps(), |steps| {
        let (single, batched) = block_on_one_thread(async {
            let single = one_by_one::<S>(&steps).await;
            (single, at_once::<S>(&steps).await)
        });
        prop_assert_eq!(single.0, batched.0, "answers");
        prop_assert_eq!(single.1, batched.1, "rows");
        Ok(())
    });
}
