//! A store on a database of its own, and what happens past the store.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidings_domain::decision::transact;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{MessagePage, PageEnd, PageLimit};
use tidings_domain::ports::{IdSource, MessageRepository, Notifier, ThreadRepository};
use tidings_domain::seq::Seq;
use tidings_domain::thread::NewThread;
use tidings_storage_postgres::{OpenError, PgConfig, PgStore};
use tidings_testkit::{
    ALICE, BOB, Draft, RecordingNotifier, Refused, SeededIds, Sent, T0, body, key, sending,
};
use tokio_util::task::TaskTracker;

use crate::cluster::Database;

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) ids: SeededIds,
    pub(crate) heard: Arc<RecordingNotifier>,
    pub(crate) tasks: TaskTracker,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(Database::new().url.clone())
    }

    pub(crate) fn at(url: String) -> Self {
        Self { url, ids: SeededIds::new(3), heard: Arc::default(), tasks: TaskTracker::new() }
    }

    pub(crate) fn config(&self) -> PgConfig {
        PgConfig::at(&self.url)
    }

    /// One that waits for locks longer than any test takes.
    pub(crate) fn patient(&self) -> PgConfig {
        let (lock_max, statement_max) = (Duration::from_secs(100), Duration::from_secs(110));
        PgConfig { lanes: 1, lock_max, statement_max, ..self.config() }
    }

    pub(crate) async fn try_open(&self, config: PgConfig) -> Result<PgStore, OpenError> {
        let notifier: Arc<dyn Notifier> = Arc::<RecordingNotifier>::clone(&self.heard);
        PgStore::open(config, notifier, &self.tasks).await
    }

    pub(crate) async fn open(&self, config: PgConfig) -> PgStore {
        self.try_open(config).await.unwrap()
    }

    /// A connection past the store, as another process would have it.
    pub(crate) async fn past_the_store(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A connection that holds the rows of these threads.
    pub(crate) async fn locking(&self, threads: &[ThreadId]) -> PgConnection {
        let mut other = self.past_the_store().await;
        other.execute("begin").await.unwrap();
        for thread in threads {
            let lock = format!("select from thread where id = '{thread}' for no key update");
            other.execute(AssertSqlSafe(lock)).await.unwrap();
        }
        other
    }

    pub(crate) async fn thread(&self, store: &PgStore) -> ThreadId {
        let id = ThreadId::from_uuid(self.ids.uuid_v7(T0));
        let founders = vec![ALICE.party(), BOB.party()];
        let new = NewThread { id, key: None, context: None, subject: None, founders, created_at: T0 };
        store.create(new).await.unwrap();
        id
    }

    pub(crate) async fn threads(&self, store: &PgStore, count: usize) -> Vec<ThreadId> {
        let mut threads = Vec::new();
        for _ in 0..count {
            threads.push(self.thread(store).await);
        }
        threads
    }

    pub(crate) fn draft(&self, thread: ThreadId, text: &str) -> Draft {
        Draft {
            thread,
            sender: ALICE.id(),
            id: MessageId::from_uuid(self.ids.uuid_v7(T0)),
            body: body(text),
            key: Some(key(text)),
            at: T0,
            origin: Origin::Request,
        }
    }

    /// Sends a text, which is its key, too.
    pub(crate) fn send(
        &self,
        store: &PgStore,
        thread: ThreadId,
        text: &str,
    ) -> impl Future<Output = Result<Result<Sent, Refused>, StoreError>> + Send + 'static + use<> {
        let (store, rule) = (store.clone(), sending(self.draft(thread, text)));
        async move { transact(&store, rule).await }
    }

    /// How many sessions of the store there are for which this holds.
    pub(crate) async fn sessions(&self, other: &mut PgConnection, of: &str) -> i64 {
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {of}"
        );
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(other).await.unwrap()
    }
}

pub(crate) async fn messages(store: &PgStore, thread: ThreadId) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = all.last().map_or(Seq::ZERO, |last| last.seq);
        let page = MessagePage { after, before: None, from: PageEnd::Oldest, limit: PageLimit::MAX };
        let found = store.page(thread, &page).await.unwrap();
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

/// Fails unless the thread's messages have the seqs 1 to n and each was heard once, in order.
pub(crate) async fn whole(world: &World, store: &PgStore, thread: ThreadId) -> Vec<Message> {
    let stored = messages(store, thread).await;
    assert!(stored.iter().zip(1..).all(|(message, seq)| message.seq.get() == seq), "no gap");
    let commits = world.heard.heard_of(thread);
    assert!(commits.windows(2).all(|pair| pair[0].modseq() == pair[1].prev), "heard in order");
    assert_eq!(commits.len(), 1 + stored.len(), "each heard once");
    stored
}
