//! How many connections each address has.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::turns::Turns;
use crate::front::Proxies;
use crate::rates::block;

/// The connections that are there, by address.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_address: Option<usize>,
    proxies: Arc<Proxies>,
    /// Those of each address, the oldest first.
    taken: Mutex<HashMap<IpAddr, BTreeMap<u64, Taken>>>,
    /// The number of the next connection.
    next: AtomicU64,
    open: Gauge,
    refused: Counter,
}

#[derive(Debug)]
struct Taken {
    turns: Turns,
    leave: Arc<Notify>,
}

impl Places {
    pub(super) fn new(per_address: Option<usize>, proxies: Arc<Proxies>) -> Self {
        Self(Arc::new(Shared {
            per_address,
            proxies,
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            open: metrics::gauge!("tidings_http_connections"),
            refused: metrics::counter!("tidings_http_connections_refused_total"),
        }))
    }

    /// A place for a connection from there, whose turns these are. When the address has as many as it may have, it is
    /// that of the oldest one that rests between two requests; `None` when all are busy.
    pub(super) fn take(&self, from: IpAddr, turns: &Turns) -> Option<Place> {
        let (shared, leave) = (Arc::clone(&self.0), Arc::new(Notify::new()));
        let counted = match shared.per_address {
            Some(max) if !shared.proxies.trusts(from) => {
                let (key, number) = (block(from), shared.next.fetch_add(1, Ordering::Relaxed));
                let mut all = shared.taken.lock();
                let taken = all.entry(key).or_default();
                if taken.len() >= max {
                    let resting = taken.iter().find(|(_, taken)| taken.turns.is_resting());
                    let Some(oldest) = resting.map(|(number, _)| *number) else {
                        shared.refused.increment(1);
                        return None;
                    };
                    if let Some(oldest) = taken.remove(&oldest) {
                        oldest.leave.notify_one();
                    }
                }
                taken.insert(number, Taken { turns: turns.clone(), leave: Arc::clone(&leave) });
                Some((key, number))
            }
            _ => None,
        };
        shared.open.increment(1);
        Some(Place { shared, counted, leave })
    }
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    counted: Option<(IpAddr, u64)>,
    leave: Arc<Notify>,
}

impl Place {
    /// Waits until the connection is to make room for another one of its address.
    pub(super) async fn is_needed(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.decrement(1);
        let Some((key, number)) = self.counted else { return };
        if let Entry::Occupied(mut entry) = self.shared.taken.lock().entry(key) {
            entry.get_mut().remove(&number);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_places_and_gives_them_back() {
        let proxies = Arc::new(Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let places = Places::new(Some(2), proxies);
        let take = |address: &str| places.take(address.parse().unwrap(), &Turns::default());
        let (first, second) = (take("192.0.2.1"), take("192.0.2.1"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        drop(first);
        let third = take("192.0.2.1");
        assert!(third.is_some() && take("192.0.2.1").is_none());
        drop((second, third));
        assert!(places.0.taken.lock().is_empty());
        // Of a trusted proxy come the connections of many.
        let many: Vec<_> = (0..100).map(|_| take("10.0.0.1")).collect();
        assert!(many.iter().all(Option::is_some));
    }
}
