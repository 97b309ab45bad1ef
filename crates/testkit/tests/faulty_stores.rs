//! The contract is worth what it catches: stores with one fault each, and the case that must fail on it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::job::{ClaimedJob, Work};
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{About, MessagePage, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::ports::{
    ChangeFeed, Directory, JobRepository, MessageRepository, Notifier, SummaryRepository, ThreadRepository,
};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject as TokenSubject, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{Fixture, Stores, Subject, contract, law, model};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Deaf,
    TellsTwice,
    ForgetsKeys,
    RunsTwice,
    LosesMillis,
    CountsTombstones,
    ListsBackwards,
    CutsTheFeed,
    PagesTooFar,
    SharesJobs,
    ClaimsEarly,
    ListsSummariesOldestFirst,
    KeepsSubjects,
}

const FAULTS: [Fault; 14] = [
    Fault::None,
    Fault::Deaf,
    Fault::TellsTwice,
    Fault::ForgetsKeys,
    Fault::RunsTwice,
    Fault::LosesMillis,
    Fault::CountsTombstones,
    Fault::ListsBackwards,
    Fault::CutsTheFeed,
    Fault::PagesTooFar,
    Fault::SharesJobs,
    Fault::ClaimsEarly,
    Fault::ListsSummariesOldestFirst,
    Fault::KeepsSubjects,
];

fn fault_at(index: usize) -> Fault {
    FAULTS.get(index).copied().expect("a fault of the list")
}

/// The store in memory with the fault of that index.
#[derive(Debug)]
struct Faulty<const INDEX: usize>;

impl<const INDEX: usize> Subject for Faulty<INDEX> {
    fn open(notifier: Arc<dyn Notifier>) -> Pin<Box<dyn Future<Output = Stores> + Send>> {
        let fault = fault_at(INDEX);
        let store = MemoryStore::new(Arc::new(Telling { fault, notifier }));
        let faulty = Arc::new(Spoilt { fault, store: store.clone() });
        let mut stores = Stores::of(store);
        stores.threads = Arc::<Spoilt>::clone(&faulty);
        stores.messages = Arc::<Spoilt>::clone(&faulty);
        stores.summaries = Arc::<Spoilt>::clone(&faulty);
        stores.jobs = Arc::<Spoilt>::clone(&faulty);
        stores.directory = Arc::<Spoilt>::clone(&faulty);
        stores.feed = faulty;
        Box::pin(std::future::ready(stores))
    }
}

#[derive(Debug)]
struct Telling {
    fault: Fault,
    notifier: Arc<dyn Notifier>,
}

impl Notifier for Telling {
    fn committed(&self, commit: Arc<Commit>) {
        if self.fault != Fault::Deaf {
            self.notifier.committed(Arc::clone(&commit));
        }
        if self.fault == Fault::TellsTwice {
            self.notifier.committed(commit);
        }
    }
}

#[derive(Debug)]
struct Spoilt {
    fault: Fault,
    store: MemoryStore,
}

/// Finds no message under any key.
struct Keyless(Arc<dyn AnyDecision>);

impl AnyDecision for Keyless {
    fn scope(&self) -> Scope {
        Scope { client_key: None, ..self.0.scope() }
    }

    fn origin(&self) -> Origin {
        self.0.origin()
    }

    fn run(&self, found: &Snapshot) -> Vec<Change> {
        let mut found = found.clone();
        if let Some((sender, key)) = self.0.scope().client_key {
            found.load_keyed(sender, key, None);
        }
        self.0.run(&found)
    }
}

#[async_trait]
impl ThreadRepository for Spoilt {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        if self.fault == Fault::RunsTwice {
            self.store.transact(Arc::clone(&decision)).await?;
            return self.store.transact(decision).await.or(Ok(()));
        }
        let is_keyless = self.fault == Fault::ForgetsKeys;
        let decision = if is_keyless { Arc::new(Keyless(decision)) } else { decision };
        self.store.transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.store.create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.store.thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.store.thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.store.members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        let mut entries = self.store.threads_of(user, page).await?;
        if self.fault == Fault::ListsBackwards {
            entries.reverse();
        }
        if self.fault == Fault::CountsTombstones {
            for entry in &mut entries {
                entry.unread = entry.thread.last_seq.get() - entry.member.unread_above().get();
            }
        }
        Ok(entries)
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.store.unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.store.latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for Spoilt {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        let mut page = *page;
        if self.fault == Fault::PagesTooFar {
            page.before = page.before.map(Seq::next);
        }
        let mut messages = self.store.page(thread, &page).await?;
        if self.fault == Fault::LosesMillis {
            for message in &mut messages {
                message.created_at = Timestamp::from_millis(message.created_at.as_millis() / 1_000 * 1_000);
            }
        }
        Ok(messages)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.store.message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        self.store.last_before(thread, at).await
    }
}

