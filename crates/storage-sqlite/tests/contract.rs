//! The contract of a store, on the store in a SQLite file.

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::Stores;
use tokio_util::task::TaskTracker;

async fn open(notifier: Arc<dyn Notifier>) -> Stores {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = SqliteConfig::at(folder.path().join("tidings.db"));
    let store = SqliteStore::open(config, notifier, &TaskTracker::new()).await.expect("a new file opens");
    Stores::of(store).keeping(folder)
}

tidings_testkit::store_contract!(open, cases = 24);
