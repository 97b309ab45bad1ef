//! Threads, messages and the feed.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_domain::change::Commit;
use tidings_domain::context::ContextRef;
use tidings_domain::decision::{self, AnyDecision};
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{About, MessagePage, PageLimit, ThreadEntry, ThreadPage};
use tidings_domain::ports::{ChangeFeed, MessageRepository, SummaryRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;

use crate::MemoryStore;

#[async_trait]
impl ThreadRepository for MemoryStore {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        let scope = decision.scope();
        let mut state = self.0.state.lock();
        let found = state.view(&scope);
        let changes = decision::run(decision.as_ref(), &found)?;
        if !changes.is_empty() {
            // Told still under the lock: what keeps the commits of a thread in order.
            if let Some(commit) = state.commit(found, changes, decision.origin())? {
                self.0.notifier.committed(Arc::new(commit));
            }
        }
        Ok(())
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        let mut state = self.0.state.lock();
        let (thread, commit) = state.create(new)?;
        let created = commit.is_some();
        if let Some(commit) = commit {
            self.0.notifier.committed(Arc::new(commit));
        }
        Ok((thread, created))
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        Ok(self.0.state.lock().thread(id).map(|kept| kept.thread().clone()))
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        Ok(self.0.state.lock().thread_by_key(key).map(|kept| kept.thread().clone()))
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        Ok(self.0.state.lock().thread(id).map(|kept| (kept.thread().clone(), kept.members().to_vec())))
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        Ok(self.0.state.lock().threads_of(user, page))
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        Ok(self.0.state.lock().unread_of(user, about, members_max))
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        Ok(self.0.state.lock().latest_about(user, object, with, members_max))
    }
}

#[async_trait]
impl MessageRepository for MemoryStore {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        Ok(self.0.state.lock().thread(thread).map(|kept| kept.page(page)).unwrap_or_default())
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.0.state.lock().message(id).cloned())
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        Ok(self.0.state.lock().thread(thread).map(|kept| kept.last_before(at)).unwrap_or_default())
    }
}

#[async_trait]
impl SummaryRepository for MemoryStore {
    async fn summaries(&self, thread: ThreadId, limit: PageLimit) -> Result<Vec<Summary>, StoreError> {
        Ok(self.0.state.lock().thread(thread).map(|kept| kept.summaries(limit)).unwrap_or_default())
    }
}

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn changes_of(
        &self,
        thread: ThreadId,
        after: Modseq,
        limit: usize,
    ) -> Result<Option<Commit>, StoreError> {
        let state = self.0.state.lock();
        let Some(kept) = state.thread(thread) else { return Ok(None) };
        let commit = |changes| Commit {
            thread: Arc::new(kept.thread().clone()),
            prev: after,
            origin: Origin::Request,
            changes,
        };
        Ok(kept.changes_after(after, limit).map(commit))
    }
}
