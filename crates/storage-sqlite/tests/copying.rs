//! Copies from and into SQLite files.

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_storage_memory::MemoryStore;
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::Stores;
use tokio_util::task::TaskTracker;

async fn memory(notifier: Arc<dyn Notifier>) -> Stores {
    let store = MemoryStore::new(notifier);
    Stores::of(store.clone()).transferring(store)
}

async fn file(notifier: Arc<dyn Notifier>) -> Stores {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = SqliteConfig::at(folder.path().join("tidings.db"));
    let store = SqliteStore::open(config, notifier, &TaskTracker::new()).await.expect("a new file opens");
    Stores::of(store.clone()).transferring(store).keeping(folder)
}

tidings_testkit::copy_contract!(from_memory: memory => file);
tidings_testkit::copy_contract!(to_memory: file => memory);
tidings_testkit::copy_contract!(to_another_file: file => file);
