//! The contract of a store, on the store in a PostgreSQL database.
//!
//! With one lane, because the batch law compares numbers, and those of one lane have no gaps; the other files have two.

#[cfg(test)]
mod cluster;

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_testkit::Stores;
use tokio_util::task::TaskTracker;

use cluster::Database;

async fn open(notifier: Arc<dyn Notifier>) -> Stores {
    let database = Database::recycled();
    let config = PgConfig { lanes: 1, ..database.config() };
    let store = PgStore::open(config, notifier, &TaskTracker::new()).await.expect("a new database opens");
    Stores::of(store).keeping(database)
}

tidings_testkit::store_contract!(open, cases = 24);
