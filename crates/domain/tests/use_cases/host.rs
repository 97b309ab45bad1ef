//! What the host asks for: threads unique by what it says, members taken out, users and objects told about.

use tidings_domain::change::Change;
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::member::{Member, Standing};
use tidings_domain::messaging::{
    HostCommand, HostError, HostOpenThread, HostOutcome, ListThreads, Messaging, OpenError, ReadError,
    SendError, Unique,
};
use tidings_domain::page::{PageLimit, ThreadPage};
use tidings_domain::text::ClientKey;
use tidings_domain::thread::{MEMBERS_MAX, Thread};
use tidings_domain::user::{Subject, User};
use tidings_testkit::{ALICE, BOB, CAROL, Person, campaign, crowd, keeping_member, key, subject};

use crate::world::{acting, on_a_store, opening, party, sends, tell_campaign, told_campaign, tries_to_send};

fn asking(context: Option<ContextRef>, parties: Vec<Party>, unique: Unique) -> HostOpenThread {
    HostOpenThread { context, parties, subject: None, unique }
}

async fn tries_to_open(
    messaging: &Messaging,
    open: HostOpenThread,
) -> Result<(Thread, Vec<Member>, bool), HostError> {
    let outcome = messaging.execute_host(HostCommand::OpenThread(open)).await?;
    let HostOutcome::Opened { thread, members, created } = outcome else { panic!("came to {outcome:?}") };
    Ok((*thread, members, created))
}

fn of(people: &[Person]) -> Vec<Party> {
    people.iter().map(|person| person.party()).collect()
}

fn by_request(text: &str) -> Unique {
    Unique::Request(Some(key(text)))
}

#[test]
fn a_thread_is_unique_by_what_the_host_says() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let open = async |context, people: &[Person], unique| {
            let (thread, members, created) =
                tries_to_open(&messaging, asking(context, of(people), unique)).await.unwrap();
            assert!(people.iter().all(|person| members.iter().any(|member| member.user == person.id())));
            (thread.id, created)
        };
        let (one, other) = (|| Some(campaign("1")), || Some(campaign("2")));
        // By the two parties alone, in either order.
        let (direct, created) = open(None, &[ALICE, BOB], Unique::Parties).await;
        assert!(created);
        assert_eq!(open(None, &[BOB, ALICE], Unique::Parties).await, (direct, false));
        // By the parties and the object.
        let (pair, created) = open(one(), &[ALICE, BOB], Unique::Parties).await;
        assert!(created);
        assert_eq!(open(one(), &[BOB, ALICE], Unique::Parties).await, (pair, false));
        assert!(open(other(), &[ALICE, BOB], Unique::Parties).await.1);
        assert!(open(one(), &[ALICE, CAROL], Unique::Parties).await.1);
        // By the object alone.
        let (all, created) = open(one(), &[ALICE, BOB, CAROL], Unique::Context).await;
        assert!(created);
        assert_eq!(open(one(), &[BOB], Unique::Context).await, (all, false));
        assert!(open(other(), &[BOB], Unique::Context).await.1);
        // By the request, or by nothing.
        let (keyed, created) = open(one(), &[ALICE, BOB], by_request("k")).await;
        assert!(created);
        assert_eq!(open(one(), &[BOB, ALICE], by_request("k")).await, (keyed, false));
        assert!(open(one(), &[ALICE, BOB], by_request("K")).await.1);
        assert!(open(None, &[ALICE, BOB], Unique::Request(None)).await.1);
        assert!(open(None, &[ALICE, BOB], Unique::Request(None)).await.1);
        // A member alone, and the same thread as the dialects open.
        assert!(open(None, &[ALICE], Unique::Request(None)).await.1);
        let as_member = opening(campaign("1"), party(ALICE, "member"), party(BOB, "member"));
        let opened = messaging.open_thread(&ALICE.actor(), as_member).await.unwrap();
        assert_eq!((opened.thread.thread.id, opened.created), (pair, false));
    });
}