#[async_trait]
impl ChangeFeed for Spoilt {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        if self.fault != Fault::CutsTheFeed {
            return self.store.changes_of(thread, after, limit).await;
        }
        let mut commit = self.store.changes_of(thread, after, usize::MAX).await?;
        if let Some(commit) = &mut commit {
            commit.changes.truncate(limit);
        }
        Ok(commit)
    }
}

#[async_trait]
impl SummaryRepository for Spoilt {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        let mut summaries = self.store.summaries(thread, limit).await?;
        if self.fault == Fault::ListsSummariesOldestFirst {
            summaries.reverse();
        }
        Ok(summaries)
    }
}

#[async_trait]
impl JobRepository for Spoilt {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let lease_until = if self.fault == Fault::SharesJobs { now } else { lease_until };
        let now = if self.fault == Fault::ClaimsEarly { now.plus_millis(1) } else { now };
        self.store.claim_jobs(now, lease_until, limit).await
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        self.store.finish_job(held).await
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        self.store.retry_job(held, at, work).await
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_job_at().await
    }
}

#[async_trait]
impl Directory for Spoilt {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.store.users(ids).await
    }

    async fn user_by_subject(&self, subject: &TokenSubject) -> Result<Option<User>, StoreError> {
        self.store.user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<TokenSubject>>) -> Result<User, StoreError> {
        let keeps = self.fault == Fault::KeepsSubjects;
        let subjects = subjects.filter(|subjects| !keeps || !subjects.is_empty());
        self.store.put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.store.contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.store.put_context(context).await
    }
}

fn fails(test: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(test)).is_err()
}

fn catches<const INDEX: usize>(fault: Fault, case: &impl AsyncFn(&Fixture)) {
    assert_eq!(fault_at(INDEX), fault);
    assert!(fails(|| contract::run::<Faulty<INDEX>>(case)), "{fault:?} went unnoticed");
    assert!(!fails(|| contract::run::<Faulty<0>>(case)), "the case fails without a fault too");
}

#[test]
fn each_fault_is_caught_by_its_case() {
    catches::<1>(Fault::Deaf, &contract::together::commits_are_heard_once_in_order_before_the_answer);
    catches::<2>(Fault::TellsTwice, &contract::together::commits_are_heard_once_in_order_before_the_answer);
    catches::<3>(Fault::ForgetsKeys, &contract::keys::a_repeated_key_gives_the_first_message);
    catches::<4>(Fault::RunsTwice, &contract::deciding::a_decision_may_change_many_rows);
    catches::<5>(Fault::LosesMillis, &contract::messages::every_field_of_a_message_round_trips);
    catches::<6>(Fault::CountsTombstones, &contract::listing::unread_is_arithmetic);
    catches::<7>(Fault::ListsBackwards, &contract::listing::a_list_is_in_order_of_activity);
    catches::<8>(Fault::CutsTheFeed, &contract::feed::a_feed_is_whole_or_none);
    catches::<9>(Fault::PagesTooFar, &contract::messages::pages_go_both_ways);
    catches::<10>(Fault::SharesJobs, &contract::jobs::no_two_hold_a_job);
    catches::<11>(Fault::ClaimsEarly, &contract::jobs::due_jobs_are_claimed_earliest_first);
    catches::<12>(Fault::ListsSummariesOldestFirst, &contract::summaries::summaries_come_newest_first);
    catches::<13>(Fault::KeepsSubjects, &contract::directory::subjects_lead_to_their_user);
}

#[test]
fn the_model_and_the_law_catch_faults_too() {
    assert!(fails(|| model::follows_the_model::<Faulty<6>>(64)), "counted tombstones");
    assert!(fails(|| model::follows_the_model::<Faulty<7>>(64)), "a list backwards");
    assert!(fails(|| model::concurrent_senders::<Faulty<3>>(64)), "forgotten keys");
    assert!(!fails(|| law::batch_law::<Faulty<0>>(4)));
    assert!(!fails(|| model::follows_the_model::<Faulty<0>>(4)));
    assert!(!fails(|| model::concurrent_senders::<Faulty<0>>(4)));
}
