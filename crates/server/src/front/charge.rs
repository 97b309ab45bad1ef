//! Who pays for a request, and what becomes of those that nobody pays for.
//!
//! Each request is on somebody's budget: on that of the user whose token it bears, on that of the connection whose
//! session it is part of, or else on that of the address it came from. What is beyond a budget is answered late. The
//! client gets its answer, and the next request of its connection is not read before that: so however many it would
//! like to make, it makes one a second on each connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use tidings_domain::ports::{Budget, Limiter};
use tidings_transport_http::Charged;
use tokio::time::sleep;

/// How long the answer to a request that is refused for its number is held back, at least.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// How long the answer is held back to a request that may be made by anybody, but not so often. Probes give up after a
/// second.
const ANSWERED_AFTER: Duration = Duration::from_millis(500);
/// Over how long a time answers are spread that are held back together: else those who ask together would ask together
/// again.
const SPREAD: Duration = Duration::from_millis(320);
/// In how many steps.
const STEPS: u32 = 16;
const TOO_MANY: &str = "Too many requests, try again later\n";

/// What a request was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Rest,
    Sockets,
}

/// The answer, on the budget of the address `from` if nobody else pays for it; late, if that is used up.
pub(super) async fn charged(
    limiter: &dyn Limiter,
    from: IpAddr,
    to: To,
    method: &Method,
    response: Response<Body>,
) -> Response<Body> {
    let response = match payer(to, method, &response) {
        Payer::Else => response,
        Payer::Anybody => {
            if limiter.try_take(Budget::Preflights(from)).is_err() {
                metrics::counter!("tidings_answers_delayed_total").increment(1);
                hold_back(ANSWERED_AFTER).await;
            }
            return response;
        }
        Payer::Stranger => match limiter.take(Budget::Strangers(from)) {
            Ok(()) => response,
            Err(many) => refused(response, many.retry_after_ms.div_ceil(1_000)),
        },
    };
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        hold_back(REFUSED_AFTER).await;
    }
    response
}

async fn hold_back(least: Duration) {
    static HELD_BACK: AtomicU32 = AtomicU32::new(0);
    let step = HELD_BACK.fetch_add(1, Ordering::Relaxed) % STEPS;
    sleep(least + SPREAD * step / STEPS).await;
}

#[derive(Debug, PartialEq, Eq)]
enum Payer {
    /// Somebody else's budget was asked.
    Else,
    /// The request may be made by anybody.
    Anybody,
    /// The request was refused.
    Stranger,
}

fn payer(to: To, method: &Method, response: &Response<Body>) -> Payer {
    let is_refused = response.status().is_client_error();
    match to {
        _ if response.status() == StatusCode::TOO_MANY_REQUESTS => Payer::Else,
        To::Rest if response.extensions().get::<Charged>().is_some() => Payer::Else,
        _ if is_refused => Payer::Stranger,
        To::Sockets if method == Method::OPTIONS => Payer::Anybody,
        // New ones are on the budget of handshakes, and the rest is the connection's own affair.
        To::Sockets => Payer::Else,
        To::Rest => Payer::Anybody,
    }
}

/// A refusal in place of another answer, whose headers about who may read it stay.
fn refused(mut response: Response<Body>, retry_after_s: u64) -> Response<Body> {
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    *response.body_mut() = Body::from(TOO_MANY);
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tidings_domain::ports::TooMany;
    use tokio::time::Instant;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// Has nothing left of one kind of budget.
    #[derive(Debug)]
    struct Exhausted {
        strangers: bool,
        was_asked: AtomicBool,
    }

    impl Exhausted {
        fn new(strangers: bool) -> Self {
            Self { strangers, was_asked: AtomicBool::new(false) }
        }
    }

    impl Limiter for Exhausted {
        fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
            self.was_asked.store(true, Ordering::Relaxed);
            assert!(matches!(budget, Budget::Strangers(FROM) | Budget::Preflights(FROM)), "{budget:?}");
            match matches!(budget, Budget::Strangers(_)) == self.strangers {
                true => Err(TooMany { retry_after_ms: 1_001 }),
                false => Ok(()),
            }
        }
    }

    fn answer(status: u16) -> Response<Body> {
        Response::builder()
            .status(status)
            .header("access-control-allow-origin", "x")
            .body(Body::empty())
            .unwrap()
    }

    fn is_later(begun: Instant, least: Duration) -> bool {
        (least..least + SPREAD).contains(&begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_nobody_pays_for_becomes_another_one_later() {
        for (to, status) in [(To::Rest, 404), (To::Rest, 405), (To::Sockets, 400)] {
            let begun = Instant::now();
            let limiter = Exhausted::new(true);
            let response = charged(&limiter, FROM, to, &Method::GET, answer(status)).await;
            assert_eq!(response.status(), 429, "{to:?} {status}");
            assert_eq!(response.headers()["retry-after"], "2");
            assert_eq!(response.headers()["access-control-allow-origin"], "x");
            assert!(is_later(begun, REFUSED_AFTER));
            let begun = Instant::now();
            let within = charged(&Exhausted::new(false), FROM, to, &Method::GET, answer(status)).await;
            assert!(within.status().as_u16() == status && begun.elapsed().is_zero());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_anybody_may_ask_is_answered_later() {
        for (to, method, status) in
            [(To::Rest, Method::GET, 200), (To::Rest, Method::GET, 503), (To::Sockets, Method::OPTIONS, 204)]
        {
            let begun = Instant::now();
            let response = charged(&Exhausted::new(false), FROM, to, &method, answer(status)).await;
            assert!(response.status().as_u16() == status && is_later(begun, ANSWERED_AFTER));
            let begun = Instant::now();
            charged(&Exhausted::new(true), FROM, to, &method, answer(status)).await;
            assert!(begun.elapsed().is_zero());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_pays_for_costs_the_address_nothing() {
        let paid = |status| {
            let mut response = answer(status);
            response.extensions_mut().insert(Charged);
            response
        };
        for (to, response) in [
            (To::Rest, paid(200)),
            (To::Rest, paid(404)),
            (To::Sockets, answer(101)),
            (To::Sockets, answer(200)),
        ] {
            let begun = Instant::now();
            let limiter = Exhausted::new(true);
            charged(&limiter, FROM, to, &Method::GET, response).await;
            assert!(!limiter.was_asked.load(Ordering::Relaxed));
            assert!(begun.elapsed().is_zero());
        }
        let begun = Instant::now();
        charged(&Exhausted::new(true), FROM, To::Rest, &Method::GET, paid(429)).await;
        assert!(is_later(begun, REFUSED_AFTER));
    }
}