#[test]
fn parties_that_do_not_fit_are_refused() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let about = || Some(campaign("1"));
        for (context, parties, unique) in [
            (None, vec![], Unique::Request(None)),
            (None, of(&[ALICE]), Unique::Parties),
            (about(), of(&[ALICE, BOB, CAROL]), Unique::Parties),
            (None, of(&[ALICE, ALICE]), Unique::Parties),
            (about(), of(&[ALICE, BOB, ALICE]), Unique::Context),
            (None, vec![party(ALICE, "one"), party(ALICE, "other")], Unique::Request(None)),
            (None, of(&[ALICE, BOB]), Unique::Context),
            (None, crowd(MEMBERS_MAX + 1), Unique::Request(None)),
        ] {
            let count = parties.len();
            let error = tries_to_open(&messaging, asking(context, parties, unique)).await.unwrap_err();
            assert!(matches!(error, HostError::Parties(_)), "{count}: {error:?}");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "invalid-parties"));
        }
        assert!(fixture.heard.heard().is_empty(), "nothing was created");
        let most = asking(None, crowd(MEMBERS_MAX), Unique::Request(None));
        assert_eq!(tries_to_open(&messaging, most).await.unwrap().1.len(), MEMBERS_MAX);
    });
}

#[test]
fn a_key_that_comes_again_for_something_else_is_a_conflict() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let open = async |context, people: &[Person]| {
            tries_to_open(&messaging, asking(context, of(people), by_request("k"))).await
        };
        let about = |id: &str| Some(campaign(id));
        let (first, _, _) = open(about("1"), &[ALICE, BOB]).await.unwrap();
        for (context, people) in [
            (about("2"), &[ALICE, BOB][..]),
            (None, &[ALICE, BOB]),
            (about("1"), &[ALICE, CAROL]),
            (about("1"), &[ALICE, BOB, CAROL]),
            (about("1"), &[ALICE]),
        ] {
            let error = open(context.clone(), people).await.unwrap_err();
            assert_eq!(error, HostError::KeyReused, "{context:?} {people:?}");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "idempotency-key-reused"));
        }
        // What happened in it since does not make the same request another.
        messaging.execute_host(HostCommand::RemoveMember { thread: first.id, user: BOB.id() }).await.unwrap();
        let carol =
            Member::joining(first.id, CAROL.id(), "member".parse().unwrap(), fixture.clock.advance(5));
        fixture.does(tidings_testkit::putting_member(carol)).await;
        let (again, _, created) = open(about("1"), &[ALICE, BOB]).await.unwrap();
        assert_eq!((again.id, created), (first.id, false));
    });
}

#[test]
fn the_title_of_the_object_stands_in_for_a_subject() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        tell_campaign(&fixture, "1", Vec::new()).await;
        let open = asking(Some(campaign("1")), of(&[ALICE, BOB]), Unique::Request(None));
        let (titled, ..) = tries_to_open(&messaging, open.clone()).await.unwrap();
        assert_eq!(titled.subject, Some(subject("The 1 campaign")));
        let given = HostOpenThread { subject: Some(subject("given")), ..open.clone() };
        assert_eq!(tries_to_open(&messaging, given).await.unwrap().0.subject, Some(subject("given")));
        let unheard_of = HostOpenThread { context: Some(campaign("2")), ..open };
        assert_eq!(tries_to_open(&messaging, unheard_of).await.unwrap().0.subject, None);
    });
}

