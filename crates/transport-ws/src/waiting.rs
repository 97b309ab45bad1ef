//! Notices that wait until their users are gone.

use std::collections::{HashMap, VecDeque};

use tidings_domain::id::{JobId, ThreadId, UserId};
use tidings_domain::job::Waiting;

/// How many are remembered, in all and for one user. What is beyond is left to the jobs.
const WAITING_MAX: usize = 100_000;
const USER_WAITING_MAX: usize = 500;

/// What waits for users who are here, and what waited for those who are gone and is to be looked at.
#[derive(Debug, Default)]
pub(crate) struct WaitingNotices {
    here: HashMap<UserId, HashMap<ThreadId, JobId>>,
    gone: VecDeque<Waiting>,
    count: usize,
}

impl WaitingNotices {
    /// One for a user who is here.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        let Waiting { user, thread, job } = waiting;
        if let Some(known) = self.here.get_mut(&user).and_then(|threads| threads.get_mut(&thread)) {
            *known = job;
            return;
        }
        let of_user = self.here.get(&user).map_or(0, HashMap::len);
        if self.count < WAITING_MAX && of_user < USER_WAITING_MAX {
            self.here.entry(user).or_default().insert(thread, job);
            self.count += 1;
        }
    }

    /// The user is gone: what waited for them is to be looked at.
    pub(crate) fn went(&mut self, user: &UserId) {
        let threads = self.here.remove(user).into_iter().flatten();
        self.gone.extend(threads.map(|(thread, job)| Waiting { user: user.clone(), thread, job }));
    }

    /// Takes up to `limit` of what is to be looked at, who went first first.
    pub(crate) fn take_gone(&mut self, limit: usize) -> Vec<Waiting> {
        let taken: Vec<Waiting> = self.gone.drain(..limit.min(self.gone.len())).collect();
        self.count -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::id::SessionId;
    use tidings_domain::ports::IdSource;
    use tidings_domain::time::Timestamp;
    use tidings_testkit::{ALICE, BOB, Person, SeededIds};
    use tokio::time::Instant;

    use super::*;
    use crate::presence::Presence;

    fn waiting(ids: &SeededIds, person: Person) -> Waiting {
        let uuid = || ids.uuid_v7(Timestamp::from_millis(1));
        Waiting { user: person.id(), thread: ThreadId::from_uuid(uuid()), job: JobId::from_uuid(uuid()) }
    }

    #[test]
    fn what_waits_comes_back_once_when_its_user_is_gone() {
        let (ids, grace, start) = (SeededIds::new(1), Duration::from_secs(10), Instant::now());
        let presence = Presence::new(grace);
        let session = || SessionId::from_uuid(ids.uuid_v7(Timestamp::from_millis(1)));
        let (alice, bob) = (session(), session());
        presence.came(&ALICE.id(), alice, start);
        presence.came(&BOB.id(), bob, start);
        let first = waiting(&ids, ALICE);
        // The last job of a thread counts.
        presence.waits(first.clone());
        let first = Waiting { job: waiting(&ids, ALICE).job, ..first };
        presence.waits(first.clone());
        presence.waits(waiting(&ids, BOB));
        presence.went(&ALICE.id(), alice, start);
        presence.expire(start + grace / 2);
        assert_eq!(presence.gone(10), [], "she may come back");
        presence.expire(start + 2 * grace);
        // Who goes between the look and its note is not forgotten.
        let second = waiting(&ids, ALICE);
        presence.waits(second.clone());
        assert_eq!(presence.gone(1), [first]);
        assert_eq!(presence.gone(10), [second]);
        assert_eq!(presence.gone(10), []);
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let (ids, mut notices) = (SeededIds::new(1), WaitingNotices::default());
        for _ in 0..USER_WAITING_MAX + 10 {
            notices.add(waiting(&ids, ALICE));
        }
        notices.went(&ALICE.id());
        assert_eq!(notices.take_gone(usize::MAX).len(), USER_WAITING_MAX);
        for n in 0..WAITING_MAX + 10 {
            let user = format!("user-{n}").parse().unwrap();
            notices.add(Waiting { user, ..waiting(&ids, BOB) });
        }
        assert_eq!((notices.here.len(), notices.count), (WAITING_MAX, WAITING_MAX));
    }
}
