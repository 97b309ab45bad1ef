//! On a clock that jumps from one timer to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tidings_domain::id::{JobId, MessageId, ThreadId, UserId};
use tidings_domain::job::Waiting;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, MarkRead, MarkTarget, OwnMessage, SendMessage, Settings};
use tidings_domain::ports::{Clock, IdSource, ThreadRepository};
use tidings_domain::thread::NewThread;
use tidings_domain::user::Actor;
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{
    ALICE, BOB, CAROL, Person, RecordingNotifier, SeededIds, T0, body, campaign, eventually,
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::*;

const AFTER: Duration = Duration::from_secs(30);

/// The timers' own time.
#[derive(Debug, Clone, Copy)]
struct TimerClock(Instant);

impl Clock for TimerClock {
    fn now(&self) -> Timestamp {
        T0.plus_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// Remembers whom it told, of how many messages, and when; fails when it is closed.
#[derive(Debug, Clone)]
struct Post(Arc<PostState>);

#[derive(Debug)]
struct PostState {
    began: Instant,
    is_closed: AtomicBool,
    turned_away: AtomicUsize,
    told: Mutex<Vec<(UserId, u64, Duration)>>,
}

#[async_trait]
impl NoticeDelivery for Post {
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        if self.0.is_closed.load(Ordering::Relaxed) {
            self.0.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(DeliveryError("closed".to_owned()));
        }
        self.0.told.lock().push((notice.user.clone(), notice.unread, self.0.began.elapsed()));
        Ok(())
    }
}

/// Nobody is here but Carol, until she leaves.
#[derive(Debug, Clone, Default)]
struct OnlyCarol {
    left: Arc<AtomicBool>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

impl Attendance for OnlyCarol {
    fn is_here(&self, user: &UserId) -> bool {
        *user == CAROL.id() && !self.left.load(Ordering::Relaxed)
    }

    fn waits(&self, waiting: Waiting) {
        self.waiting.lock().push(waiting);
    }

    fn gone(&self, limit: usize) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let gone = if self.left.load(Ordering::Relaxed) { limit.min(waiting.len()) } else { 0 };
        waiting.drain(..gone).collect()
    }
}

struct World {
    messaging: Messaging,
    thread: ThreadId,
    post: Post,
    here: OnlyCarol,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    async fn new() -> Self {
        let began = Instant::now();
        let store = MemoryStore::new(Arc::new(RecordingNotifier::default()));
        let ids = SeededIds::new(3);
        let new = NewThread {
            id: ThreadId::from_uuid(ids.uuid_v7(T0)),
            key: None,
            context: Some(campaign("spring")),
            subject: None,
            founders: [ALICE, BOB, CAROL].map(|person| person.party()).into(),
            created_at: T0,
        };
        let (thread, _) = store.create(new).await.unwrap();
        let settings = Settings::default().notice_after_ms(Some(AFTER.as_millis().try_into().unwrap()));
        let deps = Deps { settings, ..Deps::on(store, TimerClock(began), ids) };
        let state = PostState {
            began,
            is_closed: AtomicBool::new(false),
            turned_away: AtomicUsize::new(0),
            told: Mutex::default(),
        };
        let world = Self {
            messaging: Messaging::new(deps),
            thread: thread.id,
            post: Post(Arc::new(state)),
            here: OnlyCarol::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (messaging, delivery) = (world.messaging.clone(), world.post.clone());
        let runner = Runner { messaging, attendance: world.here.clone(), delivery, after: AFTER };
        world.tasks.spawn(runner.run(world.stop.clone()));
        world
    }

    async fn sends(&self, person: Person, text: &str) {
        let actor = Actor::new(person.id(), None, Origin::Request);
        let send = SendMessage { thread: self.thread, body: body(text), client_key: None };
        self.messaging.send(&actor, send).await.unwrap();
    }

    fn told(&self) -> Vec<(UserId, u64, Duration)> {
        self.post.0.told.lock().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_away_is_told_when_it_is_time() {
    let world = World::new().await;
    // Nothing to do for a while, so that the runner is in its longest pause.
    tokio::time::advance(Duration::from_secs(12)).await;
    world.sends(ALICE, "one").await;
    world.sends(ALICE, "two").await;
    let sent = world.post.0.began.elapsed();
    eventually("Bob is told", || !world.told().is_empty()).await;
    let told = world.told();
    let [(user, unread, at)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((user, *unread), (&BOB.id(), 2));
    assert!(*at >= sent + AFTER && *at <= sent + AFTER + Duration::from_secs(1), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_read_it_by_then_is_not_told() {
    let world = World::new().await;
    world.sends(ALICE, "one").await;
    let actor = Actor::new(BOB.id(), None, Origin::Request);
    let target = MarkTarget::Thread(world.thread);
    let mark = MarkRead { target, own: OwnMessage::Allow };
    world.messaging.mark_read(&actor, mark).await.unwrap();
    tokio::time::advance(2 * AFTER).await;
    world.sends(BOB, "two").await;
    eventually("Alice is told", || !world.told().is_empty()).await;
    let users: Vec<UserId> = world.told().into_iter().map(|(user, _, _)| user).collect();
    assert_eq!(users, [ALICE.id()]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_delivered_is_tried_again() {
    let world = World::new().await;
    world.post.0.is_closed.store(true, Ordering::Relaxed);
    world.sends(ALICE, "one").await;
    eventually("it was tried", || world.post.0.turned_away.load(Ordering::Relaxed) > 1).await;
    assert!(world.told().is_empty());
    world.post.0.is_closed.store(false, Ordering::Relaxed);
    eventually("Bob is told", || world.told().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_without_having_read_is_told_soon() {
    let world = World::new().await;
    world.sends(ALICE, "one").await;
    eventually("Bob is told", || world.told().len() == 1).await;
    // Carol stays for an hour, and does not read.
    tokio::time::advance(Duration::from_hours(1)).await;
    world.sends(BOB, "two").await;
    eventually("Alice is told", || world.told().len() == 2).await;
    world.here.left.store(true, Ordering::Relaxed);
    let left = world.post.0.began.elapsed();
    eventually("Carol is told", || world.told().len() == 3).await;
    let told = world.told();
    assert!(told[2].2 <= left + 2 * PAUSE_MAX, "{told:?}");
    assert_eq!(
        told.iter().map(|(user, unread, _)| (user.clone(), *unread)).collect::<Vec<_>>(),
        [(BOB.id(), 1), (ALICE.id(), 1), (CAROL.id(), 2),]
    );
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_told_to() {
    let world = World::new().await;
    world.sends(ALICE, "one").await;
    world.stop.cancel();
    world.tasks.close();
    world.tasks.wait().await;
    tokio::time::advance(2 * AFTER).await;
    assert!(world.told().is_empty());
}

/// Writes nothing.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Delivers one notice to a log on this stream.
fn logged_to(stream: impl std::io::Write + Send + 'static) -> Result<(), DeliveryError> {
    let log = Output::to("test", stream).unwrap();
    let nil = uuid::Uuid::nil();
    let (job, thread, newest) = (JobId::from_uuid(nil), ThreadId::from_uuid(nil), MessageId::from_uuid(nil));
    let notice = Notice { job, user: ALICE.id(), thread, unread: 1, newest };
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let delivering = async move { ToLog(log).deliver(&notice).await };
    tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(delivering)
    })
}

#[test]
fn a_notice_whose_line_cannot_be_written_is_not_delivered() {
    assert!(logged_to(std::io::sink()).is_ok());
    assert!(logged_to(Full).is_err());
}
