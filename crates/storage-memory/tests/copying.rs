//! Copies between stores in memory.

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_storage_memory::MemoryStore;
use tidings_testkit::Stores;

async fn memory(notifier: Arc<dyn Notifier>) -> Stores {
    let store = MemoryStore::new(notifier);
    Stores::of(store.clone()).transferring(store)
}

tidings_testkit::copy_contract!(to_memory: memory => memory);
