//! Running async test code from plain test functions.

use std::future::Future;
use std::time::Duration;

/// How long one test may take before it counts as hanging.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a future on a runtime of its own with two worker threads, and fails if it hangs for [`DEADLINE`].
///
/// # Panics
/// When the runtime cannot start, and when the deadline passes.
#[expect(clippy::expect_used, reason = "a test that cannot run must fail")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("no test hangs") })
}
