//! Running async test code from plain test functions.

use std::future::Future;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

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

/// As [`block_on`], on the calling thread alone: nothing else runs until the future waits.
///
/// # Panics
/// When the runtime cannot start, and when the deadline passes.
pub(crate) fn block_on_one_thread<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("no test hangs") })
}

/// How many cases a property tries when neither the test nor `PROPTEST_CASES` says so.
const CASES_UNSAID: u32 = 256;

/// A property's settings: so many cases, unless `PROPTEST_CASES` says otherwise.
pub(crate) fn config(cases: u32) -> Config {
    let said = Config::default();
    let cases = if said.cases == CASES_UNSAID { cases } else { said.cases };
    Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..said }
}

/// Tries a property, and fails with the smallest counterexample found.
#[expect(clippy::panic, reason = "a property that does not hold fails its test")]
pub(crate) fn holds<S: Strategy>(
    config: Config,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    if let Err(counterexample) = TestRunner::new(config).run(strategy, property) {
        panic!("{counterexample}");
    }
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
