//! The contract of a store, on the store in memory.

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_storage_memory::MemoryStore;
use tidings_testkit::Stores;

async fn open(notifier: Arc<dyn Notifier>) -> Stores {
    Stores::of(MemoryStore::new(notifier))
}

tidings_testkit::store_contract!(open, cases = 64);
