//! How much a client may send: credit that grows with time and is used up by what it sends.

use std::time::Duration;

use tokio::time::Instant;

use super::super::Config;
use crate::Reason;

/// The cost of what carries no event: control frames, heartbeats, requests to enter and to leave a namespace, and a
/// polling client's request as such. Clients make few of these, and each costs the server as much as many events.
pub(crate) const CHATTER: u32 = 16;
/// So many bytes cost as much as an event.
const BYTES_PER_UNIT: usize = 4096;
/// Once the credit is used up, reading goes on when it has grown for so long: not for every single packet.
const PAUSE: Duration = Duration::from_millis(250);

/// Counts a connection that is closed for the number of its packets.
fn flooded() -> Reason {
    metrics::counter!("tidings_sockets_flooded_total").increment(1);
    Reason::Flood
}

/// What a client may still send. Costs a subtraction for each packet; the clock is asked only when the credit is used
/// up.
pub(super) struct Meter {
    /// Below zero after something that cost more than was left.
    credit: i64,
    /// Bytes that have not made up a unit yet.
    bytes: usize,
    /// Up to when credit has been given.
    credited: Instant,
    /// Whether the connection has ever been established. Until then there is no more credit.
    is_trusted: bool,
    /// Nothing is read before this.
    paused_until: Option<Instant>,
    /// Since when the client has always had more to send than it may.
    flooding_since: Option<Instant>,
}

impl Meter {
    pub(super) fn new(config: &Config, is_trusted: bool, now: Instant) -> Self {
        let credit = if is_trusted { config.burst } else { config.burst_unestablished };
        Self {
            credit: credit.into(),
            bytes: 0,
            credited: now,
            is_trusted,
            paused_until: None,
            flooding_since: None,
        }
    }

    /// The connection is established: from here on credit grows.
    pub(super) fn trust(&mut self, config: &Config) {
        if !std::mem::replace(&mut self.is_trusted, true) {
            (self.credit, self.credited) = (config.burst.into(), Instant::now());
        }
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// When reading goes on.
    pub(super) const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// The client has nothing more to send for now.
    pub(super) const fn rest(&mut self) {
        self.flooding_since = None;
    }

    /// Something has been received; when it was more than the credit, nothing more is read for a while.
    ///
    /// # Errors
    /// The reason for which the connection is to be closed.
    pub(super) fn charge(&mut self, units: u32, bytes: usize, config: &Config) -> Result<(), Reason> {
        // Nobody has anything to say before being let in.
        self.subtract(if self.is_trusted { units } else { units.max(CHATTER) }, bytes, config)
    }

    /// A part of something has been received, `wakes` times: its bytes cost what they cost in the end, however it is cut.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub(super) fn charge_part(&mut self, wakes: u32, bytes: usize, config: &Config) -> Result<(), Reason> {
        self.subtract(wakes, bytes, config)
    }

    fn subtract(&mut self, units: u32, bytes: usize, config: &Config) -> Result<(), Reason> {
        self.bytes += bytes;
        let for_bytes = self.bytes / BYTES_PER_UNIT;
        self.bytes %= BYTES_PER_UNIT;
        self.credit -= i64::from(units) + i64::try_from(for_bytes).unwrap_or(i64::MAX / 2);
        if self.credit >= 0 { Ok(()) } else { self.overdraw(config) }
    }

    #[cold]
    fn overdraw(&mut self, config: &Config) -> Result<(), Reason> {
        if config.burst_refill.is_zero() {
            self.credit = config.burst.into();
            return Ok(());
        }
        if !self.is_trusted {
            return Err(flooded());
        }
        let now = Instant::now();
        self.refill(now, config);
        if self.credit >= 0 {
            return Ok(());
        }
        let since = *self.flooding_since.get_or_insert(now);
        if now.saturating_duration_since(since) > config.flood_timeout {
            return Err(flooded());
        }
        // No wait is longer than a refill: more than a burst is owed only after a single huge message.
        let debt = u32::try_from(-self.credit).unwrap_or(u32::MAX).min(config.burst);
        let paid_off = config.burst_refill.saturating_mul(debt) / config.burst.max(1);
        self.paused_until = now.checked_add(paid_off + PAUSE);
        metrics::counter!("tidings_sockets_paused_total").increment(1);
        Ok(())
    }

    /// Goes on reading if the pause is over.
    pub(super) fn tick(&mut self, now: Instant, config: &Config) -> bool {
        if self.paused_until.is_none_or(|until| now < until) {
            return false;
        }
        self.paused_until = None;
        self.refill(now, config);
        true
    }

