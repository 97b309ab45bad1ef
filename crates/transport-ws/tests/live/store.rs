//! The memory store with a gate before its reads, faults on demand, and a count of what goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tidings_domain::change::Commit;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::page::{About, MessagePage, ThreadEntry, ThreadPage};
use tidings_domain::ports::{ChangeFeed, Directory, MessageRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_storage_memory::MemoryStore;
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub(crate) struct GatedStore {
    inner: MemoryStore,
    control: Arc<Control>,
}

/// What a test does to the store's reads of rosters and gaps, and sees of them.
#[derive(Debug)]
pub(crate) struct Control {
    open: watch::Sender<bool>,
    /// So many next reads fail.
    pub(crate) failing: AtomicUsize,
    /// So many next reads never end.
    pub(crate) hanging: AtomicUsize,
    /// So many next reads panic.
    pub(crate) panicking: AtomicUsize,
    /// The next decision panics.
    pub(crate) decision_panics: AtomicBool,
    /// How many reads came, are at the gate now, and were at the gate at once.
    pub(crate) reads: AtomicUsize,
    answering: watch::Sender<bool>,
    /// How many decisions are stored and not yet answered.
    pub(crate) unanswered: AtomicUsize,
    waiting: AtomicUsize,
    pub(crate) waiting_most: AtomicUsize,
}

fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Control {
    pub(crate) fn hold_reads(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn let_reads_go(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn hold_answers(&self) {
        self.answering.send_replace(false);
    }

    pub(crate) fn let_answers_go(&self) {
        self.answering.send_replace(true);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    async fn read(&self) -> Result<(), StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.waiting_most.fetch_max(waiting, Ordering::SeqCst);
        let mut open = self.open.subscribe();
        let waited = open.wait_for(|open| *open).await.map(|_| ());
        if waited.is_err() || take_one(&self.hanging) {
            std::future::pending::<()>().await;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        assert!(!take_one(&self.panicking), "a read panics, as asked");
        if take_one(&self.failing) {
            return Err(StoreError::Unavailable("as asked".into()));
        }
        Ok(())
    }
}

impl GatedStore {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        let control = Control {
            open: watch::Sender::new(true),
            failing: AtomicUsize::new(0),
            hanging: AtomicUsize::new(0),
            panicking: AtomicUsize::new(0),
            decision_panics: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            answering: watch::Sender::new(true),
            unanswered: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waiting_most: AtomicUsize::new(0),
        };
        Self { inner, control: Arc::new(control) }
    }

    pub(crate) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }
}

#[async_trait]
impl ThreadRepository for GatedStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        assert!(!self.control.decision_panics.swap(false, Ordering::SeqCst), "a decision panics, as asked");
        self.inner.transact(decision).await?;
        self.control.unanswered.fetch_add(1, Ordering::SeqCst);
        let mut answering = self.control.answering.subscribe();
        answering.wait_for(|answering| *answering).await.expect("the control outlives its store");
        self.control.unanswered.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.inner.create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.inner.thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.inner.thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.control.read().await?;
        self.inner.members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        self.inner.threads_of(user, page).await
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.inner.unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.inner.latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for GatedStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        self.inner.page(thread, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.inner.message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        self.inner.last_before(thread, at).await
    }
}

#[async_trait]
impl ChangeFeed for GatedStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        self.control.read().await?;
        self.inner.changes_of(thread, after, limit).await
    }
}

#[async_trait]
impl Directory for GatedStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.inner.users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        self.inner.user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        self.inner.put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.inner.contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.inner.put_context(context).await
    }
}
