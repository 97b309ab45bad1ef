//! How often something may be done: a token bucket for each user or address.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use metrics::Counter;
use tidings_domain::id::UserId;
use tidings_domain::ports::{Budget, Limiter, TooMany};
use tokio_util::sync::CancellationToken;

use crate::config::{Rate, RateSettings};

/// How often buckets that are full again are forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);

/// The buckets of one budget. `C` tells the time, so that tests need not wait for it.
type Store<K, C> = RateLimiter<K, Shared<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Every budget with its buckets; `None`: unlimited.
#[derive(Debug)]
pub(crate) struct Rates<C: Clock = DefaultClock> {
    sends: Option<Buckets<UserId, C>>,
    opens: Option<Buckets<UserId, C>>,
    requests: Option<Buckets<UserId, C>>,
    services: Option<Buckets<UserId, C>>,
    events: Option<Buckets<UserId, C>>,
    sessions: Option<Buckets<UserId, C>>,
    strangers: Option<Buckets<IpAddr, C>>,
    handshakes: Option<Buckets<IpAddr, C>>,
    preflights: Option<Buckets<IpAddr, C>>,
}

impl<C: Clock + Clone> Rates<C> {
    /// As configured, by this clock.
    pub(crate) fn new(settings: &RateSettings, clock: &C) -> Self {
        Self {
            sends: Buckets::new(settings.sends, "sends", clock),
            opens: Buckets::new(settings.opens, "opens", clock),
            requests: Buckets::new(settings.requests, "requests", clock),
            services: Buckets::new(settings.host_requests, "host_requests", clock),
            events: Buckets::new(settings.events, "events", clock),
            sessions: Buckets::new(settings.sessions, "sessions", clock),
            strangers: Buckets::new(settings.strangers, "strangers", clock),
            handshakes: Buckets::new(settings.handshakes, "handshakes", clock),
            preflights: Buckets::new(settings.preflights, "preflights", clock),
        }
    }

    /// Forgets the buckets that are full again: they are as good as new ones.
    fn tidy(&self) {
        [&self.sends, &self.opens, &self.requests, &self.services, &self.events, &self.sessions]
            .into_iter()
            .flatten()
            .for_each(Buckets::tidy);
        [&self.strangers, &self.handshakes, &self.preflights].into_iter().flatten().for_each(Buckets::tidy);
    }
}

impl Rates {
    /// Keeps the buckets from piling up until `stop`.
    pub(crate) async fn keep_tidy(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
            self.tidy();
        }
    }
}

impl<C> Limiter for Rates<C>
where
    C: Clock + std::fmt::Debug + Send + Sync + 'static,
    C::Instant: Send + Sync + std::fmt::Debug,
{
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        self.ask(budget, true)
    }

    fn try_take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        self.ask(budget, false)
    }

    fn give_back(&self, budget: Budget<'_>) {
        if let (Budget::Handshakes(address), Some(buckets)) = (budget, &self.handshakes) {
            buckets.give_back(&block(address));
        }
    }
}

impl<C: Clock> Rates<C> {
    /// Takes one of a budget. `counts`: whether it is a refusal when there is nothing left.
    fn ask(&self, budget: Budget<'_>, counts: bool) -> Result<(), TooMany> {
        let of_user = |buckets: &Option<Buckets<UserId, C>>, user| match buckets {
            Some(buckets) => buckets.take(user, counts),
            None => Ok(()),
        };
        let of_address = |buckets: &Option<Buckets<IpAddr, C>>, address| match buckets {
            Some(buckets) => buckets.take(&block(address), counts),
            None => Ok(()),
        };
        match budget {
            Budget::Sends(user) => of_user(&self.sends, user),
            Budget::Opens(user) => of_user(&self.opens, user),
            Budget::Requests(user) => of_user(&self.requests, user),
            Budget::Service(service) => of_user(&self.services, service),
            Budget::Events(user) => of_user(&self.events, user),
            Budget::Sessions(user) => of_user(&self.sessions, user),
            Budget::Strangers(address) => of_address(&self.strangers, address),
            Budget::Handshakes(address) => of_address(&self.handshakes, address),
            Budget::Preflights(address) => of_address(&self.preflights, address),
            // A budget that this server does not know of yet has no limit here.
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone, C: Clock> {
    store: Store<K, C>,
    /// The same buckets, for what the library does not do.
    shared: Shared<K>,
    /// In how much time one more may be taken.
    period: Duration,
    clock: C,
    refused: Counter,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    fn new(rate: Option<Rate>, budget: &'static str, clock: &C) -> Option<Self> {
        let rate = rate?;
        let period = rate.window / rate.count.get();
        let quota = Quota::with_period(period)?.allow_burst(rate.count);
        let shared = Shared(Arc::default());
        Some(Self {
            store: RateLimiter::new(quota, shared.clone(), clock.clone()),
            shared,
            period,
            clock: clock.clone(),
            refused: metrics::counter!("tidings_rate_limited_total", "budget" => budget),
        })
    }

    fn tidy(&self) {
        self.store.retain_recent();
        self.store.shrink_to_fit();
    }
}

impl<K: Hash + Eq + Clone, C: Clock> Buckets<K, C> {
    fn take(&self, key: &K, counts: bool) -> Result<(), TooMany> {
        self.store.check_key(key).map_err(|until| {
            if counts {
                self.refused.increment(1);
            }
            let wait = until.wait_time_from(self.clock.now());
            // Rounded up: who comes back then is let in.
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            TooMany { retry_after_ms: millis.max(1) }
        })
    }

    /// Undoes one that was taken.
    fn give_back(&self, key: &K) {
        // A bucket's state is the time at which it will be full again (GCRA).
        let undone = self.shared.measure_and_replace(key, |full_at| match full_at {
            Some(full_at) => Ok(((), full_at.saturating_sub(self.period.into()))),
            None => Err(()),
        });
        // A bucket that is not there is full.
        undone.ok();
    }
}

/// The state of buckets, which both the library and we may change.
#[derive(Debug)]
struct Shared<K: Hash + Eq + Clone>(Arc<DashMapStateStore<K>>);

impl<K: Hash + Eq + Clone> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> StateStore for Shared<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Shared<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&*self.0);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&*self.0)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&*self.0)
    }
}

