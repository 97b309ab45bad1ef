//! The reference store of Tidings: everything in memory, nothing on disk.
//!
//! It passes the same contract suite as the durable stores, so it is what they are compared with, and it is what an
//! embedder uses who wants messaging without a database: in a test, in a demonstration, in a process whose threads
//! need not outlive it. It is not a mock.
//!
//! One lock guards everything. A send holds it for a few microseconds and costs no more in a long thread than in a
//! short one: O(log n) in the messages, and O(members) only in threads of up to
//! [`ENTRY_MEMBERS_MAX`](tidings_domain::page::ENTRY_MEMBERS_MAX) members, whose place in each member's list moves.
//! No async runtime is needed: no future of this store ever waits.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::change::Commit;
//! use tidings_domain::ports::{Directory, Notifier};
//! use tidings_domain::user::User;
//! use tidings_storage_memory::MemoryStore;
//!
//! #[derive(Debug)]
//! struct Quiet;
//!
//! impl Notifier for Quiet {
//!     fn committed(&self, _: Arc<Commit>) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tidings_testkit::block_on(async {
//! let store = MemoryStore::new(Arc::new(Quiet));
//! let ada = store.put_user(User::unknown("ada".parse()?), None).await?;
//! assert_eq!(ada.number, 1);
//! # Ok(()) })
//! # }
//! ```

mod directory;
mod jobs;
mod kept;
mod list;
mod state;
mod store;
mod transfer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tidings_domain::ports::Notifier;
use uuid::Uuid;

use crate::state::State;

/// Threads, messages, users and business objects in memory. Cheap to clone; clones share everything.
///
/// # Concurrency
/// Any number of calls at once. The [`Notifier`] is called under the store's lock, which is what keeps commits in
/// order; it must not wait for another call of this store.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

impl fmt::Debug for MemoryStore {
    /// Names the store alone: what people write does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    notifier: Arc<dyn Notifier>,
    history: Uuid,
}

impl MemoryStore {
    /// An empty store that tells `notifier` of every commit.
    #[must_use]
    pub fn new(notifier: Arc<dyn Notifier>) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        // A store in memory meets none of another process, so a count names its history.
        let history = Uuid::from_u64_pair(0, MADE.fetch_add(1, Ordering::Relaxed));
        Self(Arc::new(Shared { state: Mutex::new(State::default()), notifier, history }))
    }
}
