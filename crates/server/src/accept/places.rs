//! How many connections each address has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use metrics::{Counter, Gauge};
use parking_lot::Mutex;

use crate::front::Proxies;
use crate::rates::block;

/// The connections that are there, by address.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_address: Option<usize>,
    proxies: Arc<Proxies>,
    taken: Mutex<HashMap<IpAddr, usize>>,
    open: Gauge,
    refused: Counter,
}

impl Places {
    pub(super) fn new(per_address: Option<usize>, proxies: Arc<Proxies>) -> Self {
        Self(Arc::new(Shared {
            per_address,
            proxies,
            taken: Mutex::default(),
            open: metrics::gauge!("tidings_http_connections"),
            refused: metrics::counter!("tidings_http_connections_refused_total"),
        }))
    }

    /// A place for a connection from there, unless it has as many as it may have.
    pub(super) fn take(&self, from: IpAddr) -> Option<Place> {
        let shared = Arc::clone(&self.0);
        let counted = match shared.per_address {
            Some(max) if !shared.proxies.trusts(from) => {
                let key = block(from);
                let mut taken = shared.taken.lock();
                let count = taken.entry(key).or_default();
                if *count >= max {
                    shared.refused.increment(1);
                    return None;
                }
                *count += 1;
                Some(key)
            }
            _ => None,
        };
        shared.open.increment(1);
        Some(Place { shared, counted })
    }
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    counted: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.decrement(1);
        let Some(key) = self.counted else { return };
        if let Entry::Occupied(mut entry) = self.shared.taken.lock().entry(key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
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
        let take = |address: &str| places.take(address.parse().unwrap());
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
