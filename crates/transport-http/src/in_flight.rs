//! How much may be in flight at once: of one user, so that nobody is in everybody's way, and of all together, so that
//! memory is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::Counter;
use tidings_domain::id::UserId;
use tidings_domain::ports::TooMany;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::door::Failed;

/// After how long a client that was refused should try again, in milliseconds.
pub(crate) const TRY_AGAIN_MS: u64 = 1_000;

/// What may be in flight at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlightLimits {
    /// The most requests of one user at once; each counts until the client has taken its answer, short answers until
    /// they are made. More wait for up to `wait_max` and are then answered 429. Default 8.
    pub requests_per_user: usize,
    /// The most of these that read a list or a page from the store at once; more wait in the same way. With as many as
    /// the machine has cores, or the store connections for reading, one user is in everybody's way. Default 1.
    pub reads_per_user: usize,
    /// The most bytes of answers of all users that clients have not taken yet, with what is kept to go on with them.
    /// Answers that find no room wait for up to `wait_max`, and are then 503. Short answers are not counted. Default
    /// 64 MiB.
    pub answer_bytes: usize,
    /// How long a request waits for the others. Default 5 s.
    pub wait_max: Duration,
}

impl Default for InFlightLimits {
    fn default() -> Self {
        Self {
            requests_per_user: 8,
            reads_per_user: 1,
            answer_bytes: 64 * 1024 * 1024,
            wait_max: Duration::from_secs(5),
        }
    }
}

/// What is in flight. Cheap to clone; clones count together, and so should all routers of one process.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: InFlightLimits,
    users: Mutex<HashMap<UserId, Entered>>,
    /// A permit for each byte.
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    refused_of_user: Counter,
    refused_of_all: Counter,
}

/// A user with requests in flight.
#[derive(Debug)]
struct Entered {
    gate: Arc<Gate>,
    /// How many places there are. The last one to be given back removes the user.
    places: usize,
}

/// What is waited for on a user's behalf, always in this order: a request, to begin, room for bytes, a read. A read
/// waits for nothing more, so that none of them waits in a circle.
#[derive(Debug)]
struct Gate {
    requests: Arc<Semaphore>,
    begins: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Gate {
    fn new(limits: &InFlightLimits) -> Self {
        let semaphore = |places: usize| Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            requests: semaphore(limits.requests_per_user),
            begins: semaphore(limits.reads_per_user),
            reads: semaphore(limits.reads_per_user),
        }
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new(InFlightLimits::default())
    }
}

impl InFlight {
    /// Nothing yet, within these limits. A limit of 0 is taken for 1.
    #[must_use]
    pub fn new(limits: InFlightLimits) -> Self {
        let most = Semaphore::MAX_PERMITS.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let bytes = limits.answer_bytes.clamp(1, most);
        let refused = |of| metrics::counter!("tidings_in_flight_refused_total", "of" => of);
        Self(Arc::new(Shared {
            limits,
            users: Mutex::default(),
            bytes: Arc::new(Semaphore::new(bytes)),
            bytes_max: u32::try_from(bytes).unwrap_or(u32::MAX),
            refused_of_user: refused("user"),
            refused_of_all: refused("all"),
        }))
    }

    /// A place for a request of a user, once there is one.
    pub(crate) async fn enter(&self, user: &UserId) -> Result<Place, Failed> {
        let gate = {
            let mut users = self.0.users.lock().unwrap_or_else(PoisonError::into_inner);
            match users.get_mut(user) {
                Some(entered) => {
                    entered.places = entered.places.saturating_add(1);
                    Arc::clone(&entered.gate)
                }
                None => {
                    let gate = Arc::new(Gate::new(&self.0.limits));
                    users.insert(user.clone(), Entered { gate: Arc::clone(&gate), places: 1 });
                    gate
                }
            }
        };
        // Made before the wait, so that whoever goes away meanwhile leaves no gate behind.
        let mut place = Place { all: self.clone(), user: user.clone(), gate, request: None };
        place.request = Some(self.of_user(&place.gate.requests).await?);
        Ok(place)
    }

