//! What the host told about users and business objects.

use std::collections::BTreeSet;

use tidings_domain::context::{Context, ContextRef};
use tidings_domain::time::Timestamp;
use tidings_domain::user::User;

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, ERIN, Person, campaign};

fn told(person: Person, name: &str) -> User {
    User {
        name: name.to_owned(),
        avatar_url: Some("https://example.org/😀?a='b'&c=\"d\"".to_owned()),
        role: Some("brand".parse().expect("a role")),
        updated_at: Timestamp::from_millis(1_767_323_045_123),
        ..User::unknown(person.id())
    }
}

/// Every field, and only those who were asked for and are known.
pub async fn users_round_trip(fixture: &Fixture) {
    let directory = &fixture.stores.directory;
    let erin = directory.put_user(told(ERIN, "Érin \"'\\ 😀\u{1}")).await.expect("the store works");
    let alice = directory.put_user(User::unknown(ALICE.id())).await.expect("the store works");
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
        async move { directory.put_user(user).await.expect("the store works") }
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
    let plain = User { avatar_url: None, role: None, ..told(ALICE, "plain") };
    let again = directory.put_user(plain.clone()).await.expect("the store works");
    assert_eq!(again, User { number: again.number, ..plain });
    assert_eq!(directory.users(&[ALICE.id()]).await, Ok(vec![again]), "the last word counts");
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
        parties: vec![ERIN.party(), ALICE.party(), BOB.party()],
    };
    let second =
        Context { reference: nested.clone(), title: String::new(), is_public: false, parties: Vec::new() };
    directory.put_context(first.clone()).await.expect("the store works");
    directory.put_context(second.clone()).await.expect("the store works");
    assert_eq!(directory.contexts(&[campaign("1")]).await, Ok(vec![first.clone()]));
    assert_eq!(directory.contexts(std::slice::from_ref(&nested)).await, Ok(vec![second.clone()]));
    let mut both =
        directory.contexts(&[nested, campaign("2"), campaign("1")]).await.expect("the store works");
    both.sort_by(|one, other| one.reference.cmp(&other.reference));
    assert_eq!(both, [first.clone(), second]);
    let changed = Context { parties: vec![CAROL.party()], is_public: false, ..first };
    directory.put_context(changed.clone()).await.expect("the store works");
    assert_eq!(directory.contexts(&[campaign("1")]).await, Ok(vec![changed]));
}
