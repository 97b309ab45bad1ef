//! A store whose calls go to two stores in turn.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tidings_domain::change::Commit;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::job::{ClaimedJob, Work};
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::page::{About, MessagePage, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::ports::{
    ChangeFeed, Directory, JobRepository, MessageRepository, Notifier, SummaryRepository, ThreadRepository,
};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_storage_postgres::PgStore;
use tidings_testkit::Stores;
use tokio_util::task::TaskTracker;

use crate::cluster::Database;

#[derive(Debug)]
pub(crate) struct Pair {
    stores: [PgStore; 2],
    calls: AtomicUsize,
}

impl Pair {
    fn next(&self) -> &PgStore {
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

/// Two stores on a new database, each with a notifier of its own.
pub(crate) async fn open(notifiers: [Arc<dyn Notifier>; 2]) -> Stores {
    let database = Database::recycled();
    let [one, other] =
        notifiers.map(|notifier| {
            let config = database.config();
            async move {
                PgStore::open(config, notifier, &TaskTracker::new()).await.expect("a new database opens")
            }
        });
    let stores = [one.await, other.await];
    Stores::of(Pair { stores, calls: AtomicUsize::new(0) }).keeping(database)
}

impl tidings_testkit::Subject for Pair {
    fn open(notifier: Arc<dyn Notifier>) -> Pin<Box<dyn Future<Output = Stores> + Send>> {
        Box::pin(open([Arc::clone(&notifier), notifier]))
    }
}

#[async_trait]
impl ThreadRepository for Pair {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        self.next().transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.next().create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.next().thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.next().thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.next().members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        self.next().threads_of(user, page).await
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.next().unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.next().latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for Pair {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        self.next().page(thread, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.next().message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        self.next().last_before(thread, at).await
    }
}

#[async_trait]
impl SummaryRepository for Pair {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        self.next().summaries(thread, limit).await
    }
}

#[async_trait]
impl JobRepository for Pair {
    async fn claim_jobs(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: PageLimit,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        self.next().claim_jobs(now, lease_until, limit).await
    }

    async fn finish_job(&self, held: &ClaimedJob) -> Result<(), StoreError> {
        self.next().finish_job(held).await
    }

    async fn retry_job(&self, held: &ClaimedJob, at: Timestamp, work: Work) -> Result<(), StoreError> {
        self.next().retry_job(held, at, work).await
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.next().next_job_at().await
    }
}

#[async_trait]
impl ChangeFeed for Pair {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        self.next().changes_of(thread, after, limit).await
    }
}

#[async_trait]
impl Directory for Pair {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.next().users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        self.next().user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        self.next().put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.next().contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.next().put_context(context).await
    }
}
