//! Who is present is notified later, not never.

use tidings_domain::messaging::Round;
use tidings_testkit::{ALICE, BOB, CAROL};

use crate::post::{Post, WINDOW_MS, nobody, only, read, with_notices, worked_off};
use crate::world::{on_a_store, sends};

/// The longest that somebody who left waits for a notice that was due while they were present, when it was forgotten that
/// they were.
const PRESENT_MAX_MS: i64 = 7_200_000;

/// Whoever goes is looked at then, and not when the job comes round.
#[test]
fn who_leaves_is_notified_at_once() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
        sends(&messaging, ALICE, thread, "are you there?").await;
        let mut here = only(&[BOB, CAROL]);
        for _ in 0..3 {
            fixture.clock.advance(24 * 3_600_000);
            worked_off(&fixture, &messaging, &here, &post).await;
        }
        here.0.clear();
        read(&messaging, CAROL, thread).await;
        // Another message, whose window has not ended, is part of the notice.
        sends(&messaging, ALICE, thread, "well?").await;
        let round = worked_off(&fixture, &messaging, &here, &post).await;
        assert_eq!((round.delivered, post.told()), (1, vec![(BOB.id(), 2)]));
        // What was left to the job and to the window finds nothing but what Carol has not read since.
        fixture.clock.advance(PRESENT_MAX_MS);
        let round = worked_off(&fixture, &messaging, &here, &post).await;
        assert_eq!((round, post.told()), (Round { delivered: 1, ..Round::default() }, vec![(CAROL.id(), 1)]));
    });
}

/// Who has come back waits on; to whom a delivery fails, the job is another try.
#[test]
fn a_leaver_who_is_back_or_cannot_be_reached_is_not_forgotten() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "are you there?").await;
        fixture.clock.advance(WINDOW_MS);
        let mut here = only(&[BOB]);
        worked_off(&fixture, &messaging, &here, &post).await;
        here.0.clear();
        post.refuses.lock().unwrap().insert(BOB.id());
        let round = worked_off(&fixture, &messaging, &here, &post).await;
        assert_eq!((round.failed, round.delivered), (1, 0));
        post.refuses.lock().unwrap().clear();
        here.0.insert(BOB.id());
        fixture.clock.advance(PRESENT_MAX_MS);
        worked_off(&fixture, &messaging, &here, &post).await;
        assert!(post.told().is_empty());
        here.0.clear();
        worked_off(&fixture, &messaging, &here, &post).await;
        assert_eq!(post.told(), [(BOB.id(), 1)]);
    });
}

/// A phone that is connected but frozen, an open page that nobody looks at: once it is gone, its user is notified soon.
#[test]
fn who_leaves_without_having_read_is_notified_soon() {
    for stays in [1, 90_000, 3_600_000, 3 * 24 * 3_600_000] {
        on_a_store(async |fixture| {
            let (messaging, post) = (with_notices(&fixture), Post::default());
            let thread = fixture.opened(&[ALICE, BOB]).await.id;
            sends(&messaging, ALICE, thread, "are you there?").await;
            let end = fixture.clock.advance(WINDOW_MS).plus_millis(stays);
            // A runner that comes whenever there is something to do.
            loop {
                let round = worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
                let next_at = round.next_at.expect("the job goes on");
                let now = fixture.now();
                fixture.clock.advance(next_at.min(end).as_millis() - now.as_millis());
                if fixture.now() == end {
                    break;
                }
            }
            assert!(post.told().is_empty(), "while they are present");
            let left = fixture.now();
            loop {
                let round = worked_off(&fixture, &messaging, &nobody(), &post).await;
                let Some(next_at) = round.next_at else { break };
                fixture.clock.advance(next_at.as_millis() - fixture.now().as_millis());
            }
            assert_eq!(post.told(), [(BOB.id(), 1)]);
            let waited = fixture.now().as_millis() - left.as_millis();
            assert!(waited <= PRESENT_MAX_MS.min(15_000.max((stays + WINDOW_MS) / 2)), "{waited} ms");
        });
    }
}

