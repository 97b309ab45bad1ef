//! How many sessions each user has.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;
use metrics::Counter;
use parking_lot::Mutex;
use tidings_domain::id::UserId;

/// The sessions that are there, by user. Its lock is held for a moment when a session begins and ends.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    taken: Mutex<HashMap<UserId, Taken>>,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Taken {
    sessions: usize,
    /// That there were too many has been logged.
    is_logged: bool,
}

/// A session's seat; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    user: UserId,
}

impl Seats {
    pub(crate) fn new(max: usize) -> Self {
        let refused = metrics::counter!("tidings_rate_limited_total", "budget" => "sessions_per_user");
        Self(Arc::new(Shared { max, taken: Mutex::default(), refused }))
    }

    /// A seat for one more session of the user; `None` when there are as many as there may be.
    pub(crate) fn take(&self, user: &UserId) -> Option<Seat> {
        let mut all = self.0.taken.lock();
        let taken = all.entry(user.clone()).or_default();
        if taken.sessions < self.0.max {
            taken.sessions += 1;
            return Some(Seat { shared: Arc::clone(&self.0), user: user.clone() });
        }
        let is_logged = std::mem::replace(&mut taken.is_logged, true);
        if taken.sessions == 0 {
            all.remove(user);
        }
        drop(all);
        self.0.refused.increment(1);
        if !is_logged {
            tracing::warn!(%user, max = self.0.max, "a user's further sessions are refused: there are too many");
        }
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.shared.taken.lock().entry(self.user.clone()) {
            entry.get_mut().sessions -= 1;
            if entry.get().sessions == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_seats_and_gives_them_back() {
        let seats = Seats::new(2);
        let take = |name: &str| seats.take(&name.parse().unwrap());
        let (first, second) = (take("alice"), take("alice"));
        assert!(first.is_some() && second.is_some() && take("alice").is_none());
        let other = take("bob");
        assert!(other.is_some());
        drop(first);
        let third = take("alice");
        assert!(third.is_some() && take("alice").is_none());
        drop((second, third, other));
        assert!(seats.0.taken.lock().is_empty());
    }
}
