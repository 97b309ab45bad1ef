//! The own thread about an object, and what is unread about it.

use tidings_domain::member::Standing;
use tidings_domain::messaging::{FindThread, Messaging};
use tidings_domain::thread::NewThread;
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Fixture, Person, campaign, keeping_member};

use crate::world::on_a_store;

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
