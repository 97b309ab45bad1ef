//! The log: what changed after a mark.

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::ThreadId;
use tidings_domain::member::Standing;
use tidings_domain::seq::Modseq;

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, body, subject};
use crate::rules::{keeping_member, putting_subject, replacing};

async fn since(fixture: &Fixture, thread: ThreadId, after: u64, limit: usize) -> Option<Commit> {
    let feed = &fixture.stores.feed;
    feed.changes_of(thread, Modseq::new(after), limit).await.expect("the store works")
}

/// From the beginning: every row. From the head: an empty commit. From elsewhere: what came after.
pub async fn a_feed_gives_what_changed(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let other = fixture.opened(&[ALICE, BOB]).await.id;
    let one = fixture.says(thread, ALICE, "one").await;
    fixture.says(other, ALICE, "elsewhere").await;
    let two = fixture.says(thread, ALICE, "two").await;
    let now = fixture.thread(thread).await;
    let alice = fixture.member(thread, ALICE).await.expect("a member");
    let bob = fixture.member(thread, BOB).await.expect("a member");
    let all = since(fixture, thread, 0, 100).await.expect("not too much");
    assert_eq!((&*all.thread, all.prev), (&now, Modseq::ZERO));
    assert_eq!(
        all.changes,
        [
            Change::PutMember(bob),
            Change::AppendMessage(one.clone()),
            Change::AppendMessage(two.clone()),
            Change::PutMember(alice.clone()),
        ]
    );
    let later = since(fixture, thread, one.modseq.get(), 100).await.expect("not too much");
    assert_eq!((later.prev, later.modseq()), (one.modseq, now.modseq));
    assert_eq!(later.changes, [Change::AppendMessage(two), Change::PutMember(alice)]);
    for beyond in [now.modseq.get(), now.modseq.get() + 5] {
        let nothing = since(fixture, thread, beyond, 100).await.expect("not too much");
        assert_eq!((&*nothing.thread, nothing.changes.len()), (&now, 0));
        assert_eq!(nothing.prev, Modseq::new(beyond));
    }
}

/// Each row once, as it is now, in order of its last change; removed members and the thread's fields included.
pub async fn a_feed_collapses_in_order(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
    let message = fixture.says(thread, ALICE, "first").await;
    for n in 0..5 {
        fixture.does(replacing(thread, message.id, move |it| it.body = body(&format!("edit {n}")))).await;
        fixture.does(putting_subject(thread, Some(subject(&format!("subject {n}"))), fixture.now())).await;
        fixture.does(keeping_member(thread, BOB.id(), move |bob| bob.muted = n % 2 == 0)).await;
    }
    fixture.does(keeping_member(thread, CAROL.id(), |carol| carol.standing = Standing::Removed)).await;
    let feed = since(fixture, thread, 0, 100).await.expect("not too much");
    let row = |change: &Change| match change {
        Change::AppendMessage(it) => format!("new {}", it.body.as_str()),
        Change::ReplaceMessage(it) => format!("old {}", it.body.as_str()),
        Change::PutMember(it) => format!("{} {:?} {}", it.user, it.standing, it.muted),
        Change::PutThread(it) => it.subject.as_ref().map_or_else(String::new, |it| it.as_str().to_owned()),
        Change::AddSummary(it) => it.content.text().to_owned(),
        Change::EnqueueJob(_) | Change::SettleNotices(_) => "a job, which nobody hears of".to_owned(),
    };
    let rows: Vec<String> = feed.changes.iter().map(row).collect();
    assert_eq!(
        rows,
        ["alice Active false", "new edit 4", "subject 4", "bob Active true", "carol Removed false"]
    );
    assert!(feed.changes.is_sorted_by_key(Change::modseq));
}

/// At the limit the whole, above it nothing: never a part.
pub async fn a_feed_is_whole_or_none(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    for _ in 0..8 {
        fixture.says(thread, ALICE, "hello").await;
    }
    fixture.does(putting_subject(thread, Some(subject("counts too")), fixture.now())).await;
    // Eight messages, two members, the fields.
    for (limit, whole) in [(0, false), (1, false), (10, false), (11, true), (12, true), (usize::MAX, true)] {
        let found = since(fixture, thread, 0, limit).await;
        assert_eq!(found.map(|commit| commit.changes.len()), whole.then_some(11), "limit {limit}");
    }
    let head = fixture.thread(thread).await.modseq.get();
    assert!(since(fixture, thread, head, 0).await.is_some(), "nothing fits in no rows");
    assert!(since(fixture, thread, head - 1, 1).await.is_some());
}

/// To whoever has not heard of a message it is new, edited or not; to others it is replaced.
pub async fn a_feed_tells_new_from_replaced(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let message = fixture.says(thread, ALICE, "first").await;
    let edited = fixture.does(replacing(thread, message.id, |it| it.body = body("edited"))).await;
    let before = since(fixture, thread, message.modseq.get() - 1, 10).await.expect("not too much");
    assert!(before.changes.contains(&Change::AppendMessage(edited.clone())));
    let after = since(fixture, thread, message.modseq.get(), 10).await.expect("not too much");
    assert!(after.changes.contains(&Change::ReplaceMessage(edited)));
}
