//! What the host told about users and business objects.

use std::collections::BTreeSet;

use tidings_domain::context::{Context, ContextRef};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, ERIN, Person, campaign};

fn told(person: Person, name: &str) -> User {
    User {
        name: name.to_owned(),
        avatar_url: Some("https://example.org/😀?a='b'&c=\"d\"".to_owned()),
        role: Some("brand".parse().expect("a role")),
        username: Some("née '\"\\ 😀".to_owned()),
        email: Some("o'neil+😀@example.org".to_owned()),
        told: true,
        as_of: Timestamp::from_millis(1_767_323_044_000),
        updated_at: Timestamp::from_millis(1_767_323_045_123),
        ..User::unknown(person.id())
    }
}

/// Every field, and only those who were asked for and are known.
pub async fn users_round_trip(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let erin = directory.put_user(told(ERIN, "Érin \"'\\ 😀\u{1}"), None).await.expect("the store works");
    let alice = directory.put_user(User::unknown(ALICE.id()), None).await.expect("the store works");
    assert_eq!(User { number: 0, ..erin.clone() }, told(ERIN, "Érin \"'\\ 😀\u{1}"));
    assert_eq!(directory.users(&[ERIN.id()]).await, Ok(vec![erin.clone()]));
    let mut both = directory.users(&[ALICE.id(), BOB.id(), ERIN.id()]).await.expect("the store works");
    both.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(both, [alice, erin]);
    assert_eq!(directory.users(&[]).await, Ok(Vec::new()));
}

/// A user keeps the number of the first time, whatever number is put; numbers are unique, also when put at once.
pub async fn user_numbers_never_change(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let people = [ALICE, BOB, CAROL, ERIN];
    let puts = (0..40).map(|n| {
        let directory = std::sync::Arc::clone(directory);
        let user = User { number: 77, ..told(people[n % 4], &format!("name {n}")) };
        async move { directory.put_user(user, None).await.expect("the store works") }
    });
    let put = together(puts).await;
    for person in people {
        let numbers: BTreeSet<u64> =
            put.iter().filter(|user| user.id == person.id()).map(|user| user.number).collect();
        assert_eq!(numbers.len(), 1, "one number for {person:?}");
    }
    let numbers: BTreeSet<u64> = put.iter().map(|user| user.number).collect();
    assert_eq!(numbers.len(), 4, "a number for each");
    assert!(!numbers.contains(&0));
    let plain = User { number: 5, told: true, ..User::unknown(ALICE.id()) };
    let again = directory.put_user(plain.clone(), None).await.expect("the store works");
    assert_eq!(again, User { number: again.number, ..plain });
    assert_eq!(directory.users(&[ALICE.id()]).await, Ok(vec![again]), "the last word counts");
}