#[test]
fn who_is_present_and_reads_is_not_notified_and_it_is_done() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "are you there?").await;
        fixture.clock.advance(WINDOW_MS);
        let round = worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
        assert_eq!((round.delivered, round.waiting), (0, 1));
        read(&messaging, BOB, thread).await;
        fixture.clock.advance(PRESENT_MAX_MS);
        assert_eq!(worked_off(&fixture, &messaging, &nobody(), &post).await, Round::default());
        assert!(post.told().is_empty());
    });
}

/// Who stays connected and unread for days costs little, is never given up, and counts as no failure.
#[test]
fn looks_at_who_is_present_grow_rare() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "are you there?").await;
        let began = fixture.clock.advance(WINDOW_MS);
        let mut pauses = Vec::new();
        while fixture.now() < began.plus_millis(2 * 24 * 3_600_000) {
            let round = messaging.work_off(&only(&[BOB]), &post).await.unwrap();
            assert_eq!((round.waiting, round.failed, round.given_up), (1, 0, 0));
            let pause = round.next_at.unwrap().as_millis() - fixture.now().as_millis();
            pauses.push(pause);
            fixture.clock.advance(pause);
        }
        assert!(pauses.is_sorted() && pauses[0] >= 15_000, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&PRESENT_MAX_MS));
        assert!(pauses.len() <= 24 + 20, "{} looks", pauses.len());
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 1)]);
    });
}

/// Somebody who is present delays nobody else's notices, and gets one of all that they have not read.
#[test]
fn one_who_is_present_delays_nobody_and_gets_one_notice_of_all() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
        for _ in 0..200 {
            sends(&messaging, ALICE, thread, "one").await;
            fixture.clock.advance(1_000);
            sends(&messaging, ALICE, thread, "two").await;
            fixture.clock.advance(WINDOW_MS - 1_000);
            let round = worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
            assert_eq!(post.told(), [(CAROL.id(), 2)]);
            // What earlier windows have left behind goes away instead of heaping up.
            assert!(round.next_at.is_some());
        }
        fixture.clock.advance(PRESENT_MAX_MS);
        let round = worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(round, Round { delivered: 1, ..Round::default() });
        assert_eq!(post.told(), [(BOB.id(), 400)]);
    });
}

/// What is written while somebody who left is about to be notified: they hear of it once, and others in their time.
#[test]
fn a_late_notice_is_about_everything_unread() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
        sends(&messaging, ALICE, thread, "one").await;
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
        assert_eq!(post.told(), [(CAROL.id(), 1)]);
        fixture.clock.advance(20_000);
        sends(&messaging, ALICE, thread, "two").await;
        fixture.clock.advance(10_000);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 2)], "Carol's window has not ended");
        fixture.clock.advance(50_000);
        let round = worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(round, Round { delivered: 1, ..Round::default() });
        assert_eq!(post.told(), [(CAROL.id(), 1)]);
    });
}

/// Somebody to whom deliveries fail is tried at their own pace, however often somebody else is looked at.
#[test]
fn who_is_present_makes_nobody_be_given_up_sooner() {
    on_a_store(async |fixture| {
        let (messaging, post) = (with_notices(&fixture), Post::default());
        let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
        // Dates ahead of the clock make the looks at Bob as frequent as they can be.
        fixture.clock.advance(-24 * 3_600_000);
        sends(&messaging, ALICE, thread, "one").await;
        post.refuses.lock().unwrap().insert(CAROL.id());
        let end = fixture.now().plus_millis(10 * 3_600_000);
        while fixture.now() < end {
            let round = worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
            assert_eq!(round.given_up, 0);
            fixture.clock.advance(round.next_at.unwrap().as_millis() - fixture.now().as_millis());
        }
        post.refuses.lock().unwrap().clear();
        fixture.clock.advance(PRESENT_MAX_MS);
        worked_off(&fixture, &messaging, &only(&[BOB]), &post).await;
        assert_eq!(post.told(), [(CAROL.id(), 1)]);
    });
}
