//! Whether the file can be written, as the last batches had it.

use tidings_domain::error::StoreError;
use tokio::sync::watch;

/// How the writer fares.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// How many batches have ended, well or not.
    ended: u64,
    /// Whether a batch is being written.
    is_writing: bool,
    /// Why the file could not be written, unless something has been written since.
    failure: Option<StoreError>,
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct Report(watch::Sender<Health>);

/// The side of whoever asks.
#[derive(Debug, Clone)]
pub(crate) struct Watch(watch::Receiver<Health>);

/// A report, and the watch on it.
pub(crate) fn health() -> (Report, Watch) {
    let (report, watch) = watch::channel(Health::default());
    (Report(report), Watch(watch))
}

impl Report {
    pub(crate) fn begins(&self) {
        self.0.send_modify(|health| health.is_writing = true);
    }

    pub(crate) fn ends(&self) {
        self.0.send_modify(|health| {
            health.is_writing = false;
            health.ended = health.ended.wrapping_add(1);
        });
    }

    /// Something was written.
    pub(crate) fn wrote(&self) {
        if self.0.borrow().failure.is_some() {
            self.0.send_modify(|health| health.failure = None);
        }
    }

    /// The file, or its disk, did not take it.
    pub(crate) fn failed(&self, error: &StoreError) {
        self.0.send_modify(|health| health.failure = Some(error.clone()));
    }
}

impl Watch {
    /// How the last write fared; waits for the end of one that is under way, which may never end on a disk that hangs.
    pub(crate) async fn last_write(&self) -> Result<(), StoreError> {
        let mut health = self.0.clone();
        let seen = {
            let now = health.borrow();
            now.is_writing.then_some(now.ended)
        };
        if let Some(seen) = seen {
            let ended = health.wait_for(|now| now.ended != seen).await.is_ok();
            if !ended {
                return Err(StoreError::Unavailable("the store is closed".into()));
            }
        }
        health.borrow().failure.clone().map_or(Ok(()), Err)
    }
}
