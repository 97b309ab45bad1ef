//! Tasks that must go on as long as the server does.
//!
//! A panic ends the task it is in, and tokio goes on without it: the server would look well and do half of its work. So
//! a task that can begin again does, and the end of one that cannot is the end of the process, with an error, so that
//! whatever runs the server starts it anew. `/readyz` says so meanwhile.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a task that panicked rests before it begins again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Watches over tasks. Cheap to clone; clones watch over the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    tasks: TaskTracker,
    /// The server goes down: nothing is begun again, and whatever ends may.
    stop: CancellationToken,
    fallen: watch::Sender<Option<&'static str>>,
}

impl Supervisor {
    /// Watches over tasks among `tasks` until `stop`.
    pub(crate) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { tasks, stop, fallen: watch::Sender::new(None) }
    }

    /// Runs a task that keeps nothing to itself: after a panic it begins again. It is done when it returns.
    pub(crate) fn keep<T>(&self, name: &'static str, begin: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Future<Output = ()> + Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let run = || AssertUnwindSafe(async { begin().await }).catch_unwind();
            while run().await.is_err() {
                metrics::counter!("tidings_tasks_restarted_total", "task" => name).increment(1);
                tracing::error!(task = name, "a task of the server panicked and begins again");
                if stop.run_until_cancelled(tokio::time::sleep(RESTART_PAUSE)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Runs a task that the server cannot go on without: it must not end before the server is told to.
    pub(crate) fn rely_on(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, fallen) = (self.stop.clone(), self.fallen.clone());
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if ended.is_ok() && stop.is_cancelled() {
                return;
            }
            tracing::error!(task = name, "a task that the server needs has ended");
            // The first one says most about the cause.
            fallen.send_if_modified(|fallen| {
                let is_first = fallen.is_none();
                if is_first {
                    *fallen = Some(name);
                }
                is_first
            });
        });
    }

    /// The first needed task that has ended, if one has.
    pub(crate) fn fallen(&self) -> Option<&'static str> {
        *self.fallen.borrow()
    }

    /// Waits until a needed task has ended.
    pub(crate) async fn falls(&self) -> &'static str {
        let mut fallen = self.fallen.subscribe();
        // It cannot be dropped: this has a sender as well.
        match fallen.wait_for(Option::is_some).await.map(|name| *name) {
            Ok(Some(name)) => name,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(TaskTracker::new(), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_again_until_the_server_stops() {
        let supervisor = supervisor();
        let begun = Arc::new(AtomicUsize::new(0));
        let (count, stop) = (Arc::clone(&begun), supervisor.stop.clone());
        let (third, reached) = tokio::sync::mpsc::channel(1);
        supervisor.keep("test", move || {
            let (number, stop, third) = (count.fetch_add(1, Ordering::Relaxed), stop.clone(), third.clone());
            async move {
                assert!(number >= 2, "a panic for the test");
                third.try_send(()).ok();
                stop.cancelled().await;
            }
        });
        let mut reached = reached;
        reached.recv().await.unwrap();
        assert_eq!((begun.load(Ordering::Relaxed), supervisor.fallen()), (3, None));
        supervisor.stop.cancel();
        supervisor.tasks.close();
        supervisor.tasks.wait().await;
    }

    #[tokio::test]
    async fn a_needed_task_that_panics_or_ends_is_known_by_name() {
        for panics in [true, false] {
            let supervisor = supervisor();
            assert_eq!(supervisor.fallen(), None);
            supervisor.rely_on("the first", async move { assert!(!panics, "a panic for the test") });
            assert_eq!(supervisor.falls().await, "the first");
            supervisor.rely_on("the second", async {});
            supervisor.tasks.close();
            supervisor.tasks.wait().await;
            assert_eq!(supervisor.fallen(), Some("the first"));
        }
    }

    #[tokio::test]
    async fn whatever_ends_in_a_shutdown_has_not_fallen() {
        let supervisor = supervisor();
        let stop = supervisor.stop.clone();
        supervisor.rely_on("test", stop.clone().cancelled_owned());
        stop.cancel();
        supervisor.tasks.close();
        supervisor.tasks.wait().await;
        assert_eq!(supervisor.fallen(), None);
    }
}
