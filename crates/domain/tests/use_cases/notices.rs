//! Telling those who are away: once for each window, of what they have not read, until it is delivered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tidings_domain::context::ContextRef;
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId, UserId};
use tidings_domain::member::{Member, Standing};
use tidings_domain::messaging::{Deps, Messaging, Round, Settings};
use tidings_domain::page::{About, ThreadEntry, ThreadPage};
use tidings_domain::ports::ThreadRepository;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Fixture, crowd, keeping_member, replacing};

use crate::post::{Post, WINDOW_MS, nobody, only, read, with_notices, worked_off};
use crate::world::{on_a_store, sends};

#[test]
fn without_the_setting_nobody_is_told() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "hello").await;
        fixture.clock.advance(i64::from(i32::MAX));
        let post = Post::default();
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap(), Round::default());
        assert!(post.told().is_empty());
        assert_eq!(fixture.thread(thread).await.notice_due, None);
    });
}

#[test]
fn one_notice_covers_the_messages_of_its_window_and_each_message_is_covered_once() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        let start = fixture.now();
        let mut newest = Vec::new();
        // Four in the first window, its end not among them; then three in the second; then one in the third.
        for (at, text) in [
            (0, "one"),
            (1, "two"),
            (30_000, "three"),
            (WINDOW_MS - 1, "four"),
            (WINDOW_MS, "five"),
            (WINDOW_MS + 7, "six"),
            (2 * WINDOW_MS - 1, "seven"),
            (5 * WINDOW_MS, "eight"),
        ] {
            fixture.clock.advance(start.plus_millis(at).as_millis() - fixture.now().as_millis());
            worked_off(&fixture, &messaging, &nobody(), &post).await;
            newest.push(sends(&messaging, ALICE, thread, text).await.id);
        }
        assert_eq!(fixture.thread(thread).await.notice_due, Some(start.plus_millis(6 * WINDOW_MS)));
        fixture.clock.advance(WINDOW_MS);
        let round = worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(round, Round { delivered: 1, ..Round::default() });
        let notices = post.take();
        assert!(notices.iter().all(|notice| notice.user == BOB.id() && notice.thread == thread));
        let told: Vec<_> = notices.iter().map(|notice| (notice.unread, notice.newest)).collect();
        assert_eq!(told, [(4, newest[3]), (3, newest[6]), (1, newest[7])]);
        let jobs: BTreeSet<JobId> = notices.iter().map(|notice| notice.job).collect();
        assert_eq!(jobs.len(), 3, "a repeated delivery is told by its job and user");
    });
}

/// A runner that comes late notifies once of all there is; one that does not come for long is made up for.
#[test]
fn an_overdue_notice_covers_what_came_meanwhile() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        for _ in 0..40 {
            sends(&messaging, ALICE, thread, "hello").await;
            fixture.clock.advance(WINDOW_MS / 2);
        }
        let round = worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!((round.delivered, round.waiting, round.failed), (1, 0, 0));
        assert_eq!(post.told(), [(BOB.id(), 40)]);
        fixture.clock.advance(WINDOW_MS);
        assert_eq!(worked_off(&fixture, &messaging, &nobody(), &post).await, Round::default());
    });
}

/// In a thread with more members than one look notifies; and those whose mail comes back keep nobody waiting.
#[test]
fn everyone_in_a_large_thread_is_notified_once() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let mut new = fixture.group(&[ALICE]);
        new.founders.extend(crowd(450));
        let thread = fixture.created(new).await.id;
        let people: Vec<UserId> = crowd(450).into_iter().map(|party| party.user).collect();
        post.refuses.lock().unwrap().extend(people[..230].iter().cloned());
        sends(&messaging, ALICE, thread, "hello, all of you").await;
        fixture.clock.advance(WINDOW_MS);
        // Whoever can be reached is, while the others are tried again.
        for _ in 0..8 {
            worked_off(&fixture, &messaging, &nobody(), &post).await;
            fixture.clock.advance(60_000);
        }
        let mut told = post.told();
        told.sort_unstable();
        assert_eq!(told, people[230..].iter().map(|user| (user.clone(), 1)).collect::<Vec<_>>());
        post.refuses.lock().unwrap().clear();
        fixture.clock.advance(3_600_000);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        let mut told = post.told();
        told.sort_unstable();
        assert_eq!(told, people[..230].iter().map(|user| (user.clone(), 1)).collect::<Vec<_>>());
        assert_eq!(fixture.stores.jobs.next_job_at().await, Ok(None));
    });
}