    async fn of_user(&self, semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failed> {
        permits(semaphore, 1, self.0.limits.wait_max).await.ok_or_else(|| {
            self.0.refused_of_user.increment(1);
            Failed::TooMany(TooMany { retry_after_ms: TRY_AGAIN_MS })
        })
    }

    /// Room for so many bytes of an answer; more than there is for all count as all.
    pub(crate) async fn room(&self, bytes: usize, wait_max: Option<Duration>) -> Result<Room, Failed> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.0.bytes_max);
        let wait_max = wait_max.unwrap_or(self.0.limits.wait_max);
        permits(&self.0.bytes, bytes, wait_max).await.map(|permit| Room(Some(permit))).ok_or_else(|| {
            self.0.refused_of_all.increment(1);
            Failed::Busy
        })
    }
}

/// No timer is made when nobody has to wait.
async fn permits(semaphore: &Arc<Semaphore>, count: u32, wait_max: Duration) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(semaphore).try_acquire_many_owned(count) {
        return Some(permit);
    }
    tokio::time::timeout(wait_max, Arc::clone(semaphore).acquire_many_owned(count)).await.ok()?.ok()
}

/// Room for bytes of an answer; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// Keeps so many bytes, and gives the others, if there are any.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        let permit = self.0.as_mut();
        Self(permit.and_then(|permit| permit.split(permit.num_permits().saturating_sub(at))))
    }

    /// Gives back what is more than so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        drop(self.split_off(bytes));
    }
}

/// The place of a request of a user; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: InFlight,
    user: UserId,
    gate: Arc<Gate>,
    request: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Leave to begin an answer that reads a list or a page: taken before its first read, and kept until there is room
    /// for it, so that a user has one large answer at a time that is not counted yet.
    pub(crate) async fn begin(&self) -> Result<OwnedSemaphorePermit, Failed> {
        self.all.of_user(&self.gate.begins).await
    }

    /// Leave to read a list or a page from the store, given back once it is read.
    pub(crate) async fn read(&self) -> Result<OwnedSemaphorePermit, Failed> {
        self.all.of_user(&self.gate.reads).await
    }

    pub(crate) const fn in_flight(&self) -> &InFlight {
        &self.all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.request.take());
        let mut users = self.all.0.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entered) = users.get_mut(&self.user) {
            entered.places = entered.places.saturating_sub(1);
            if entered.places == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn limits() -> InFlightLimits {
        InFlightLimits { requests_per_user: 2, reads_per_user: 1, answer_bytes: 100, ..Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn each_user_has_their_places_and_nobody_is_remembered() {
        let all = InFlight::new(limits());
        let (ada, ben) = ("ada".parse().unwrap(), "ben".parse().unwrap());
        let first = all.enter(&ada).await.unwrap();
        let second = all.enter(&ada).await.unwrap();
        assert!(matches!(all.enter(&ada).await, Err(Failed::TooMany(_))));
        drop(all.enter(&ben).await.unwrap());
        drop(first);
        let third = all.enter(&ada).await.unwrap();
        let read = second.read().await.unwrap();
        assert!(matches!(third.read().await, Err(Failed::TooMany(_))));
        drop(read);
        drop(third.read().await.unwrap());
        drop((second, third));
        assert!(all.0.users.lock().unwrap().is_empty());
    }

    /// Requests of a user that end at the same moment leave nothing behind.
    #[tokio::test]
    async fn places_given_back_at_once_leave_no_gate() {
        let all = InFlight::new(limits());
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for n in 0..20_000 {
            let user = format!("user-{n}").parse().unwrap();
            first.push(all.enter(&user).await.unwrap());
            second.push(all.enter(&user).await.unwrap());
        }
        let met = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for places in [first, second] {
                scope.spawn(|| {
                    for (n, place) in places.into_iter().enumerate() {
                        met.fetch_add(1, Ordering::SeqCst);
                        while met.load(Ordering::SeqCst) < 2 * (n + 1) {
                            std::thread::yield_now();
                        }
                        drop(place);
                    }
                });
            }
        });
        assert_eq!(all.0.users.lock().unwrap().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_bounded_and_given_back() {
        let all = InFlight::new(limits());
        let mut most = all.room(1_000, None).await.unwrap();
        assert!(matches!(all.room(1, None).await, Err(Failed::Busy)));
        most.shrink(60);
        let other = all.room(40, None).await.unwrap();
        assert!(matches!(all.room(1, None).await, Err(Failed::Busy)));
        let part = most.split_off(50);
        drop(most);
        let most = all.room(50, None).await.unwrap();
        assert!(matches!(all.room(1, None).await, Err(Failed::Busy)));
        drop((most, other, part));
        drop(all.room(100, None).await.unwrap());
    }
}