/// What a token said stays when one comes that was issued earlier, whoever writes last; what the host said stays before
/// any token. What is kept is given back.
pub async fn a_later_token_stands_and_the_host_above_it(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let put = async |name: &str, as_of, told| {
        let user = User { told, as_of: Timestamp::from_millis(as_of), ..said(BOB, name) };
        let kept = directory.put_user(user, None).await.expect("the store works");
        assert_eq!(directory.users(&[BOB.id()]).await, Ok(vec![kept.clone()]));
        (kept.name, kept.number)
    };
    let (_, number) = put("without a moment", 0, false).await;
    for (name, as_of, told, kept) in [
        ("without a moment either", 0, false, "without a moment either"),
        ("at 20", 20, false, "at 20"),
        ("at 10", 10, false, "at 20"),
        ("without a moment", 0, false, "at 20"),
        ("at 20, too", 20, false, "at 20, too"),
        ("at 30", 30, false, "at 30"),
        ("by the host", 25, true, "by the host"),
        ("at 40", 40, false, "by the host"),
        ("by the host again", 5, true, "by the host again"),
    ] {
        assert_eq!(put(name, as_of, told).await, (kept.to_owned(), number), "{name}");
    }
    // Many at once, in one batch or several: the latest stands.
    let puts = (1..=40).map(|n: i64| {
        let directory = std::sync::Arc::clone(directory);
        let as_of = Timestamp::from_millis(n * 7 % 41);
        let user = User { told: false, as_of, ..said(CAROL, &format!("at {}", as_of.as_millis())) };
        async move { directory.put_user(user, None).await.expect("the store works") }
    });
    let kept = together(puts).await;
    assert_eq!(kept.iter().map(|user| user.number).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(directory.users(&[CAROL.id()]).await.expect("the store works")[0].name, "at 40");
}

fn said(person: Person, name: &str) -> User {
    User { name: name.to_owned(), ..User::unknown(person.id()) }
}

/// Whatever the service lets through: the ends of Unicode, marks that turn the direction of writing, what JSON escapes.
pub async fn any_text_of_the_directory_round_trips(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let long = "\u{1f469}\u{200d}\u{1f680}".repeat(500);
    let texts = [
        "\u{ffff}\u{fffe}\u{10ffff}\u{feff}",
        "\u{202e}abc\u{2066}\u{2028}\u{2029}",
        "\\u0000 \\ud800 \\x00 %00 \"'`;--",
        "e\u{301}\u{301}\u{301} \u{e9}",
        long.as_str(),
    ];
    for text in texts {
        let user = User {
            username: Some(text.to_owned()),
            email: Some(text.to_owned()),
            avatar_url: Some(text.to_owned()),
            ..said(ALICE, text)
        };
        let kept = directory.put_user(user.clone(), None).await.expect("the store works");
        assert_eq!(kept, User { number: kept.number, ..user });
        assert_eq!(directory.users(&[ALICE.id()]).await, Ok(vec![kept]));
        let context = Context {
            reference: campaign("1"),
            title: text.to_owned(),
            is_public: false,
            state: Some(text.to_owned()),
            // JSON may escape what no text can have; it is kept as it was written.
            data: Some(r#"{"\u0000": "\u0000 \ud800 \udfff"}"#.to_owned()),
            parties: Vec::new(),
        };
        directory.put_context(context.clone()).await.expect("the store works");
        assert_eq!(directory.contexts(&[campaign("1")]).await, Ok(vec![context]));
        let short: String = text.chars().take(256).collect();
        let named = subject(&short, &short);
        directory.put_user(said(ALICE, "Alice"), Some(vec![named.clone()])).await.expect("the store works");
        let found = directory.user_by_subject(&named).await.expect("the store works");
        assert_eq!(found.map(|user| user.id), Some(ALICE.id()));
    }
}

/// Every field; a part is not its whole, and the last word counts.
pub async fn contexts_round_trip(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let nested = ContextRef {
        parent: Some(("contract".parse().expect("a kind"), "c'\"\\😀".parse().expect("an id"))),
        ..campaign("1")
    };
    let first = Context {
        reference: campaign("1"),
        title: "Sommer \"'\\ 夏 😀".to_owned(),
        is_public: true,
        state: Some("läuft '\"\\ 😀".to_owned()),
        data: Some("{\"a\": [1, 2.50, null, \"'\\\\ 😀\"],  \"a\": 1e400}".to_owned()),
        parties: vec![ERIN.party(), ALICE.party(), BOB.party()],
    };
    let second = Context {
        reference: nested.clone(),
        title: String::new(),
        is_public: false,
        state: None,
        data: None,
        parties: Vec::new(),
    };
    directory.put_context(first.clone()).await.expect("the store works");
    directory.put_context(second.clone()).await.expect("the store works");
    assert_eq!(directory.contexts(&[campaign("1")]).await, Ok(vec![first.clone()]));
    assert_eq!(directory.contexts(std::slice::from_ref(&nested)).await, Ok(vec![second.clone()]));
    let mut both =
        directory.contexts(&[nested, campaign("2"), campaign("1")]).await.expect("the store works");
    both.sort_by(|one, other| one.reference.cmp(&other.reference));
    assert_eq!(both, [first.clone(), second]);
    let changed =
        Context { parties: vec![CAROL.party()], is_public: false, state: None, data: None, ..first };
    directory.put_context(changed.clone()).await.expect("the store works");
    assert_eq!(directory.contexts(&[campaign("1")]).await, Ok(vec![changed]));
}

fn subject(issuer: &str, sub: &str) -> Subject {
    Subject { issuer: issuer.to_owned(), sub: sub.to_owned() }
}

/// A subject leads to its user as they are now; those that are given replace those they had, none given leaves them.
pub async fn subjects_lead_to_their_user(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let (firebase, hidden) = (subject("firebase", "uid'\"\\😀"), subject("host", "uid'\"\\😀"));
    let other = subject("firebase", "UID'\"\\😀");
    let find = async |subject: &Subject| {
        directory.user_by_subject(subject).await.expect("the store works").map(|user| user.id)
    };
    for unknown in [&firebase, &hidden, &other] {
        assert_eq!(find(unknown).await, None);
    }
    directory.put_user(told(BOB, "Bob"), None).await.expect("the store works");
    let both = vec![firebase.clone(), hidden.clone()];
    let erin = directory.put_user(told(ERIN, "Érin"), Some(both)).await.expect("the store works");
    assert_eq!(directory.user_by_subject(&firebase).await, Ok(Some(erin)));
    assert_eq!(find(&hidden).await, Some(ERIN.id()));
    assert_eq!(find(&other).await, None, "letters count as they are");
    assert_eq!(find(&subject("uid'\"\\😀", "firebase")).await, None);

    let renamed = directory.put_user(told(ERIN, "Erin"), None).await.expect("the store works");
    assert_eq!(directory.user_by_subject(&firebase).await, Ok(Some(renamed)), "none given leaves them");
    let fewer = directory.put_user(told(ERIN, "Erin"), Some(vec![other.clone(), other.clone()])).await;
    assert!(fewer.is_ok(), "one named twice is one");
    assert_eq!((find(&firebase).await, find(&hidden).await), (None, None), "replaced");
    assert_eq!(find(&other).await, Some(ERIN.id()));
    // What changes nothing of the user changes nothing of their subjects.
    for subjects in [Vec::new(), vec![firebase.clone()]] {
        let below = said(ERIN, "Erin by a token");
        let kept = directory.put_user(below, Some(subjects)).await.expect("the store works");
        assert_eq!(kept.name, "Erin");
        assert_eq!((find(&other).await, find(&firebase).await), (Some(ERIN.id()), None), "not superseded");
    }
    directory.put_user(told(ERIN, "Erin"), Some(Vec::new())).await.expect("the store works");
    assert_eq!(find(&other).await, None, "an empty list takes all");
}

/// A subject that somebody else had is the last one's from then on, and the rest stays with whom it was; also when
/// many are told at once.
pub async fn a_subject_moves_to_whom_it_is_given_last(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let (shared, own) = (subject("firebase", "1"), subject("firebase", "2"));
    let find = async |subject: &Subject| {
        directory.user_by_subject(subject).await.expect("the store works").map(|user| user.id)
    };
    for (person, subjects) in
        [(ALICE, vec![shared.clone(), own.clone()]), (BOB, vec![shared.clone()]), (ALICE, vec![own.clone()])]
    {
        directory.put_user(told(person, "told"), Some(subjects)).await.expect("the store works");
    }
    assert_eq!((find(&shared).await, find(&own).await), (Some(BOB.id()), Some(ALICE.id())));
    directory.put_user(told(ALICE, "told"), Some(vec![shared.clone()])).await.expect("the store works");
    assert_eq!((find(&shared).await, find(&own).await), (Some(ALICE.id()), None));

    let people = [ALICE, BOB, CAROL, ERIN];
    let puts = (0..40).map(|n| {
        let (directory, shared) = (std::sync::Arc::clone(directory), shared.clone());
        async move { directory.put_user(told(people[n % 4], "told"), Some(vec![shared])).await.is_ok() }
    });
    assert!(together(puts).await.into_iter().all(|worked| worked));
    let holder = find(&shared).await.expect("somebody has it");
    assert!(people.iter().any(|person| person.id() == holder));
}