/// A clock that was an hour ahead and is put right delays no notice of what comes after, nor of what came before it; nor
/// does a step back of some seconds, when a window has just ended.
#[test]
fn a_clock_that_is_put_right_delays_and_loses_no_notice() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        fixture.clock.advance(3_600_000);
        sends(&messaging, ALICE, thread, "ahead").await;
        fixture.clock.advance(-3_600_000);
        let late = sends(&messaging, ALICE, thread, "put right").await;
        assert!(late.created_at > fixture.now().plus_millis(3_599_000), "dates do not go back");
        fixture.clock.advance(WINDOW_MS - 1);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap().delivered, 0);
        fixture.clock.advance(1);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 2)]);

        fixture.clock.advance(-20_000);
        sends(&messaging, ALICE, thread, "again").await;
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 1)]);
        fixture.clock.advance(2 * 3_600_000);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert!(post.told().is_empty(), "what the clock ahead had planned");
    });
}

#[test]
fn a_notice_is_due_when_its_window_ends_and_not_before() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        let due = sends(&messaging, ALICE, thread, "hello").await.created_at.plus_millis(WINDOW_MS);
        for wait in [0, WINDOW_MS - 1] {
            fixture.clock.advance(wait);
            let round = messaging.work_off(&nobody(), &post).await.unwrap();
            assert_eq!(round, Round { next_at: Some(due), ..Round::default() });
        }
        fixture.clock.advance(1);
        let round = messaging.work_off(&nobody(), &post).await.unwrap();
        assert_eq!(round, Round { delivered: 1, ..Round::default() });
        assert_eq!(post.told(), [(BOB.id(), 1)]);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap(), Round::default(), "done");
    });
}

#[test]
fn who_muted_is_here_has_read_or_is_gone_is_not_told() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let here = only(&[CAROL]);
        let thread = fixture.opened(&[ALICE, BOB, CAROL, DAVE]).await.id;
        sends(&messaging, ALICE, thread, "first").await;
        sends(&messaging, BOB, thread, "second").await;
        fixture.does(keeping_member(thread, DAVE.id(), |dave| dave.muted = true)).await;
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &here, &post).await;
        // Alice wrote one and has not read the other; Bob's answer read what was above it.
        assert_eq!(post.told(), [(ALICE.id(), 1)]);

        fixture.does(keeping_member(thread, DAVE.id(), |dave| dave.muted = false)).await;
        read(&messaging, DAVE, thread).await;
        sends(&messaging, ALICE, thread, "third").await;
        read(&messaging, BOB, thread).await;
        for (person, standing) in [(CAROL, Standing::Left), (DAVE, Standing::Removed)] {
            fixture.does(keeping_member(thread, person.id(), move |member| member.standing = standing)).await;
        }
        fixture.clock.advance(WINDOW_MS);
        assert_eq!(worked_off(&fixture, &messaging, &nobody(), &post).await, Round::default());
        assert!(post.told().is_empty());

        // Who took the thread out of their list still takes part.
        fixture.does(keeping_member(thread, CAROL.id(), |carol| carol.standing = Standing::Hidden)).await;
        let last = sends(&messaging, ALICE, thread, "fourth").await;
        let gone = sends(&messaging, ALICE, thread, "deleted").await;
        let at = fixture.now();
        fixture.does(replacing(thread, gone.id, move |message| message.deleted_at = Some(at))).await;
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
        let notices = post.take();
        assert_eq!(notices.len(), 1);
        assert_eq!((&notices[0].user, notices[0].newest), (&CAROL.id(), last.id));
    });
}

#[test]
fn a_delivery_that_fails_is_tried_again_later_and_later_and_then_given_up() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "hello").await;
        post.closed.store(true, Ordering::Relaxed);
        fixture.clock.advance(WINDOW_MS);
        let mut pauses = Vec::new();
        loop {
            let round = messaging.work_off(&nobody(), &post).await.unwrap();
            if round.given_up > 0 {
                assert_eq!(round, Round { given_up: 1, ..Round::default() });
                break;
            }
            let next_at = round.next_at.unwrap();
            assert_eq!(round, Round { failed: 1, next_at: Some(next_at), ..Round::default() });
            let pause = next_at.as_millis() - fixture.now().as_millis();
            pauses.push(pause);
            fixture.clock.advance(pause - 1);
            let early = messaging.work_off(&nobody(), &post).await.unwrap();
            assert_eq!(early, Round { next_at: Some(next_at), ..Round::default() });
            fixture.clock.advance(1);
        }
        assert_eq!(pauses.len(), 19, "twenty tries");
        assert_eq!(&pauses[..5], [5_000, 10_000, 20_000, 40_000, 80_000]);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&3_600_000));

        // The next message has a notice of its own.
        post.closed.store(false, Ordering::Relaxed);
        sends(&messaging, ALICE, thread, "again").await;
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 1)], "each notice tells of its own window");
    });
}

