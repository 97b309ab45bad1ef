//! The own thread about an object, and what is unread about it.

use tidings_domain::member::Standing;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{FindThread, Messaging};
use tidings_domain::page::PAGE_ROWS_MAX;
use tidings_domain::thread::{NewThread, ThreadKey};
use tidings_domain::user::Actor;
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Fixture, Person, T0, campaign, crowd, keeping_member};

use crate::world::{on_a_store, tries_to_send};

async fn about(fixture: &Fixture, id: &str, people: &[Person]) -> tidings_domain::id::ThreadId {
    let new = NewThread { context: Some(campaign(id)), ..fixture.group(people) };
    fixture.created(new).await.id
}

async fn found(
    messaging: &Messaging,
    by: Person,
    id: &str,
    with: &[Person],
) -> Option<tidings_domain::id::ThreadId> {
    let with = with.iter().map(|person| person.id()).collect();
    let find = FindThread { context: campaign(id), with };
    messaging.find_thread(&by.actor(), find).await.unwrap().map(|view| view.thread.id)
}

async fn unread(messaging: &Messaging, by: Person, id: &str) -> u64 {
    messaging.unread_about(&by.actor(), campaign(id)).await.unwrap()
}

#[test]
fn the_own_thread_with_the_latest_activity_is_found() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, None);
        let with_bob = about(&fixture, "1", &[ALICE, BOB]).await;
        fixture.clock.advance(1);
        let with_carol = about(&fixture, "1", &[ALICE, CAROL]).await;
        let elsewhere = about(&fixture, "2", &[ALICE, BOB]).await;
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, Some(with_carol));
        fixture.clock.advance(1);
        fixture.says(with_bob, BOB, "hello").await;
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, Some(with_bob));
        assert_eq!(found(&messaging, ALICE, "1", &[CAROL]).await, Some(with_carol));
        assert_eq!(found(&messaging, ALICE, "1", &[ALICE, BOB]).await, Some(with_bob));
        assert_eq!(found(&messaging, ALICE, "1", &[BOB, CAROL]).await, None);
        assert_eq!(found(&messaging, ALICE, "2", &[]).await, Some(elsewhere));
        assert_eq!(found(&messaging, BOB, "1", &[]).await, Some(with_bob));
        assert_eq!(found(&messaging, CAROL, "1", &[BOB]).await, None);
        // Nobody finds what others say among themselves, whomever they name.
        assert_eq!(found(&messaging, DAVE, "1", &[ALICE, BOB]).await, None);
        assert_eq!(found(&messaging, DAVE, "1", &[]).await, None);
    });
}

#[test]
fn what_was_hidden_left_or_taken_is_not_found_and_not_counted() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = about(&fixture, "1", &[ALICE, BOB]).await;
        fixture.says(thread, ALICE, "hello").await;
        assert_eq!(unread(&messaging, BOB, "1").await, 1);
        for standing in [Standing::Hidden, Standing::Left, Standing::Removed] {
            fixture.does(keeping_member(thread, BOB.id(), move |bob| bob.standing = standing)).await;
            assert_eq!(found(&messaging, BOB, "1", &[]).await, None, "{standing:?}");
            assert_eq!(unread(&messaging, BOB, "1").await, 0, "{standing:?}");
        }
        // Whoever stayed finds it, but not with whom is gone.
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, Some(thread));
        assert_eq!(found(&messaging, ALICE, "1", &[BOB]).await, None);
    });
}

#[test]
fn unread_is_summed_over_the_threads_about_the_object() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let one = about(&fixture, "1", &[ALICE, BOB]).await;
        let other = about(&fixture, "1", &[ALICE, CAROL]).await;
        let elsewhere = about(&fixture, "2", &[ALICE, BOB]).await;
        for (thread, by) in [(one, BOB), (one, BOB), (other, CAROL), (elsewhere, BOB)] {
            fixture.says(thread, by, "hello").await;
        }
        assert_eq!(unread(&messaging, ALICE, "1").await, 3);
        assert_eq!(unread(&messaging, ALICE, "2").await, 1);
        assert_eq!(unread(&messaging, BOB, "1").await, 0);
        assert_eq!(unread(&messaging, DAVE, "1").await, 0);
        assert_eq!(unread(&messaging, ALICE, "nowhere").await, 0);
        fixture.says(one, ALICE, "an answer").await;
        assert_eq!(unread(&messaging, ALICE, "1").await, 1);
    });
}

/// A campaign of more promoters than any page holds: nothing is left out of the sum, and each is found.
#[test]
fn more_threads_about_an_object_than_a_page_holds() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let threads = usize::try_from(PAGE_ROWS_MAX).unwrap() + 100;
        let promoters = crowd(threads);
        let mut made = Vec::new();
        for promoter in &promoters {
            fixture.clock.advance(1);
            let new = NewThread {
                key: Some(ThreadKey::pair(campaign("1"), ALICE.id(), promoter.user.clone())),
                context: Some(campaign("1")),
                founders: vec![ALICE.party(), promoter.clone()],
                ..fixture.group(&[])
            };
            let thread = fixture.created(new).await.id;
            let promoter = Actor::new(promoter.user.clone(), None, Origin::Request);
            tries_to_send(&messaging, &promoter, thread, "hello").await.unwrap();
            made.push(thread);
        }
        assert_eq!(unread(&messaging, ALICE, "1").await, threads as u64);
        for index in [0, 50, threads - 1] {
            let find = FindThread { context: campaign("1"), with: vec![promoters[index].user.clone()] };
            let found = messaging.find_thread(&ALICE.actor(), find).await.unwrap();
            assert_eq!(found.map(|view| view.thread.id), Some(made[index]), "{index}");
        }
        // One of another key, the least active of all.
        let other = NewThread { created_at: T0, ..fixture.group(&[ALICE, BOB]) };
        let other = fixture.created(NewThread { context: Some(campaign("1")), ..other }).await.id;
        assert_eq!(found(&messaging, ALICE, "1", &[BOB]).await, Some(other));
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, made.last().copied());
        assert_eq!(found(&messaging, ALICE, "1", &[DAVE]).await, None);
    });
}

/// The pair's own thread is the one that opening gives, also when another one of theirs was written in later.
#[test]
fn the_thread_of_a_pair_comes_before_others_of_theirs() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let key = Some(ThreadKey::pair(campaign("1"), ALICE.id(), BOB.id()));
        let pair = NewThread { key, context: Some(campaign("1")), ..fixture.group(&[ALICE, BOB]) };
        let pair = fixture.created(pair).await.id;
        fixture.clock.advance(1);
        let other = about(&fixture, "1", &[ALICE, BOB]).await;
        assert_eq!(found(&messaging, ALICE, "1", &[BOB]).await, Some(pair));
        assert_eq!(found(&messaging, ALICE, "1", &[BOB, ALICE]).await, Some(pair));
        assert_eq!(found(&messaging, ALICE, "1", &[]).await, Some(other));
        fixture.does(keeping_member(pair, ALICE.id(), |alice| alice.standing = Standing::Hidden)).await;
        assert_eq!(found(&messaging, ALICE, "1", &[BOB]).await, Some(other));
    });
}
