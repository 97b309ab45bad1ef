//! What clients can bring about as often as they like, and is logged now and then.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How often one cause is logged.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts how often something has happened since it was last logged.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Default)]
struct State {
    logged: Option<Instant>,
    count: u64,
}

impl Seldom {
    /// It has happened. How often, if that is to be logged now.
    pub(crate) fn happened(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock();
        state.count += 1;
        if state.logged.is_some_and(|at| now.saturating_duration_since(at) < INTERVAL) {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_logged_at_once_and_the_others_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.happened(), Some(1));
        assert_eq!(seldom.happened(), None);
        assert_eq!(seldom.happened(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.happened(), Some(3));
        assert_eq!(seldom.happened(), None);
    }
}
