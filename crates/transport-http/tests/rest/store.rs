//! The memory store with faults on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
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

/// What goes wrong with every call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Fails(StoreError),
    Panics,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    /// For threads and messages, and apart from them for the directory.
    pub(crate) fault: Arc<Mutex<Option<Fault>>>,
    pub(crate) directory_fault: Arc<Mutex<Option<Fault>>>,
    pub(crate) reads: Arc<Reads>,
}

/// How often what was read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Pages of messages.
    pub(crate) pages: AtomicUsize,
    /// Contexts, each of them.
    pub(crate) contexts: AtomicUsize,
}

fn check(fault: &Mutex<Option<Fault>>) -> Result<(), StoreError> {
    let fault = fault.lock().clone();
    match fault {
        None => Ok(()),
        Some(Fault::Fails(error)) => Err(error),
        Some(Fault::Panics) => unreachable!("a call panics, as asked"),
    }
}

#[async_trait]
impl ThreadRepository for FaultyStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        check(&self.fault)?;
        self.inner.transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        check(&self.fault)?;
        self.inner.create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        check(&self.fault)?;
        self.inner.thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        check(&self.fault)?;
        self.inner.thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        check(&self.fault)?;
        self.inner.members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        check(&self.fault)?;
        self.inner.threads_of(user, page).await
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        check(&self.fault)?;
        self.inner.unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        check(&self.fault)?;
        self.inner.latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for FaultyStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        check(&self.fault)?;
        self.reads.pages.fetch_add(1, Ordering::Relaxed);
        self.inner.page(thread, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        check(&self.fault)?;
        self.inner.message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        check(&self.fault)?;
        self.inner.last_before(thread, at).await
    }
}

#[async_trait]
impl ChangeFeed for FaultyStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        check(&self.fault)?;
        self.inner.changes_of(thread, after, limit).await
    }
}

#[async_trait]
impl Directory for FaultyStore {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        check(&self.directory_fault)?;
        self.inner.users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        check(&self.directory_fault)?;
        self.inner.user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        check(&self.directory_fault)?;
        self.inner.put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        check(&self.directory_fault)?;
        self.reads.contexts.fetch_add(references.len(), Ordering::Relaxed);
        self.inner.contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.inner.put_context(context).await
    }
}
