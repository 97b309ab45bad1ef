//! Who is told, who is here, and the runner that a test drives by hand.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::job::{Notice, Waiting};
use tidings_domain::messaging::{MarkRead, MarkTarget, Messaging, OwnMessage, Round, Settings};
use tidings_domain::ports::{Attendance, DeliveryError, NoticeDelivery};
use tidings_testkit::{Fixture, Person};

/// After how long those who are away are told.
pub(crate) const WINDOW_MS: i64 = 60_000;

/// A post office: remembers what it delivered, and is closed at times.
#[derive(Debug, Default)]
pub(crate) struct Post {
    delivered: Mutex<Vec<Notice>>,
    pub(crate) closed: AtomicBool,
    /// Whose mail comes back.
    pub(crate) refuses: Mutex<BTreeSet<UserId>>,
}

impl Post {
    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.delivered.lock().unwrap())
    }

    /// Whom it told, and of how many messages.
    pub(crate) fn told(&self) -> Vec<(UserId, u64)> {
        self.take().into_iter().map(|notice| (notice.user, notice.unread)).collect()
    }
}

#[async_trait]
impl NoticeDelivery for Post {
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        if self.closed.load(Ordering::Relaxed) || self.refuses.lock().unwrap().contains(&notice.user) {
            return Err(DeliveryError("closed".into()));
        }
        self.delivered.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

/// Those who are here.
#[derive(Debug, Default)]
pub(crate) struct Here(pub(crate) BTreeSet<UserId>, Mutex<Vec<Waiting>>);

impl Attendance for Here {
    fn is_here(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }

    fn waits(&self, waiting: Waiting) {
        let mut all = self.1.lock().unwrap();
        all.retain(|other| (&other.user, other.thread) != (&waiting.user, waiting.thread));
        all.push(waiting);
    }

    fn gone(&self, limit: usize) -> Vec<Waiting> {
        self.1.lock().unwrap().extract_if(.., |waiting| !self.0.contains(&waiting.user)).take(limit).collect()
    }
}

pub(crate) fn only(people: &[Person]) -> Here {
    Here(people.iter().map(|person| person.id()).collect(), Mutex::default())
}

pub(crate) fn nobody() -> Here {
    Here::default()
}

pub(crate) fn with_notices(fixture: &Fixture) -> Messaging {
    fixture.messaging_with(Settings::default().notice_after_ms(Some(WINDOW_MS)))
}

/// Works off until nothing is due.
pub(crate) async fn worked_off(fixture: &Fixture, messaging: &Messaging, here: &Here, post: &Post) -> Round {
    let mut all = Round::default();
    loop {
        let round = messaging.work_off(here, post).await.unwrap();
        all.delivered += round.delivered;
        all.waiting += round.waiting;
        all.failed += round.failed;
        all.given_up += round.given_up;
        all.next_at = round.next_at;
        if round.next_at.is_none_or(|at| at > fixture.now()) {
            return all;
        }
    }
}

pub(crate) async fn read(messaging: &Messaging, by: Person, thread: ThreadId) {
    let mark = MarkRead { target: MarkTarget::Thread(thread), own: OwnMessage::Allow };
    messaging.mark_read(&by.actor(), mark).await.unwrap();
}
