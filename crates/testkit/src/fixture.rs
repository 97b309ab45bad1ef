//! A store to be tested, and the words to test it with.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_domain::decision::transact;
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, MessageId, SummaryId, ThreadId};
use tidings_domain::job::ClaimedJob;
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::messaging::{Deps, Messaging, Settings};
use tidings_domain::page::{MessagePage, PageEnd, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::{
    ChangeFeed, Clock, Directory, IdSource, JobRepository, MessageRepository, Notifier, SummaryRepository,
    ThreadRepository, Unlimited,
};
use tidings_domain::seq::Seq;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::Transfer;

use crate::people::{Person, body, key};
use crate::recording::RecordingNotifier;
use crate::rules::{Draft, Refused, Rule, Sent, sending};
use crate::time::{ManualClock, SeededIds, T0};

/// The ports of one store.
#[derive(Clone)]
pub struct Stores {
    /// Threads and members.
    pub threads: Arc<dyn ThreadRepository>,
    /// Messages.
    pub messages: Arc<dyn MessageRepository>,
    /// Summaries.
    pub summaries: Arc<dyn SummaryRepository>,
    /// Jobs.
    pub jobs: Arc<dyn JobRepository>,
    /// The log.
    pub feed: Arc<dyn ChangeFeed>,
    /// Users and business objects.
    pub directory: Arc<dyn Directory>,
    /// The way to copy it, if it has one.
    pub transfer: Option<Arc<dyn Transfer>>,
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Stores {
    /// A store that implements all ports.
    #[must_use]
    pub fn of<S>(store: S) -> Self
    where
        S: ThreadRepository
            + MessageRepository
            + SummaryRepository
            + JobRepository
            + ChangeFeed
            + Directory
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            threads: Arc::<S>::clone(&store),
            messages: Arc::<S>::clone(&store),
            summaries: Arc::<S>::clone(&store),
            jobs: Arc::<S>::clone(&store),
            feed: Arc::<S>::clone(&store),
            directory: store,
            transfer: None,
            kept: Vec::new(),
        }
    }

    /// The store can also be copied.
    #[must_use]
    pub fn transferring(mut self, store: impl Transfer + 'static) -> Self {
        self.transfer = Some(Arc::new(store));
        self
    }

    /// Keeps something as long as the store: a temporary folder, a task set.
    #[must_use]
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.push(Arc::new(thing));
        self
    }
}

/// A way to open an empty store. Made by [`store_contract!`](crate::store_contract) from a function.
pub trait Subject: 'static {
    /// Opens an empty store that tells `notifier` of its commits.
    fn open(notifier: Arc<dyn Notifier>) -> Pin<Box<dyn Future<Output = Stores> + Send>>;
}

/// An empty store with a clock, ids and a notifier of its own.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The store.
    pub stores: Stores,
    /// What its notifier hears.
    pub heard: Arc<RecordingNotifier>,
    /// The time, which stands at [`T0`] until moved.
    pub clock: Arc<ManualClock>,
    /// New ids.
    pub ids: Arc<SeededIds>,
}

impl Fixture {
    /// An empty store of this sort.
    pub async fn open<S: Subject>() -> Self {
        let heard = Arc::new(RecordingNotifier::default());
        let notifier: Arc<dyn Notifier> = Arc::<RecordingNotifier>::clone(&heard);
        Self {
            stores: S::open(notifier).await,
            heard,
            clock: Arc::new(ManualClock::at(T0)),
            ids: Arc::new(SeededIds::new(1)),
        }
    }

    /// The use cases over the store, with the default policy and settings, without limits.
    #[must_use]
    pub fn messaging(&self) -> Messaging {
        Messaging::new(self.deps())
    }

    /// As [`messaging`](Self::messaging), with other settings.
    #[must_use]
    pub fn messaging_with(&self, settings: Settings) -> Messaging {
        Messaging::new(Deps { settings, ..self.deps() })
    }

    /// What [`messaging`](Self::messaging) works with, to be changed.
    #[must_use]
    pub fn deps(&self) -> Deps {
        Deps {
            threads: Arc::clone(&self.stores.threads),
            messages: Arc::clone(&self.stores.messages),
            summaries: Arc::clone(&self.stores.summaries),
            jobs: Arc::clone(&self.stores.jobs),
            feed: Arc::clone(&self.stores.feed),
            directory: Arc::clone(&self.stores.directory),
            policy: Arc::new(SenderRoles::default()),
            limiter: Arc::new(Unlimited),
            clock: Arc::<ManualClock>::clone(&self.clock),
            ids: Arc::<SeededIds>::clone(&self.ids),
            settings: Settings::default(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh thread id.
    #[must_use]
    pub fn thread_id(&self) -> ThreadId {
        ThreadId::from_uuid(self.ids.uuid_v7(self.now()))
    }

    /// A fresh message id.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        MessageId::from_uuid(self.ids.uuid_v7(self.now()))
    }

    /// A fresh summary id.
    #[must_use]
    pub fn summary_id(&self) -> SummaryId {
        SummaryId::from_uuid(self.ids.uuid_v7(self.now()))
    }

    /// A fresh job id.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        JobId::from_uuid(self.ids.uuid_v7(self.now()))
    }

    /// Up to `limit` jobs that are due so many milliseconds from now, held for another minute.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn claim(&self, after_ms: i64, limit: u32) -> Vec<ClaimedJob> {
        let at = self.now().plus_millis(after_ms);
        let claimed =
            self.stores.jobs.claim_jobs(at, at.plus_millis(60_000), PageLimit::clamped(limit)).await;
        claimed.expect("the store works")
    }

