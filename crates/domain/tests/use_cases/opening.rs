//! Who may open a thread with whom: strict mode, open mode, and what the host told about the object.

use tidings_domain::context::Party;
use tidings_domain::messaging::{Founders, OpenError, OpenThread, Settings};
use tidings_domain::thread::ThreadKey;
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Fixture, Person, campaign};

use crate::world::{acting, on_a_store, opening, party, tell_campaign, tell_user};

fn advertiser(person: Person) -> Party {
    party(person, "ADVERTISER")
}

fn promoter(person: Person) -> Party {
    party(person, "PROMOTER")
}

fn strict() -> Settings {
    Settings::default().strict(true)
}

/// Both modes.
fn modes() -> [Settings; 2] {
    [Settings::default(), strict()]
}

async fn told(fixture: &Fixture, people: &[Person]) {
    for person in people {
        tell_user(fixture, *person).await;
    }
}

#[test]
fn open_mode_takes_ids_that_nobody_told_about_from_one_of_the_two() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let open = || opening(campaign("unheard-of"), promoter(BOB), advertiser(ALICE));
        let opened = messaging.open_thread(&acting(ALICE, "ADVERTISER"), open()).await.unwrap();
        assert!(opened.created);
        assert!(!messaging.open_thread(&acting(BOB, "PROMOTER"), open()).await.unwrap().created);
        // A third person cannot open it for them, nor can one of them in the other's role.
        for other in [acting(CAROL, "PROMOTER"), acting(ALICE, "PROMOTER"), acting(BOB, "ADVERTISER")] {
            assert_eq!(messaging.open_thread(&other, open()).await.unwrap_err(), OpenError::NotAParty);
        }
        // Nobody is found in an object that nobody told about.
        let found = OpenThread { founders: Founders::OfContext, ..open() };
        let refused = messaging.open_thread(&acting(ALICE, "ADVERTISER"), found).await.unwrap_err();
        assert_eq!(refused, OpenError::UnknownContext);
    });
}

#[test]
fn strict_mode_knows_only_what_the_host_told() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging_with(strict());
        let ada = acting(ALICE, "ADVERTISER");
        let open = |id: &str, other| opening(campaign(id), promoter(other), advertiser(ALICE));
        let refused = messaging.open_thread(&ada, open("1", BOB)).await.unwrap_err();
        assert_eq!(refused, OpenError::UnknownContext);
        tell_campaign(&fixture, "1", Vec::new()).await;
        let refused = messaging.open_thread(&ada, open("1", BOB)).await.unwrap_err();
        assert_eq!(refused, OpenError::UnknownParty(promoter(BOB)));
        told(&fixture, &[BOB]).await;
        let refused = messaging.open_thread(&ada, open("1", BOB)).await.unwrap_err();
        assert_eq!(refused, OpenError::UnknownParty(advertiser(ALICE)));
        told(&fixture, &[ALICE]).await;
        assert!(messaging.open_thread(&ada, open("1", BOB)).await.unwrap().created);
        let refused = messaging.open_thread(&ada, open("2", BOB)).await.unwrap_err();
        assert_eq!(refused, OpenError::UnknownContext);
        // Nothing came of the refusals.
        assert_eq!(fixture.heard.heard().len(), 1);
        let key = ThreadKey::pair(campaign("2"), ALICE.id(), BOB.id());
        assert_eq!(fixture.stores.threads.thread_by_key(&key).await, Ok(None));
    });
}

/// Where the host told who takes part, naming oneself is not enough, in either mode.
#[test]
fn a_stranger_cannot_name_himself_into_a_campaign_that_is_known() {
    for settings in modes() {
        on_a_store(async move |fixture| {
            let messaging = fixture.messaging_with(settings);
            told(&fixture, &[ALICE, BOB, CAROL, DAVE]).await;
            tell_campaign(&fixture, "1", vec![advertiser(ALICE), promoter(BOB)]).await;
            let of = campaign("1");
            for (actor, one, other) in [
                // A stranger with the real advertiser, with the real promoter, and with another stranger.
                (acting(CAROL, "PROMOTER"), promoter(CAROL), advertiser(ALICE)),
                (acting(CAROL, "ADVERTISER"), promoter(BOB), advertiser(CAROL)),
                (acting(CAROL, "PROMOTER"), promoter(CAROL), advertiser(DAVE)),
                // A party with a stranger, or in a role that is not theirs here.
                (acting(ALICE, "ADVERTISER"), promoter(CAROL), advertiser(ALICE)),
                (acting(ALICE, "PROMOTER"), promoter(ALICE), advertiser(BOB)),
                // A token without a role gives none.
                (CAROL.actor(), promoter(CAROL), advertiser(ALICE)),
            ] {
                let refused = messaging.open_thread(&actor, opening(of.clone(), one, other)).await;
                assert_eq!(refused.unwrap_err(), OpenError::NotAParty, "{actor:?} {settings:?}");
            }
            assert!(fixture.heard.heard().is_empty(), "nothing was created");
            let own = opening(of, promoter(BOB), advertiser(ALICE));
            assert!(messaging.open_thread(&acting(BOB, "PROMOTER"), own).await.unwrap().created);
        });
    }
}

