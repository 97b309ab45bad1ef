//! The typed door to a store: what a decision answered is what its caller gets.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use tidings_domain::context::ContextRef;
use tidings_domain::decision::{AnyDecision, transact};
use tidings_domain::error::StoreError;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::messaging::SendError;
use tidings_domain::page::{About, ThreadEntry, ThreadPage};
use tidings_domain::ports::ThreadRepository;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};

use crate::world::{Rows, sending};

/// How the store behaves.
#[derive(Debug)]
pub(crate) enum Manner {
    Decides,
    /// As after a batch that failed: on nothing first, then on the rows.
    DecidesTwice,
    NeverDecides,
    Fails,
}

#[derive(Debug)]
pub(crate) struct Store {
    manner: Manner,
    pub(crate) rows: Mutex<Rows>,
}

#[async_trait]
impl ThreadRepository for Store {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        match self.manner {
            Manner::NeverDecides => return Ok(()),
            Manner::Fails => return Err(StoreError::Busy { limit: 1 }),
            Manner::DecidesTwice => {
                decision.run(&tidings_domain::snapshot::Snapshot::new(None, 1));
            }
            Manner::Decides => {}
        }
        let found = rows.snapshot(&[decision.scope()]);
        let changes = decision.run(&found);
        rows.write(&changes);
        Ok(())
    }

    async fn create(&self, _: NewThread) -> Result<(Thread, bool), StoreError> {
        unreachable!("not asked here")
    }

    async fn thread(&self, _: ThreadId) -> Result<Option<Thread>, StoreError> {
        unreachable!("not asked here")
    }

    async fn thread_by_key(&self, _: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        unreachable!("not asked here")
    }

    async fn members(&self, _: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        let rows = self.rows.lock().unwrap();
        Ok(Some((rows.thread.clone(), rows.members.values().cloned().collect())))
    }

    async fn threads_of(&self, _: &UserId, _: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        unreachable!("not asked here")
    }

    async fn unread_of(&self, _: &UserId, _: Option<&About>, _: u32) -> Result<u64, StoreError> {
        unreachable!("not asked here")
    }

    async fn latest_about(
        &self,
        _: &UserId,
        _: &ContextRef,
        _: &[UserId],
        _: u32,
    ) -> Result<Option<Thread>, StoreError> {
        unreachable!("not asked here")
    }
}

/// The store answers at once, so one poll is all it takes.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub(crate) fn store(manner: Manner) -> Store {
    Store { manner, rows: Mutex::new(Rows::opened(2)) }
}

#[test]
fn the_answer_comes_back_typed_and_the_changes_are_stored() {
    let store = store(Manner::Decides);
    let (message, _, duplicate) = now(transact(&store, sending(0, 1, 0, Some(0), 0))).unwrap().unwrap();
    assert!(!duplicate);
    assert_eq!(store.rows.lock().unwrap().messages[&message.seq], message);
}

#[test]
fn a_refusal_comes_back_typed_and_nothing_is_stored() {
    let store = store(Manner::Decides);
    let answer = now(transact(&store, sending(4, 1, 0, None, 0))).unwrap();
    assert_eq!(answer.unwrap_err(), SendError::NotAMember);
    assert_eq!(*store.rows.lock().unwrap(), Rows::opened(2));
}

#[test]
fn of_several_runs_the_last_one_counts() {
    let store = store(Manner::DecidesTwice);
    assert!(now(transact(&store, sending(0, 1, 0, None, 0))).unwrap().is_ok());
    assert_eq!(store.rows.lock().unwrap().messages.len(), 1);
}

#[test]
fn the_stores_failure_is_the_callers() {
    let answer = now(transact(&store(Manner::Fails), sending(0, 1, 0, None, 0)));
    assert_eq!(answer.unwrap_err(), StoreError::Busy { limit: 1 });
}

#[test]
fn a_store_that_did_not_decide_is_found_out() {
    let answer = now(transact(&store(Manner::NeverDecides), sending(0, 1, 0, None, 0)));
    assert!(matches!(answer, Err(StoreError::Internal(_))));
}
