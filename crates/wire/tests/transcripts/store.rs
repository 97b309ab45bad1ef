//! The memory store, which fails when told to.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::page::{ThreadEntry, ThreadPage};
use tidings_domain::ports::ThreadRepository;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_storage_memory::MemoryStore;

/// Threads that cannot be reached while there is a fault.
#[derive(Debug)]
pub(crate) struct FaultyThreads {
    memory: MemoryStore,
    fault: Mutex<Option<StoreError>>,
}

impl FaultyThreads {
    pub(crate) fn new(memory: MemoryStore) -> Self {
        Self { memory, fault: Mutex::new(None) }
    }

    /// Fails in this way from now on, or works again. The errors' texts are secret.
    pub(crate) fn fail(&self, how: &str) -> Result<(), String> {
        let secret = || "postgres://tidings:hunter2@10.0.0.7".to_owned();
        *self.fault.lock() = match how {
            "well" => None,
            "unavailable" => Some(StoreError::Unavailable(secret())),
            "busy" => Some(StoreError::Busy { limit: 4_096 }),
            "unknown" => Some(StoreError::Unknown(secret())),
            "corrupt" => Some(StoreError::Corrupt(secret())),
            _ => return Err(format!("a store is not {how}")),
        };
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        self.fault.lock().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl ThreadRepository for FaultyThreads {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        self.check()?;
        self.memory.transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.check()?;
        self.memory.create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.check()?;
        self.memory.thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.check()?;
        self.memory.thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.check()?;
        self.memory.members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        self.check()?;
        self.memory.threads_of(user, page).await
    }
}
