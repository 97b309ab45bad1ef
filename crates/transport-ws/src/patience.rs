//! Waiting for a budget, so that those who come together get in one after the other instead of being refused.

use std::time::Duration;

use tidings_domain::ports::{Budget, Limiter, TooMany};
use tidings_socketio::Socket;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a connection or a session waits to be let in.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a budget is asked by one who waits.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long a session that sends too much is not listened to, at least and at most.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Takes one of a budget, waiting for it for a while if there is nothing left.
pub(crate) async fn take(limiter: &dyn Limiter, budget: Budget<'_>) -> Result<(), TooMany> {
    match limiter.try_take(budget) {
        Ok(()) => Ok(()),
        Err(many) => Box::pin(wait(limiter, budget, many)).await,
    }
}

async fn wait(limiter: &dyn Limiter, budget: Budget<'_>, mut many: TooMany) -> Result<(), TooMany> {
    metrics::counter!("tidings_budget_waits_total", "budget" => name(budget)).increment(1);
    let until = Instant::now() + PATIENCE;
    loop {
        let again = Instant::now() + Duration::from_millis(many.retry_after_ms).max(ASK_EVERY);
        if again > until {
            // This one counts.
            return limiter.take(budget);
        }
        sleep_until(again).await;
        match limiter.try_take(budget) {
            Ok(()) => return Ok(()),
            Err(still) => many = still,
        }
    }
}

/// The name of one of the two budgets that are waited for.
const fn name(budget: Budget<'_>) -> &'static str {
    if let Budget::Handshakes(_) = budget { "handshakes" } else { "sessions" }
}

/// Listens to a client no further for a moment. Its refusals would cost as much as what is refused, if it could have
/// any number of them; and a client that asks for no ack would not even notice.
pub(crate) async fn pause(socket: &Socket, many: TooMany) {
    // What a client that is gone has left is not worth the wait.
    if socket.is_open() {
        sleep(Duration::from_millis(many.retry_after_ms).clamp(PAUSE_MIN, PAUSE_MAX)).await;
    }
}
