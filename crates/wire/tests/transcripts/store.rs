//! The memory store, which fails when told to, and a budget that is used up.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::page::{About, ThreadEntry, ThreadPage};
use tidings_domain::ports::{Budget, Directory, Limiter, ThreadRepository, TooMany};
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::user::{Subject, User};
use tidings_storage_memory::MemoryStore;

/// A store that cannot be reached while there is a fault.
#[derive(Debug)]
pub(crate) struct Faulty {
    memory: MemoryStore,
    fault: Mutex<Option<StoreError>>,
}

impl Faulty {
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
impl ThreadRepository for Faulty {
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

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.check()?;
        self.memory.unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.check()?;
        self.memory.latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl Directory for Faulty {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.check()?;
        self.memory.users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        self.check()?;
        self.memory.user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        self.check()?;
        self.memory.put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.check()?;
        self.memory.contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.check()?;
        self.memory.put_context(context).await
    }
}

/// How many messages may still be sent; any number when nothing is said.
#[derive(Debug, Default)]
pub(crate) struct SendsLeft(pub(crate) Mutex<Option<u32>>);

impl Limiter for SendsLeft {
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        let mut left = self.0.lock();
        match (budget, left.as_mut()) {
            (Budget::Sends(_), Some(0)) => Err(TooMany { retry_after_ms: 2_500 }),
            (Budget::Sends(_), Some(left)) => {
                *left -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
