//! Running async test code from plain test functions.

use std::future::Future;
use std::time::Duration;

/// How long one test may take before it counts as hanging.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a future on a runtime of its own with two worker threads, and fails if it hangs for [`DEADLINE`].
///
/// # Panics
/// When the runtime cannot start, and when the deadline passes.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("no test hangs") })
}

/// Waits until `holds`, letting everything else run in between.
///
/// # Panics
/// When it does not hold within [`DEADLINE`].
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never came to pass: {what}");
}
