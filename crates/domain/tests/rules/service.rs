//! The use cases where a port fails: an error that says "not stored" must be true.

use std::sync::Arc;

use async_trait::async_trait;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::ports::{Clock, Directory, IdSource};
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::RecordingNotifier;
use uuid::Uuid;

use crate::transact::{Manner, Store, now, store};
use crate::world::{Rows, actor, at, sending};

/// What a send asks beside the threads.
#[derive(Debug)]
struct Rest {
    directory_fails: bool,
}

#[async_trait]
impl Directory for Rest {
    async fn users(&self, _: &[UserId]) -> Result<Vec<User>, StoreError> {
        if self.directory_fails { Err(StoreError::Unavailable("down".into())) } else { Ok(Vec::new()) }
    }

    async fn user_by_subject(&self, _: &Subject) -> Result<Option<User>, StoreError> {
        unreachable!("not asked here")
    }

    async fn put_user(&self, user: User, _: Option<Vec<Subject>>) -> Result<User, StoreError> {
        Ok(user)
    }

    async fn contexts(&self, _: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        unreachable!("not asked here")
    }

    async fn put_context(&self, _: Context) -> Result<(), StoreError> {
        unreachable!("not asked here")
    }
}

impl Clock for Rest {
    fn now(&self) -> Timestamp {
        at(2_000)
    }
}

impl IdSource for Rest {
    fn uuid_v7(&self, _: Timestamp) -> Uuid {
        Uuid::from_u128(1)
    }
}

fn messaging(threads: &Arc<Store>, directory_fails: bool) -> Messaging {
    let nobody = Arc::new(RecordingNotifier::default());
    let ids = Rest { directory_fails };
    let rest = Deps::on(MemoryStore::new(nobody), Rest { directory_fails }, ids);
    let directory = Arc::new(Rest { directory_fails });
    Messaging::new(Deps { threads: Arc::<Store>::clone(threads), directory, ..rest })
}

proptest! {
    #[test]
    fn a_send_that_fails_has_stored_nothing_and_one_that_is_stored_is_answered(
        directory_fails in any::<bool>(),
        // User 2 is not in the thread.
        who in 0..3_u8,
        key in prop::option::of(0..2_u8),
    ) {
        let threads = Arc::new(store(Manner::Decides));
        let request = sending(who, 0, 0, key, 0).request;
        let answer = now(messaging(&threads, directory_fails).send(&actor(who), request));
        let rows = threads.rows.lock().unwrap();
        match answer {
            Ok(sent) => {
                prop_assert_eq!(rows.messages.get(&Seq::new(1)), Some(&sent.message.message));
                prop_assert_eq!(sent.message.read_at, None);
                prop_assert!(!sent.duplicate);
            }
            Err(_) => prop_assert_eq!(&*rows, &Rows::opened(2)),
        }
    }
}