    /// A thread of these people without a key, about nothing, to be created now.
    #[must_use]
    pub fn group(&self, people: &[Person]) -> NewThread {
        NewThread {
            id: self.thread_id(),
            key: None,
            context: None,
            subject: None,
            founders: people.iter().map(|person| person.party()).collect(),
            created_at: self.now(),
        }
    }

    /// The direct thread of two people, to be created now.
    #[must_use]
    pub fn direct(&self, one: Person, other: Person) -> NewThread {
        NewThread { key: Some(ThreadKey::direct(one.id(), other.id())), ..self.group(&[one, other]) }
    }

    /// Creates a thread of these people.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn opened(&self, people: &[Person]) -> Thread {
        self.created(self.group(people)).await
    }

    /// Creates a thread.
    ///
    /// # Panics
    /// When the store fails, or knows its key.
    pub async fn created(&self, new: NewThread) -> Thread {
        let (thread, created) = self.stores.threads.create(new).await.expect("a thread is created");
        assert!(created, "the thread's key was known");
        thread
    }

    /// What a person would write now, under a key if one is given.
    #[must_use]
    pub fn draft(&self, thread: ThreadId, sender: Person, text: &str, client_key: Option<&str>) -> Draft {
        Draft {
            thread,
            sender: sender.id(),
            id: self.message_id(),
            body: body(text),
            key: client_key.map(key),
            at: self.now(),
            origin: Origin::Request,
        }
    }

    /// Runs a rule.
    ///
    /// # Errors
    /// The store's failure; within, the rule's refusal.
    pub async fn tries<T: Send + 'static>(&self, rule: Rule<T>) -> Result<Result<T, Refused>, StoreError> {
        transact(self.stores.threads.as_ref(), rule).await
    }

    /// Runs a rule that must come through.
    ///
    /// # Panics
    /// When the store fails or the rule refuses.
    pub async fn does<T: Send + 'static>(&self, rule: Rule<T>) -> T {
        self.tries(rule).await.expect("the store works").expect("the rule agrees")
    }

    /// Sends a message.
    ///
    /// # Panics
    /// When it was not stored.
    pub async fn says(&self, thread: ThreadId, sender: Person, text: &str) -> Message {
        let Sent { message, duplicate } = self.does(sending(self.draft(thread, sender, text, None))).await;
        assert!(!duplicate, "a message without a key is never a duplicate");
        message
    }

    /// The thread as it is.
    ///
    /// # Panics
    /// When the store fails or has no such thread.
    pub async fn thread(&self, id: ThreadId) -> Thread {
        self.stores.threads.thread(id).await.expect("the store works").expect("the thread exists")
    }

    /// The person's row in the thread, if they ever were in it.
    ///
    /// # Panics
    /// When the store fails or has no such thread.
    pub async fn member(&self, thread: ThreadId, person: Person) -> Option<Member> {
        let roster = self.stores.threads.members(thread).await.expect("the store works");
        let (_, members) = roster.expect("the thread exists");
        members.into_iter().find(|member| member.user == person.id())
    }

    /// All messages of a thread, by seq.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn messages(&self, thread: ThreadId) -> Vec<Message> {
        let mut all = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let page = MessagePage { after, before: None, from: PageEnd::Oldest, limit: PageLimit::MAX };
            let found = self.stores.messages.page(thread, &page).await.expect("the store works");
            let Some(last) = found.last() else { return all };
            after = last.seq;
            all.extend(found);
        }
    }

    /// The person's whole list of threads.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn list(&self, person: Person) -> Vec<ThreadEntry> {
        let page = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
        self.stores.threads.threads_of(&person.id(), &page).await.expect("the store works")
    }

    /// The thread's row in the person's list.
    ///
    /// # Panics
    /// When the store fails, or the thread is not in the list.
    pub async fn entry(&self, person: Person, thread: ThreadId) -> ThreadEntry {
        let list = self.list(person).await;
        list.into_iter().find(|entry| entry.thread.id == thread).expect("the thread is in the list")
    }
}
