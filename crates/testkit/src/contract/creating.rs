//! Threads come into being.

use std::collections::BTreeSet;

use tidings_domain::change::Change;
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::member::Member;
use tidings_domain::message::Origin;
use tidings_domain::page::{MessagePage, PageEnd, PageLimit, ThreadPage};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::thread::{NewThread, ThreadKey};

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, ERIN, campaign, subject};

/// A thread has what was asked for; its founders took a modseq each, and one commit tells of them.
pub async fn a_thread_is_created_as_asked(fixture: &Fixture) {
    let context = ContextRef {
        parent: Some(("contract".parse().expect("a kind"), "c-7".parse().expect("an id"))),
        ..campaign("m-1")
    };
    let new = NewThread {
        key: Some(ThreadKey::Context(context.clone())),
        context: Some(context.clone()),
        subject: Some(subject("Zahlung – 支払い 💶")),
        ..fixture.group(&[ERIN, ALICE, BOB])
    };
    let thread = fixture.created(new.clone()).await;
    assert_eq!(thread.id, new.id);
    assert_eq!(thread.context, Some(context));
    assert_eq!(thread.subject, new.subject);
    assert_eq!(thread.member_count, 3);
    assert_eq!((thread.last_seq, thread.modseq), (Seq::ZERO, Modseq::new(3)));
    assert_eq!(thread.fields_modseq, Modseq::ZERO);
    assert_eq!(
        (thread.created_at, thread.updated_at, thread.last_message_at),
        (new.created_at, new.created_at, new.created_at)
    );
    assert_eq!(fixture.thread(new.id).await, thread);

    let founders: Vec<Member> = [ERIN, ALICE, BOB]
        .iter()
        .zip(1..)
        .map(|(person, modseq)| {
            let Party { user, role } = person.party();
            Member { modseq: Modseq::new(modseq), ..Member::joining(new.id, user, role, new.created_at) }
        })
        .collect();
    let roster = fixture.stores.threads.members(new.id).await.expect("the store works");
    assert_eq!(roster, Some((thread.clone(), founders.clone())));

    let [commit] = &fixture.heard.heard()[..] else { panic!("one commit tells of a new thread") };
    assert_eq!(*commit.thread, thread);
    assert_eq!((commit.prev, commit.origin), (Modseq::ZERO, Origin::Request));
    assert_eq!(commit.changes, founders.into_iter().map(Change::PutMember).collect::<Vec<_>>());
}

/// The second creation finds the first thread, changes nothing and is not heard.
pub async fn a_key_creates_once(fixture: &Fixture) {
    let first = fixture.created(fixture.direct(ALICE, BOB)).await;
    fixture.clock.advance(5);
    let again = NewThread { subject: Some(subject("other")), ..fixture.direct(BOB, ALICE) };
    let (found, created) = fixture.stores.threads.create(again.clone()).await.expect("the store works");
    assert!(!created);
    assert_eq!(found, first);
    assert_eq!(fixture.stores.threads.thread(again.id).await, Ok(None));
    assert_eq!(fixture.heard.heard().len(), 1);
    let key = ThreadKey::direct(BOB.id(), ALICE.id());
    assert_eq!(fixture.stores.threads.thread_by_key(&key).await, Ok(Some(first.clone())));

    // And finds it as it is now, not as it was then.
    fixture.says(first.id, ALICE, "hello").await;
    let (found, created) = fixture.stores.threads.create(again).await.expect("the store works");
    assert!(!created);
    assert_eq!(found, fixture.thread(first.id).await);
}

/// Of 20 simultaneous creations with one key one creates; all get the same thread, and one commit is heard.
pub async fn simultaneous_creates_make_one(fixture: &Fixture) {
    let tries = (0..20).map(|_| {
        let threads = std::sync::Arc::clone(&fixture.stores.threads);
        let new = fixture.direct(ALICE, BOB);
        async move { threads.create(new).await.expect("the store works") }
    });
    let made = together(tries).await;
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
    let ids: BTreeSet<_> = made.iter().map(|(thread, _)| thread.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(fixture.heard.heard().len(), 1);
    assert_eq!(fixture.list(ALICE).await.len(), 1);
}

/// Keys of different sorts, objects and people never meet, however their texts look.
pub async fn keys_of_different_sorts_are_different(fixture: &Fixture) {
    let nested = ContextRef {
        parent: Some(("campaign".parse().expect("a kind"), "1".parse().expect("an id"))),
        ..campaign("1")
    };
    let keys = [
        ThreadKey::direct(ALICE.id(), BOB.id()),
        ThreadKey::direct(ALICE.id(), CAROL.id()),
        ThreadKey::pair(campaign("1"), ALICE.id(), BOB.id()),
        ThreadKey::pair(campaign("2"), ALICE.id(), BOB.id()),
        ThreadKey::pair(nested.clone(), ALICE.id(), BOB.id()),
        ThreadKey::Context(campaign("1")),
        ThreadKey::Context(nested),
        ThreadKey::Request(crate::people::key("direct alice bob")),
        ThreadKey::Request(crate::people::key("a  key with 'spaces' 😀")),
        ThreadKey::Request(crate::people::key("a  key with 'spaces' 😀 ")),
    ];
    let mut made = Vec::new();
    for key in &keys {
        made.push(
            fixture.created(NewThread { key: Some(key.clone()), ..fixture.group(&[ALICE, BOB]) }).await,
        );
    }
    for (key, thread) in keys.iter().zip(&made) {
        assert_eq!(fixture.stores.threads.thread_by_key(key).await, Ok(Some(thread.clone())));
    }
    let numbers: BTreeSet<u64> = made.iter().map(|thread| thread.number).collect();
    assert_eq!(numbers.len(), keys.len(), "thread numbers are unique");
    assert!(!numbers.contains(&0), "0 is no number");
}

/// Without a key, the same people get a new thread each time.
pub async fn a_group_is_never_found_again(fixture: &Fixture) {
    let one = fixture.opened(&[ALICE, BOB]).await;
    let other = fixture.opened(&[ALICE, BOB]).await;
    assert_ne!(one.id, other.id);
    assert_ne!(one.number, other.number);
}

/// Reading what was never there is not an error.
pub async fn what_is_absent_is_none(fixture: &Fixture) {
    let (thread, stores) = (fixture.thread_id(), &fixture.stores);
    assert_eq!(stores.threads.thread(thread).await, Ok(None));
    assert_eq!(stores.threads.members(thread).await, Ok(None));
    let key = ThreadKey::direct(ALICE.id(), BOB.id());
    assert_eq!(stores.threads.thread_by_key(&key).await, Ok(None));
    let list = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
    assert_eq!(stores.threads.threads_of(&ALICE.id(), &list).await, Ok(Vec::new()));
    let page = MessagePage { after: Seq::ZERO, before: None, from: PageEnd::Newest, limit: PageLimit::MAX };
    assert_eq!(stores.messages.page(thread, &page).await, Ok(Vec::new()));
    assert_eq!(stores.messages.message(fixture.message_id()).await, Ok(None));
    assert_eq!(stores.messages.last_before(thread, fixture.now()).await, Ok(Seq::ZERO));
    assert_eq!(stores.feed.changes_of(thread, Modseq::ZERO, 10).await, Ok(None));
    assert_eq!(stores.directory.users(&[ALICE.id()]).await, Ok(Vec::new()));
    assert_eq!(stores.directory.contexts(&[campaign("1")]).await, Ok(Vec::new()));
}
