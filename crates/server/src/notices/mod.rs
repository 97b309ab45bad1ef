//! Telling those who are away: works off the jobs that sends leave behind.

use std::time::Duration;

use async_trait::async_trait;
use metrics::Counter;
use tidings_domain::job::Notice;
use tidings_domain::messaging::{Messaging, Round};
use tidings_domain::ports::{Attendance, DeliveryError, NoticeDelivery};
use tidings_domain::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::output::Output;

/// The longest pause between two looks at the jobs.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The shortest.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Writes notices to the log, until there is mail or push. What is in the messages stays there.
///
/// A notice is delivered when its line is written. One whose line is lost, or waits for longer than
/// [`Output::flush`](crate::output::Output::flush) does, is tried again, so that its line may be there twice.
#[derive(Debug, Clone)]
pub(crate) struct ToLog(pub(crate) Output);

#[async_trait]
impl NoticeDelivery for ToLog {
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        let Notice { user, thread, unread, .. } = notice;
        let lost = self.0.lost();
        tracing::info!(%user, %thread, unread, "somebody who is away has something to read");
        let log = self.0.clone();
        // Any line that was lost meanwhile may have been this one.
        let is_written =
            tokio::task::spawn_blocking(move || log.flush() && log.lost() == lost).await.unwrap_or_default();
        if is_written { Ok(()) } else { Err(DeliveryError("the log could not be written".to_owned())) }
    }
}

/// What the runner works with.
#[derive(Debug, Clone)]
pub(crate) struct Runner<A, D> {
    pub(crate) messaging: Messaging,
    pub(crate) attendance: A,
    pub(crate) delivery: D,
    /// After how long people are told; there is nothing to look for much more often.
    pub(crate) after: Duration,
}

impl<A: Attendance, D: NoticeDelivery> Runner<A, D> {
    /// Works off jobs as they become due, until `stop`. What is under way then is done by whoever runs next.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let counters = Counters::new();
        let pause_max = self.after.clamp(PAUSE_MIN, PAUSE_MAX);
        loop {
            let work = self.messaging.work_off(&self.attendance, &self.delivery);
            let pause = match stop.run_until_cancelled(work).await {
                None => return,
                Some(Ok(round)) => {
                    counters.count(round);
                    self.pause(round.next_at, pause_max)
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "notices could not be worked off; another try follows");
                    PAUSE_MAX
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    fn pause(&self, next_at: Option<Timestamp>, pause_max: Duration) -> Duration {
        let Some(next_at) = next_at else { return pause_max };
        let left = next_at.as_millis().saturating_sub(self.messaging.now().as_millis());
        Duration::from_millis(u64::try_from(left).unwrap_or_default()).clamp(PAUSE_MIN, pause_max)
    }
}

struct Counters {
    delivered: Counter,
    failed: Counter,
    given_up: Counter,
}

impl Counters {
    fn new() -> Self {
        let counter = |outcome| metrics::counter!("tidings_notices_total", "outcome" => outcome);
        Self { delivered: counter("delivered"), failed: counter("failed"), given_up: counter("given-up") }
    }

    fn count(&self, round: Round) {
        let Round { delivered, failed, given_up, .. } = round;
        for (counter, count) in
            [(&self.delivered, delivered), (&self.failed, failed), (&self.given_up, given_up)]
        {
            counter.increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests;