#[test]
fn who_was_removed_cannot_come_back_read_or_write() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let open = || opening(campaign("1"), party(ALICE, "ADVERTISER"), party(BOB, "PROMOTER"));
        let bob = acting(BOB, "PROMOTER");
        let thread =
            messaging.open_thread(&acting(ALICE, "ADVERTISER"), open()).await.unwrap().thread.thread.id;
        sends(&messaging, BOB, thread, "still in").await;
        let remove = || HostCommand::RemoveMember { thread, user: BOB.id() };
        for _ in 0..2 {
            assert!(matches!(messaging.execute_host(remove()).await, Ok(HostOutcome::Removed)));
        }
        let heard = fixture.heard.heard_of(thread);
        let removals = heard.iter().flat_map(|commit| &commit.changes).filter(
            |change| matches!(change, Change::PutMember(member) if member.standing == Standing::Removed),
        );
        assert_eq!(removals.count(), 1, "said twice, done once");

        assert_eq!(messaging.open_thread(&bob, open()).await.unwrap_err(), OpenError::Removed);
        let sent = tries_to_send(&messaging, &bob, thread, "back?").await;
        assert_eq!(sent.unwrap_err(), SendError::NotAMember);
        assert_eq!(messaging.view_thread(&bob, thread).await.unwrap_err(), ReadError::NotAMember);
        let page = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
        assert!(messaging.list_threads(&bob, ListThreads { page }).await.unwrap().threads.is_empty());
        assert_eq!(fixture.member(thread, BOB).await.unwrap().standing, Standing::Removed);
        assert_eq!(fixture.messages(thread).await.len(), 1);
        // The other one goes on.
        sends(&messaging, ALICE, thread, "alone").await;
        assert!(!messaging.open_thread(&acting(ALICE, "ADVERTISER"), open()).await.unwrap().created);
    });
}

#[test]
fn who_hid_or_left_comes_back_by_opening() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let open = || opening(campaign("1"), party(ALICE, "ADVERTISER"), party(BOB, "PROMOTER"));
        let bob = acting(BOB, "PROMOTER");
        let thread = messaging.open_thread(&bob, open()).await.unwrap().thread.thread.id;
        for standing in [Standing::Hidden, Standing::Left] {
            fixture.does(keeping_member(thread, BOB.id(), move |bob| bob.standing = standing)).await;
            assert!(!messaging.open_thread(&bob, open()).await.unwrap().created);
            assert_eq!(fixture.member(thread, BOB).await.unwrap().standing, Standing::Active);
        }
    });
}

#[test]
fn nobody_is_taken_out_of_where_they_are_not() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        let remove = async |thread, user| {
            messaging.execute_host(HostCommand::RemoveMember { thread, user }).await.unwrap_err()
        };
        assert_eq!(remove(thread, CAROL.id()).await, HostError::UnknownMember);
        assert_eq!(remove(fixture.thread_id(), ALICE.id()).await, HostError::UnknownThread);
        assert_eq!(fixture.heard.heard().len(), 1, "the creation alone");
    });
}

#[test]
fn what_the_host_tells_counts_and_a_token_does_not_change_it() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let uid = Subject { issuer: "firebase".to_owned(), sub: "uid".to_owned() };
        let mut claimed = User::unknown(ALICE.id());
        claimed.name = "Alice by her token".to_owned();
        messaging.sighted(claimed.clone()).await.unwrap();
        let told = User { name: "Alice".to_owned(), email: Some("a@b.c".to_owned()), ..claimed.clone() };
        fixture.clock.advance(7);
        let tell = HostCommand::PutUser { user: told, subjects: Some(vec![uid.clone()]) };
        let Ok(HostOutcome::User(user)) = messaging.execute_host(tell).await else {
            panic!("a user is kept")
        };
        assert_eq!((user.name.as_str(), user.told, user.updated_at), ("Alice", true, fixture.now()));
        assert_eq!(messaging.sighted(claimed).await.unwrap().name, "Alice");
        assert_eq!(messaging.profiles(&[ALICE.id()]).await.unwrap()[0].name, "Alice");
        let found = fixture.stores.directory.user_by_subject(&uid).await.unwrap();
        assert_eq!(found, Some(*user));

        let context = told_campaign("1", of(&[ALICE]));
        let put = messaging.execute_host(HostCommand::PutContext(context.clone())).await;
        assert!(matches!(put, Ok(HostOutcome::Context)));
        assert_eq!(messaging.context(&campaign("1")).await, Ok(Some(context)));
    });
}

/// Ids are the host's, a key may be anything that is a client key.
#[test]
fn a_key_with_spaces_is_a_key() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let unique = || Unique::Request(ClientKey::parse("  two  words ").ok());
        let open = || asking(None, of(&[ALICE, BOB]), unique());
        let (first, ..) = tries_to_open(&messaging, open()).await.unwrap();
        assert_eq!(tries_to_open(&messaging, open()).await.unwrap().0.id, first.id);
    });
}
