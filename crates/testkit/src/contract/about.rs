//! A user's threads together: what is unread in them, and which is the latest about an object.

use tidings_domain::context::ContextRef;
use tidings_domain::id::{ContextId, ContextKind};
use tidings_domain::member::{Member, Standing};
use tidings_domain::page::About;
use tidings_domain::seq::Seq;
use tidings_domain::thread::NewThread;

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, DAVE, Person, campaign, crowd};
use crate::rules::{keeping_member, replacing};

fn contract() -> (ContextKind, ContextId) {
    ("contract".parse().expect("a kind"), "c".parse().expect("an id"))
}

/// The sum over a user's threads is that of their list, whatever of it is asked for.
///
/// Threads are small and large, about something or nothing. Those that are hidden, left, or have more members than asked
/// for do not count.
pub async fn unread_is_summed_over_all_of_a_list(fixture: &Fixture) {
    let of = |context, people: &[Person], more: usize| {
        let founders = people.iter().map(|person| person.party()).chain(crowd(more)).collect();
        NewThread { context, founders, ..fixture.group(&[]) }
    };
    let nested = ContextRef { parent: Some(contract()), ..campaign("1") };
    let mut threads = Vec::new();
    for (count, new) in [
        of(Some(campaign("1")), &[ALICE, BOB], 0),
        of(Some(campaign("1")), &[ALICE, CAROL], 0),
        of(Some(campaign("1")), &[ALICE, BOB, CAROL], 0),
        of(Some(campaign("1")), &[ALICE, BOB], 30),
        of(Some(nested.clone()), &[ALICE, BOB], 0),
        of(Some(campaign("2")), &[ALICE, BOB], 0),
        of(None, &[ALICE, BOB], 0),
        of(Some(campaign("1")), &[BOB, CAROL], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let author = if new.founders.contains(&BOB.party()) { BOB } else { CAROL };
        let thread = fixture.created(new).await.id;
        for _ in 0..1 << count {
            fixture.says(thread, author, "hello").await;
        }
        threads.push(thread);
    }
    let first = fixture.messages(threads[3]).await[7].id;
    let at = fixture.now();
    fixture.does(replacing(threads[3], first, move |message| message.deleted_at = Some(at))).await;
    let muted =
        |alice: &mut Member| (alice.muted, alice.archived, alice.visible_from) = (true, true, Seq::new(3));
    fixture.does(keeping_member(threads[4], ALICE.id(), muted)).await;
    let unread = async |person: Person, about: Option<&About>, members_max| {
        let sum = fixture.stores.threads.unread_of(&person.id(), about, members_max).await;
        sum.expect("the store works")
    };
    let kind = About::Kind("campaign".parse().expect("a kind"));
    let object = |object| About::Object(object);
    for (about, members_max, expected) in [
        (None, u32::MAX, 1 + 2 + 4 + 7 + 13 + 32 + 64),
        (None, 2, 1 + 2 + 13 + 32 + 64),
        (Some(kind.clone()), u32::MAX, 1 + 2 + 4 + 7 + 13 + 32),
        (Some(kind.clone()), 3, 1 + 2 + 4 + 13 + 32),
        (Some(object(campaign("1"))), u32::MAX, 1 + 2 + 4 + 7),
        (Some(object(campaign("1"))), 2, 1 + 2),
        (Some(object(nested)), 2, 13),
        (Some(object(campaign("3"))), u32::MAX, 0),
        (None, 0, 0),
    ] {
        assert_eq!(unread(ALICE, about.as_ref(), members_max).await, expected, "{about:?} {members_max}");
    }
    let listed: u64 = fixture.list(ALICE).await.iter().map(|entry| entry.unread).sum();
    assert_eq!(unread(ALICE, None, u32::MAX).await, listed);
    assert_eq!(unread(DAVE, None, u32::MAX).await, 0);
    for (standing, thread) in
        [(Standing::Hidden, threads[0]), (Standing::Left, threads[1]), (Standing::Removed, threads[3])]
    {
        fixture.does(keeping_member(thread, ALICE.id(), move |alice| alice.standing = standing)).await;
    }
    assert_eq!(unread(ALICE, Some(&kind), u32::MAX).await, 4 + 13 + 32);
    assert_eq!(unread(ALICE, Some(&object(campaign("1"))), u32::MAX).await, 4);
}

/// Of the threads about an object the one with the latest activity, in which everyone asked for takes part.
pub async fn the_latest_thread_about_an_object_is_found(fixture: &Fixture) {
    let nested = ContextRef { parent: Some(contract()), ..campaign("1") };
    let mut threads = Vec::new();
    for (context, people) in [
        (campaign("1"), &[ALICE, BOB][..]),
        (campaign("1"), &[ALICE, CAROL]),
        (campaign("1"), &[ALICE, BOB, CAROL]),
        (nested.clone(), &[ALICE, BOB]),
        (campaign("1"), &[BOB, CAROL]),
    ] {
        fixture.clock.advance(10);
        let new = NewThread { context: Some(context), ..fixture.group(people) };
        threads.push(fixture.created(new).await.id);
    }
    let latest = async |person: Person, object: &ContextRef, with: &[Person], members_max| {
        let with: Vec<_> = with.iter().map(|person| person.id()).collect();
        let found = fixture.stores.threads.latest_about(&person.id(), object, &with, members_max).await;
        found.expect("the store works").map(|thread| thread.id)
    };
    let one = campaign("1");
    assert_eq!(latest(ALICE, &one, &[], u32::MAX).await, Some(threads[2]));
    assert_eq!(latest(ALICE, &one, &[], 2).await, Some(threads[1]));
    assert_eq!(latest(ALICE, &one, &[BOB], u32::MAX).await, Some(threads[2]));
    assert_eq!(latest(ALICE, &one, &[BOB], 2).await, Some(threads[0]));
    assert_eq!(latest(ALICE, &one, &[BOB, ALICE, BOB], 2).await, Some(threads[0]), "whom it names twice");
    assert_eq!(latest(ALICE, &one, &[BOB, CAROL], u32::MAX).await, Some(threads[2]));
    assert_eq!(latest(ALICE, &one, &[BOB, CAROL], 2).await, None);
    assert_eq!(latest(ALICE, &one, &[DAVE], u32::MAX).await, None);
    assert_eq!(latest(ALICE, &nested, &[], u32::MAX).await, Some(threads[3]));
    assert_eq!(latest(ALICE, &campaign("2"), &[], u32::MAX).await, None);
    assert_eq!(latest(DAVE, &one, &[ALICE], u32::MAX).await, None);
    fixture.clock.advance(10);
    fixture.says(threads[0], BOB, "up").await;
    assert_eq!(latest(ALICE, &one, &[], u32::MAX).await, Some(threads[0]));
    // Who hid it finds it no more; who is gone is not in it, and who hid it still is.
    for (standing, finds) in [(Standing::Hidden, true), (Standing::Left, false), (Standing::Removed, false)] {
        fixture.does(keeping_member(threads[0], BOB.id(), move |bob| bob.standing = standing)).await;
        assert_ne!(latest(BOB, &one, &[], 2).await, Some(threads[0]), "{standing:?}");
        let found = latest(ALICE, &one, &[BOB], 2).await;
        assert_eq!(found, finds.then_some(threads[0]), "{standing:?}");
    }
}

/// The same whether a user has few of the many threads about an object, all of them, or many more about others.
pub async fn a_busy_object_hides_nothing(fixture: &Fixture) {
    let about = async |object: &str, people: &[Person], more: usize| {
        fixture.clock.advance(10);
        let founders = people.iter().map(|person| person.party()).chain(crowd(more)).collect();
        let context = Some(campaign(object));
        let thread = fixture.created(NewThread { context, founders, ..fixture.group(&[]) }).await.id;
        fixture.says(thread, people[0], "hello").await;
        thread
    };
    let shared = about("busy", &[DAVE, ALICE, BOB, CAROL], 0).await;
    let large = about("busy", &[DAVE, ALICE, BOB, CAROL], 30).await;
    for _ in 0..18 {
        about("busy", &[DAVE, BOB, CAROL], 0).await;
    }
    let last = about("busy", &[DAVE, CAROL], 0).await;
    for n in 0..5 {
        about(&format!("quiet{n}"), &[DAVE, CAROL], 0).await;
    }
    let busy = campaign("busy");
    let object = About::Object(busy.clone());
    let threads = &fixture.stores.threads;
    for (person, with, unread, unread_small, latest) in [
        (ALICE, BOB, 2, 1, large),
        (CAROL, ALICE, 21, 20, large),
        (CAROL, DAVE, 21, 20, last),
        (BOB, ALICE, 20, 19, large),
    ] {
        let id = person.id();
        assert_eq!(threads.unread_of(&id, Some(&object), u32::MAX).await, Ok(unread), "{person:?}");
        assert_eq!(threads.unread_of(&id, Some(&object), 16).await, Ok(unread_small), "{person:?}");
        let found = threads.latest_about(&id, &busy, &[with.id()], u32::MAX).await;
        assert_eq!(found.expect("the store works").map(|thread| thread.id), Some(latest), "{person:?}");
    }
    let small = threads.latest_about(&ALICE.id(), &busy, &[], 16).await.expect("the store works");
    assert_eq!(small.map(|thread| thread.id), Some(shared));
    fixture.does(keeping_member(shared, ALICE.id(), |alice| alice.standing = Standing::Hidden)).await;
    assert_eq!(threads.unread_of(&ALICE.id(), Some(&object), u32::MAX).await, Ok(1));
    assert_eq!(threads.latest_about(&ALICE.id(), &busy, &[], 16).await, Ok(None));
}
