//! Copies from and into PostgreSQL databases.

#[cfg(test)]
mod cluster;

use std::sync::Arc;

use sqlx::{Connection, Executor, PgConnection};
use tidings_domain::ports::Notifier;
use tidings_storage_memory::MemoryStore;
use tidings_storage_postgres::PgStore;
use tidings_testkit::Stores;
use tokio_util::task::TaskTracker;

use cluster::Database;

async fn memory(notifier: Arc<dyn Notifier>) -> Stores {
    let store = MemoryStore::new(notifier);
    Stores::of(store.clone()).transferring(store)
}

async fn database(notifier: Arc<dyn Notifier>) -> Stores {
    let database = Database::recycled();
    // All databases of the tests are made of one template, and would have its history.
    let mut connection = PgConnection::connect(&database.url).await.expect("a new database answers");
    connection.execute("update meta set epoch = gen_random_uuid()").await.expect("it can be written");
    let opened = PgStore::open(database.config(), notifier, &TaskTracker::new()).await;
    let store = opened.expect("a new database opens");
    Stores::of(store.clone()).transferring(store).keeping(database)
}

tidings_testkit::copy_contract!(from_memory: memory => database);
tidings_testkit::copy_contract!(to_memory: database => memory);
tidings_testkit::copy_contract!(to_another_database: database => database);