#[test]
fn parties_are_found_in_the_object() {
    for settings in modes() {
        on_a_store(async move |fixture| {
            let messaging = fixture.messaging_with(settings);
            told(&fixture, &[ALICE, BOB, CAROL]).await;
            tell_campaign(&fixture, "1", vec![advertiser(ALICE), promoter(BOB), promoter(CAROL)]).await;
            tell_campaign(&fixture, "lonely", vec![advertiser(ALICE)]).await;
            let open =
                |id: &str| OpenThread { context: campaign(id), founders: Founders::OfContext, subject: None };
            let ada = acting(ALICE, "ADVERTISER");
            let first = messaging.open_thread(&ada, open("1")).await.unwrap();
            let with: Vec<_> = first.thread.members.iter().map(|(member, _)| member.user.clone()).collect();
            assert_eq!(with, [ALICE.id(), BOB.id()]);
            let own = messaging.open_thread(&acting(CAROL, "PROMOTER"), open("1")).await.unwrap();
            assert!(own.created && own.thread.thread.id != first.thread.thread.id);
            for (actor, id, error) in [
                (&ada, "lonely", OpenError::NoCounterpart),
                (&ada, "nowhere", OpenError::UnknownContext),
                (&acting(DAVE, "PROMOTER"), "1", OpenError::NotAParty),
                (&acting(BOB, "ADVERTISER"), "1", OpenError::NotAParty),
            ] {
                assert_eq!(messaging.open_thread(actor, open(id)).await.unwrap_err(), error, "{id}");
            }
        });
    }
}

/// A client that names one side alone: the caller is the other one.
#[test]
fn one_side_may_be_named_alone() {
    for settings in modes() {
        on_a_store(async move |fixture| {
            let messaging = fixture.messaging_with(settings);
            told(&fixture, &[ALICE, BOB, CAROL, DAVE]).await;
            tell_campaign(&fixture, "1", vec![advertiser(ALICE), promoter(BOB), promoter(CAROL)]).await;
            tell_campaign(&fixture, "lonely", vec![promoter(BOB)]).await;
            tell_campaign(&fixture, "untold", Vec::new()).await;
            let with = |id: &str, person: Person| OpenThread {
                context: campaign(id),
                founders: Founders::Named { party: promoter(person), other: "ADVERTISER".parse().unwrap() },
                subject: None,
            };
            let (ada, bob) = (acting(ALICE, "ADVERTISER"), acting(BOB, "PROMOTER"));
            // The advertiser chooses the promoter, not the first one; a token without a role will do.
            for (actor, id, person) in [(&ada, "1", CAROL), (&ALICE.actor(), "untold", DAVE)] {
                let opened = messaging.open_thread(actor, with(id, person)).await.unwrap();
                let parties: Vec<_> =
                    opened.thread.members.iter().map(|(member, _)| (&member.user, &member.role)).collect();
                assert!(opened.created);
                assert!(parties.contains(&(&person.id(), &promoter(person).role)), "{parties:?}");
                assert!(parties.contains(&(&ALICE.id(), &advertiser(ALICE).role)), "{parties:?}");
            }
            // A promoter who names themselves meets the advertiser of the campaign.
            let opened = messaging.open_thread(&bob, with("1", BOB)).await.unwrap();
            assert!(opened.created);
            assert!(!messaging.open_thread(&ada, with("1", BOB)).await.unwrap().created);
            let before = fixture.heard.heard().len();
            for (actor, id, person, error) in [
                // Another promoter is not theirs to name.
                (&bob, "1", CAROL, OpenError::NotAParty),
                // An advertiser is no promoter.
                (&ada, "1", ALICE, OpenError::NotAParty),
                // Somebody who takes no part, with a party and with themselves.
                (&acting(DAVE, "ADVERTISER"), "1", BOB, OpenError::NotAParty),
                (&acting(DAVE, "PROMOTER"), "1", DAVE, OpenError::NotAParty),
                (&ada, "1", DAVE, OpenError::NotAParty),
                (&bob, "lonely", BOB, OpenError::NoCounterpart),
                (&bob, "nowhere", BOB, OpenError::UnknownContext),
            ] {
                let refused = messaging.open_thread(actor, with(id, person)).await.unwrap_err();
                assert_eq!(refused, error, "{actor:?} {id} {person:?}");
            }
            assert_eq!(fixture.heard.heard().len(), before, "nothing came of the refusals");
        });
    }
}

#[test]
fn nobody_talks_to_himself() {
    on_a_store(async |fixture| {
        let open = opening(campaign("1"), promoter(ALICE), advertiser(ALICE));
        let refused = fixture.messaging().open_thread(&ALICE.actor(), open).await.unwrap_err();
        assert_eq!(refused, OpenError::NoCounterpart);
    });
}

/// Both open it at once, each by their own way: one thread, created once.
#[test]
fn two_who_open_at_once_meet_in_one_thread() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        tell_campaign(&fixture, "1", vec![advertiser(ALICE), promoter(BOB)]).await;
        let named = || opening(campaign("1"), promoter(BOB), advertiser(ALICE));
        let found = || OpenThread { founders: Founders::OfContext, ..named() };
        let (ada, bob) = (acting(ALICE, "ADVERTISER"), acting(BOB, "PROMOTER"));
        let mut made = Vec::new();
        for (actor, open) in [(&ada, named()), (&bob, named()), (&ada, found()), (&bob, found())] {
            made.push(messaging.open_thread(actor, open).await.unwrap());
        }
        assert_eq!(made.iter().filter(|opened| opened.created).count(), 1);
        assert!(made.iter().all(|opened| opened.thread.thread.id == made[0].thread.thread.id));
    });
}
