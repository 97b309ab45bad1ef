//! Reading what the hub asks for, outside of its task.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::Messaging;
use tidings_domain::seq::Modseq;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::HubConfig;
use crate::input::{Gap, Read};
use crate::roster::Roster;

/// How long after a failed read the next try comes, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Something about a thread that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) thread: ThreadId,
    /// Also what changed after this point.
    pub(crate) after: Option<Modseq>,
    /// Whether the thread's news go on meanwhile: only the names are old.
    pub(crate) behind: bool,
}

/// Reads rosters and gaps.
#[derive(Debug)]
pub(crate) struct Reader {
    messaging: Messaging,
    /// Held during a try, not between tries: what cannot be read keeps nobody else waiting.
    places: Semaphore,
    gap_rows: usize,
    read_timeout: Duration,
}

impl Reader {
    pub(crate) fn new(messaging: Messaging, config: &HubConfig) -> Self {
        Self {
            messaging,
            places: Semaphore::new(config.reads_at_once.clamp(1, Semaphore::MAX_PERMITS)),
            gap_rows: config.gap_rows,
            read_timeout: config.read_timeout,
        }
    }

    /// Reads what the hub asked for, again and again while the store does not answer: the thread's news wait
    /// meanwhile.
    pub(crate) async fn read(&self, ask: Ask) -> Read {
        let mut pause = RETRY_FIRST;
        loop {
            match self.try_read(ask).await {
                Ok(read) => return read,
                Err(error) => {
                    tracing::warn!(thread = %ask.thread, %error, "live delivery waits for the store");
                    sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    async fn try_read(&self, ask: Ask) -> Result<Read, StoreError> {
        let _place = self.places.acquire().await;
        let reading = timeout(self.read_timeout, unpanicked(self.read_once(ask)));
        reading.await.map_err(|_| StoreError::Unavailable("a read took too long".into()))?
    }

    async fn read_once(&self, ask: Ask) -> Result<Read, StoreError> {
        let gap = match ask.after {
            None => Gap::None,
            Some(after) => {
                let changes = self.messaging.changes_of(ask.thread, after, self.gap_rows).await?;
                changes.map_or(Gap::TooLong, Gap::Filled)
            }
        };
        // After the gap, so that the roster knows everyone whom the gap tells of.
        let roster = Roster::read(&self.messaging, ask.thread).await?;
        Ok(Read { roster, gap, behind: ask.behind })
    }
}

/// A store that panics has failed, no more: the thread's news must not wait for ever.
async fn unpanicked<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut reading = pin!(reading);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| reading.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(StoreError::Internal("a read panicked".into()))))
    })
    .await
}