    fn refill(&mut self, now: Instant, config: &Config) {
        let passed = now.saturating_duration_since(self.credited).min(config.burst_refill);
        let gained = passed.as_millis() * u128::from(config.burst) / config.burst_refill.as_millis().max(1);
        let gained = i64::try_from(gained).unwrap_or_default();
        if gained > 0 {
            self.credit = (self.credit + gained).min(config.burst.into());
            self.credited = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            burst: 100,
            burst_refill: Duration::from_secs(10),
            burst_unestablished: 33,
            ..Config::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_a_flood_waits_for_what_it_costs() {
        let config = config();
        let mut meter = Meter::new(&config, true, Instant::now());
        for _ in 0..100 {
            meter.charge(1, 0, &config).unwrap();
        }
        assert!(!meter.is_paused());
        meter.charge(10, 0, &config).unwrap();
        // Ten more than there were, at ten a second; and a little for the next ones.
        assert_eq!(meter.paused_until().unwrap() - Instant::now(), Duration::from_millis(1250));
        tokio::time::advance(Duration::from_millis(1249)).await;
        assert!(!meter.tick(Instant::now(), &config) && meter.is_paused());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(meter.tick(Instant::now(), &config) && !meter.is_paused());
        // What grows in the time of the pause beyond the debt: 250 ms, at ten a second.
        meter.charge(2, 0, &config).unwrap();
        assert!(!meter.is_paused());
        meter.charge(1, 0, &config).unwrap();
        assert!(meter.is_paused());
        // However long nothing comes, a burst is the most that may come at once; one is still owed.
        tokio::time::advance(Duration::from_hours(1)).await;
        meter.tick(Instant::now(), &config);
        meter.rest();
        meter.charge(99, 0, &config).unwrap();
        assert!(!meter.is_paused());
        meter.charge(1, 0, &config).unwrap();
        assert!(meter.is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_cost_something_too() {
        let config = config();
        let mut meter = Meter::new(&config, true, Instant::now());
        meter.charge(0, BYTES_PER_UNIT * 100, &config).unwrap();
        meter.charge(0, BYTES_PER_UNIT - 1, &config).unwrap();
        assert!(!meter.is_paused());
        meter.charge(0, 1, &config).unwrap();
        assert!(meter.is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_stops_is_closed_and_who_rests_is_not() {
        let config = Config { flood_timeout: Duration::from_secs(5), ..config() };
        for (rests, closed) in [(false, true), (true, false)] {
            let mut meter = Meter::new(&config, true, Instant::now());
            let mut result = Ok(());
            for _ in 0..200 {
                result = result.and_then(|()| meter.charge(1, 0, &config));
                if let Some(until) = meter.paused_until() {
                    tokio::time::sleep_until(until).await;
                    meter.tick(Instant::now(), &config);
                    if rests {
                        meter.rest();
                    }
                }
            }
            assert_eq!(result == Err(Reason::Flood), closed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn before_it_is_established_a_connection_has_little_and_gets_no_more() {
        let config = config();
        let mut meter = Meter::new(&config, false, Instant::now());
        tokio::time::advance(Duration::from_hours(1)).await;
        // Whatever it sends costs as much as the dearest.
        meter.charge(1, 0, &config).unwrap();
        meter.charge(1, 0, &config).unwrap();
        assert_eq!(meter.charge(1, 0, &config), Err(Reason::Flood));
        let mut meter = Meter::new(&config, false, Instant::now());
        meter.charge(32, 0, &config).unwrap();
        meter.trust(&config);
        meter.charge(100, 0, &config).unwrap();
        // It is trusted once: leaving and entering again brings nothing.
        meter.trust(&config);
        meter.charge(1, 0, &config).unwrap();
        assert!(meter.is_paused());
    }

    /// However slowly it comes.
    #[tokio::test(start_paused = true)]
    async fn a_part_costs_no_more_than_its_bytes_and_its_wakes() {
        let config = config();
        let mut meter = Meter::new(&config, false, Instant::now());
        for _ in 0..17 {
            meter.charge_part(1, 10, &config).unwrap();
        }
        meter.charge(1, 10, &config).unwrap();
        assert_eq!(meter.charge(1, 0, &config), Err(Reason::Flood));
        let mut meter = Meter::new(&config, true, Instant::now());
        meter.charge_part(0, BYTES_PER_UNIT * 100, &config).unwrap();
        assert!(!meter.is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_there_is_no_limit() {
        let config = Config { burst_refill: Duration::ZERO, ..config() };
        for is_trusted in [false, true] {
            let mut meter = Meter::new(&config, is_trusted, Instant::now());
            for _ in 0..10_000 {
                meter.charge(CHATTER, 10_000, &config).unwrap();
                assert!(!meter.is_paused());
            }
        }
    }
}
