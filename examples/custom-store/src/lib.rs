//! A store as somebody outside would write their first one: tables without an index, every read a scan, one lock.
//!
//! It is right, which is to say that it passes the contract suite (`tests/contract.rs`), and it is slow: a send costs
//! as much as there are messages. Read it beside `docs/adding-a-store.md`, whose steps it names, and put your database
//! where its tables are.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::messaging::{Deps, Messaging};
//! use tidings_domain::ports::{Clock, IdSource, Notifier};
//! use tidings_example_custom_store::TableStore;
//!
//! fn service(notifier: Arc<dyn Notifier>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Messaging {
//!     Messaging::new(Deps::on(TableStore::new(notifier), clock, ids))
//! }
//! ```

mod directory;
mod jobs;
mod reads;
mod tables;
mod writes;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tidings_domain::ports::Notifier;

use crate::tables::Tables;

/// Threads, messages, users and business objects in plain tables.
///
/// # Concurrency
/// Any number of calls at once, one after the other.
pub struct TableStore {
    tables: Mutex<Tables>,
    notifier: Arc<dyn Notifier>,
}

impl TableStore {
    /// An empty store that tells `notifier` of its commits.
    #[must_use]
    pub fn new(notifier: Arc<dyn Notifier>) -> Self {
        Self { tables: Mutex::default(), notifier }
    }
}

impl fmt::Debug for TableStore {
    /// Names the store alone: what people write does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableStore").finish_non_exhaustive()
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-a-store.md")]
#[derive(Debug)]
pub struct AddingAStore;