/// One whose mail comes back neither keeps the others from hearing nor makes them hear again.
#[test]
fn only_who_was_not_reached_is_tried_again() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB, CAROL, DAVE]).await.id;
        sends(&messaging, ALICE, thread, "hello").await;
        post.refuses.lock().unwrap().extend([BOB.id(), DAVE.id()]);
        fixture.clock.advance(WINDOW_MS);
        let round = messaging.work_off(&nobody(), &post).await.unwrap();
        let next_at = Some(fixture.now().plus_millis(5_000));
        assert_eq!(round, Round { delivered: 1, failed: 1, next_at, ..Round::default() });
        assert_eq!(post.told(), [(CAROL.id(), 1)]);
        post.refuses.lock().unwrap().remove(&BOB.id());
        fixture.clock.advance(5_000);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap().failed, 1);
        assert_eq!(post.told(), [(BOB.id(), 1)]);
        // Dave reads meanwhile: nobody is left to tell.
        read(&messaging, DAVE, thread).await;
        fixture.clock.advance(10_000);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap(), Round::default());
        assert!(post.told().is_empty());
    });
}

#[test]
fn what_was_read_while_a_delivery_failed_is_not_told() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "hello").await;
        post.closed.store(true, Ordering::Relaxed);
        fixture.clock.advance(WINDOW_MS);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap().failed, 1);
        post.closed.store(false, Ordering::Relaxed);
        read(&messaging, BOB, thread).await;
        fixture.clock.advance(5_000);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap(), Round::default());
        assert!(post.told().is_empty());
    });
}

/// A store that stores nothing while `down`.
#[derive(Debug)]
struct Down {
    threads: Arc<dyn ThreadRepository>,
    down: AtomicBool,
}

#[async_trait]
impl ThreadRepository for Down {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("gone".into()));
        }
        self.threads.transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.threads.create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.threads.thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.threads.thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.threads.members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        self.threads.threads_of(user, page).await
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.threads.unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.threads.latest_about(user, object, with, members_max).await
    }
}

fn failing_store(fixture: &Fixture) -> (Arc<Down>, Messaging) {
    let down = Arc::new(Down { threads: Arc::clone(&fixture.stores.threads), down: AtomicBool::new(false) });
    let threads: Arc<dyn ThreadRepository> = Arc::<Down>::clone(&down);
    let settings = Settings::default().notice_after_ms(Some(WINDOW_MS));
    let messaging = Messaging::new(Deps { threads, settings, ..fixture.deps() });
    (down, messaging)
}

#[test]
fn a_crash_after_the_delivery_repeats_it_under_the_same_name_once_the_lease_ends() {
    on_a_store(async |fixture| {
        let (store, messaging) = failing_store(&fixture);
        let post = Post::default();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "hello").await;
        fixture.clock.advance(WINDOW_MS);
        store.down.store(true, Ordering::Relaxed);
        let crashed = messaging.work_off(&nobody(), &post).await;
        assert!(matches!(crashed, Err(StoreError::Unavailable(_))), "{crashed:?}");
        let first = post.take();
        assert_eq!(first.len(), 1);
        store.down.store(false, Ordering::Relaxed);
        fixture.clock.advance(59_999);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap().delivered, 0, "still held");
        fixture.clock.advance(1);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap().delivered, 1);
        assert_eq!(post.take(), first, "whoever delivers can tell that it is a repetition");
        fixture.clock.advance(WINDOW_MS * 10);
        assert_eq!(messaging.work_off(&nobody(), &post).await.unwrap(), Round::default());
    });
}

#[test]
fn a_round_is_bounded_and_says_that_there_is_more() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        for _ in 0..60 {
            let thread = fixture.opened(&[ALICE, BOB]).await.id;
            sends(&messaging, ALICE, thread, "hello").await;
        }
        fixture.clock.advance(WINDOW_MS);
        let round = messaging.work_off(&nobody(), &post).await.unwrap();
        assert_eq!((round.delivered, round.next_at), (50, Some(fixture.now())));
        let round = messaging.work_off(&nobody(), &post).await.unwrap();
        assert_eq!(round, Round { delivered: 10, ..Round::default() });
    });
}

#[test]
fn a_repeated_send_makes_no_notice_of_its_own() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        let send = tidings_domain::messaging::SendMessage {
            thread,
            body: tidings_testkit::body("once"),
            client_key: Some(tidings_testkit::key("k")),
        };
        for _ in 0..3 {
            messaging.send(&ALICE.actor(), send.clone()).await.unwrap();
            fixture.clock.advance(WINDOW_MS);
        }
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 1)]);
    });
}