/// Whom an address stands for: a subscriber has a whole /64 of IPv6, so that their addresses count as one. An IPv4
/// address written as IPv6 is that IPv4 address, or all of IPv4 would share one bucket.
pub(crate) fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rates(sends: Option<(u32, u64)>, clock: &FakeRelativeClock) -> Rates<FakeRelativeClock> {
        let rate = |(count, seconds)| Rate {
            count: NonZeroU32::new(count).unwrap(),
            window: Duration::from_secs(seconds),
        };
        let settings = RateSettings {
            sends: sends.map(rate),
            opens: None,
            requests: None,
            host_requests: None,
            events: Some(rate((3, 1))),
            sessions: None,
            strangers: Some(rate((2, 60))),
            handshakes: Some(rate((10, 10))),
            preflights: None,
            packets: None,
        };
        Rates::new(&settings, clock)
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn each_user_has_a_budget_of_their_own_that_fills_up_again() {
        let clock = FakeRelativeClock::default();
        let rates = rates(Some((20, 10)), &clock);
        let (alice, bob) = (user("alice"), user("bob"));
        for _ in 0..20 {
            assert_eq!(rates.take(Budget::Sends(&alice)), Ok(()));
        }
        assert_eq!(rates.take(Budget::Sends(&alice)), Err(TooMany { retry_after_ms: 500 }));
        assert_eq!(rates.take(Budget::Sends(&bob)), Ok(()));
        // What was refused has cost nothing.
        clock.advance(Duration::from_millis(499));
        assert_eq!(rates.take(Budget::Sends(&alice)), Err(TooMany { retry_after_ms: 1 }));
        clock.advance(Duration::from_millis(1));
        assert_eq!(rates.take(Budget::Sends(&alice)), Ok(()));
        assert!(rates.take(Budget::Sends(&alice)).is_err());
        // Budgets do not touch each other.
        assert_eq!(rates.take(Budget::Events(&alice)), Ok(()));
    }

    #[test]
    fn only_refusals_are_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let clock = FakeRelativeClock::default();
            let rates = rates(Some((1, 10)), &clock);
            let alice = user("alice");
            rates.try_take(Budget::Sends(&alice)).unwrap();
            assert!((0..5).all(|_| rates.try_take(Budget::Sends(&alice)).is_err()));
            assert!(rates.take(Budget::Sends(&alice)).is_err());
        });
        let text = recorder.handle().render();
        assert!(text.contains("tidings_rate_limited_total{budget=\"sends\"} 1\n"), "{text}");
    }

    #[test]
    fn off_is_unlimited() {
        let clock = FakeRelativeClock::default();
        let rates = rates(None, &clock);
        let alice = user("alice");
        for _ in 0..10_000 {
            assert_eq!(rates.take(Budget::Sends(&alice)), Ok(()));
            assert_eq!(rates.take(Budget::Requests(&alice)), Ok(()));
        }
    }

    #[test]
    fn a_subscribers_ipv6_addresses_count_as_one_and_ipv4_addresses_do_not() {
        let clock = FakeRelativeClock::default();
        let rates = rates(None, &clock);
        let take = |address: &str| rates.take(Budget::Strangers(address.parse().unwrap())).is_ok();
        assert!(take("2001:db8:1:2::1") && take("2001:db8:1:2:ffff::2"));
        assert!(!take("2001:db8:1:2::3"));
        assert!(take("2001:db8:1:3::1"));
        // As a listener on [::] sees IPv4.
        assert!(take("::ffff:192.0.2.1") && take("192.0.2.1"));
        assert!(!take("::ffff:192.0.2.1"));
        assert!(take("::ffff:192.0.2.2"));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let clock = FakeRelativeClock::default();
        let rates = rates(None, &clock);
        let address = IpAddr::from([192, 0, 2, 1]);
        let handshake = || rates.take(Budget::Handshakes(address));
        // Of a bucket that nobody has touched, and of a full one, nothing can be given back.
        rates.give_back(Budget::Handshakes(address));
        for _ in 0..10 {
            handshake().unwrap();
        }
        assert!(handshake().is_err());
        for _ in 0..3 {
            rates.give_back(Budget::Handshakes(address));
        }
        for _ in 0..3 {
            handshake().unwrap();
        }
        assert_eq!(handshake(), Err(TooMany { retry_after_ms: 1_000 }));
        clock.advance(Duration::from_secs(60));
        for _ in 0..100 {
            rates.give_back(Budget::Handshakes(address));
        }
        for _ in 0..10 {
            handshake().unwrap();
        }
        assert!(handshake().is_err());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let rates = rates(Some((20, 10)), &clock);
        let kept = || rates.strangers.as_ref().unwrap().store.len();
        for host in 0..1_000_u32 {
            rates.take(Budget::Strangers(IpAddr::V4(host.into()))).unwrap();
        }
        rates.tidy();
        assert_eq!(kept(), 1_000);
        clock.advance(Duration::from_secs(60));
        rates.take(Budget::Strangers(IpAddr::V4(7.into()))).unwrap();
        rates.tidy();
        assert_eq!(kept(), 1);
    }
}
