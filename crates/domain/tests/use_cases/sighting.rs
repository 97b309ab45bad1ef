//! What tokens say of their users: kept when it is newer, and clean.

use tidings_domain::context::Context;
use tidings_domain::messaging::{HostCommand, Messaging};
use tidings_domain::time::Timestamp;
use tidings_domain::user::User;
use tidings_testkit::{ALICE, BOB, Fixture, campaign};

use crate::world::{on_a_store, told_campaign};

/// What a token says that was issued so many milliseconds ago; `None`, one that does not say when.
fn said(fixture: &Fixture, name: &str, ago: Option<i64>) -> User {
    let picture = format!("https://a.example/{}.png", name.replace(' ', "-"));
    User {
        name: name.to_owned(),
        avatar_url: Some(picture),
        as_of: ago.map_or(Timestamp::from_millis(0), |ago| fixture.now().plus_millis(-ago)),
        ..User::unknown(ALICE.id())
    }
}

/// The name that others see after a token came.
async fn comes(messaging: &Messaging, user: User) -> String {
    let seen = messaging.sighted(user).await.unwrap();
    let profiles = messaging.profiles(std::slice::from_ref(&seen.id)).await.unwrap();
    assert_eq!(*profiles[0], *seen);
    seen.name.clone()
}

#[test]
fn a_token_of_before_turns_no_name_back() {
    on_a_store(async |fixture| {
        // Two processes over one store, each with what it remembers.
        let (one, other) = (fixture.messaging(), fixture.messaging());
        let (before, after) =
            (said(&fixture, "Ada", Some(60_000)), said(&fixture, "Ada Byron", Some(30_000)));
        assert_eq!(comes(&one, before.clone()).await, "Ada");
        assert_eq!(comes(&other, after.clone()).await, "Ada Byron");
        // The one has not heard of it yet, and asks the store.
        assert_eq!(comes(&one, said(&fixture, "Ada Lovelace", Some(40_000))).await, "Ada Byron");
        for messaging in [&one, &other] {
            assert_eq!(comes(messaging, before.clone()).await, "Ada Byron");
            let seen = messaging.sighted(before.clone()).await.unwrap();
            assert_eq!(seen.avatar_url, after.avatar_url);
        }
        assert_eq!(comes(&one, said(&fixture, "Ada of now", Some(0))).await, "Ada of now");
    });
}

/// A token that says what is known already counts all the same: none issued before it changes anything.
#[test]
fn a_token_that_confirms_a_name_keeps_out_earlier_ones() {
    on_a_store(async |fixture| {
        let (one, other) = (fixture.messaging(), fixture.messaging());
        let of = |name, minutes: i64| said(&fixture, name, Some(minutes * 60_000));
        assert_eq!(comes(&one, of("Ada", 100)).await, "Ada");
        assert_eq!(comes(&one, of("Ada", 60)).await, "Ada");
        assert_eq!(comes(&one, of("Ada Byron", 80)).await, "Ada", "issued before the one that confirmed it");
        assert_eq!(comes(&one, of("Ada", 90)).await, "Ada");
        assert_eq!(comes(&one, of("Ada Byron", 61)).await, "Ada", "one in between turns nothing back");
        let stored = async || fixture.stores.directory.users(&[ALICE.id()]).await.unwrap().remove(0);
        let first = stored().await;
        assert_eq!(first.as_of, of("Ada", 100).as_of, "a write for each token would cost too much");
        // An hour after the stored one it is stored, and stands for every process; nothing else changes.
        assert_eq!(comes(&one, of("Ada", 40)).await, "Ada");
        assert_eq!(stored().await, User { as_of: of("Ada", 40).as_of, ..first });
        assert_eq!(comes(&other, of("Ada Byron", 50)).await, "Ada");
        assert_eq!(comes(&other, of("Ada Byron", 30)).await, "Ada Byron");
    });
}

#[test]
fn a_token_that_does_not_say_when_counts_as_the_earliest() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        assert_eq!(comes(&messaging, said(&fixture, "Ada", None)).await, "Ada");
        assert_eq!(comes(&messaging, said(&fixture, "Ada Byron", None)).await, "Ada Byron");
        assert_eq!(comes(&messaging, said(&fixture, "Ada of now", Some(0))).await, "Ada of now");
        assert_eq!(comes(&messaging, said(&fixture, "Ada Byron", None)).await, "Ada of now");
    });
}

/// An issuer whose clock is ahead does not keep out what it says later.
#[test]
fn a_token_from_the_future_is_one_of_now() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        assert_eq!(comes(&messaging, said(&fixture, "Ada", Some(-3_600_000))).await, "Ada");
        fixture.clock.advance(1_000);
        assert_eq!(comes(&messaging, said(&fixture, "Ada Byron", Some(0))).await, "Ada Byron");
    });
}

/// PostgreSQL cannot keep U+0000, and no screen shows the others.
#[test]
fn texts_for_people_are_kept_without_control_characters() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let mut user = said(&fixture, "A\u{0}da\u{7}\u{9b}\r\n Lovelace", Some(10));
        user.avatar_url = Some("https://a.example/\u{0}.png".to_owned());
        let seen = messaging.sighted(user).await.unwrap();
        assert_eq!((seen.name.as_str(), &seen.avatar_url), ("Ada Lovelace", &None));
        // One without any other character says nothing: who has a name keeps it, who has none is called by their id.
        assert_eq!(comes(&messaging, said(&fixture, "\u{0}\t", Some(5))).await, "Ada Lovelace");
        let nameless = User { name: "\u{0}".to_owned(), ..User::unknown(BOB.id()) };
        assert_eq!(messaging.sighted(nameless.clone()).await.unwrap().name, BOB.id().as_str());

        // By the host too, whoever calls the service.
        let email = Some("\u{0}".to_owned());
        let user =
            User { name: "B\u{0}ob".to_owned(), username: Some("b\u{1}".to_owned()), email, ..nameless };
        messaging.execute_host(HostCommand::PutUser { user, subjects: None }).await.unwrap();
        let bob = fixture.stores.directory.users(&[BOB.id()]).await.unwrap().pop().unwrap();
        assert_eq!((bob.name.as_str(), bob.username.as_deref(), bob.email), ("Bob", Some("b"), None));
        let told = Context { title: "Sp\u{0}ring".to_owned(), ..told_campaign("1", Vec::new()) };
        let told = Context { state: Some("act\u{0}ive".to_owned()), ..told };
        messaging.execute_host(HostCommand::PutContext(told)).await.unwrap();
        let kept = messaging.context(&campaign("1")).await.unwrap().unwrap();
        assert_eq!((kept.title.as_str(), kept.state.as_deref()), ("Spring", Some("active")));
    });
}
