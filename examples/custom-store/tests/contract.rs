//! The contract of a store, on this one (steps 1 and 10).

use std::sync::Arc;

use tidings_domain::ports::Notifier;
use tidings_example_custom_store::TableStore;
use tidings_testkit::Stores;

async fn open(notifier: Arc<dyn Notifier>) -> Stores {
    Stores::of(TableStore::new(notifier))
}

tidings_testkit::store_contract!(open, cases = 16);
