//! A store in a file that outlives it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;
use tidings_domain::decision::transact;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{MessagePage, PageEnd, PageLimit};
use tidings_domain::ports::MessageRepository;
use tidings_domain::ports::{IdSource, Notifier, ThreadRepository};
use tidings_domain::seq::Seq;
use tidings_domain::thread::NewThread;
use tidings_storage_sqlite::{OpenError, SqliteConfig, SqliteStore};
use tidings_testkit::{
    ALICE, BOB, Draft, RecordingNotifier, Refused, SeededIds, Sent, T0, body, key, sending,
};
use tokio_util::task::TaskTracker;

pub(crate) struct World {
    folder: TempDir,
    pub(crate) ids: SeededIds,
    pub(crate) heard: Arc<RecordingNotifier>,
    pub(crate) tasks: TaskTracker,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            ids: SeededIds::new(3),
            heard: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> SqliteConfig {
        SqliteConfig::at(self.path("tidings.db"))
    }

    pub(crate) async fn try_open(&self, config: SqliteConfig) -> Result<SqliteStore, OpenError> {
        let notifier: Arc<dyn Notifier> = Arc::<RecordingNotifier>::clone(&self.heard);
        SqliteStore::open(config, notifier, &self.tasks).await
    }

    pub(crate) async fn open(&self, config: SqliteConfig) -> SqliteStore {
        self.try_open(config).await.unwrap()
    }

    /// A connection past the store, as another process would have it.
    pub(crate) async fn past_the_store(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path("tidings.db"));
        options.busy_timeout(Duration::from_secs(5)).connect().await.unwrap()
    }

    pub(crate) async fn thread(&self, store: &SqliteStore) -> ThreadId {
        let id = ThreadId::from_uuid(self.ids.uuid_v7(T0));
        let founders = vec![ALICE.party(), BOB.party()];
        let new = NewThread { id, key: None, context: None, subject: None, founders, created_at: T0 };
        store.create(new).await.unwrap();
        id
    }

    pub(crate) fn draft(&self, thread: ThreadId, text: &str) -> Draft {
        Draft {
            thread,
            sender: ALICE.id(),
            id: tidings_domain::id::MessageId::from_uuid(self.ids.uuid_v7(T0)),
            body: body(text),
            key: Some(key(text.get(..text.len().min(60)).unwrap_or("key"))),
            at: T0,
            origin: Origin::Request,
        }
    }

    pub(crate) fn send(
        &self,
        store: &SqliteStore,
        thread: ThreadId,
        text: &str,
    ) -> impl Future<Output = Result<Result<Sent, Refused>, StoreError>> + Send + 'static + use<> {
        let (store, rule) = (store.clone(), sending(self.draft(thread, text)));
        async move { transact(&store, rule).await }
    }
}

pub(crate) async fn messages(store: &SqliteStore, thread: ThreadId) -> Vec<Message> {
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
