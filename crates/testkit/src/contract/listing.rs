//! A user's list of threads.

use tidings_domain::context::{ContextRef, Party};
use tidings_domain::id::ThreadId;
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing};
use tidings_domain::page::{About, ENTRY_MEMBERS_MAX, PageLimit, ThreadEntry, ThreadPage, ThreadPlace};
use tidings_domain::seq::Seq;
use tidings_domain::thread::NewThread;

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, Person, campaign, crowd};
use crate::rules::{keeping_member, putting_member, replacing};

const WHOLE: ThreadPage = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };

async fn page(fixture: &Fixture, person: Person, page: ThreadPage) -> Vec<ThreadId> {
    let entries = fixture.stores.threads.threads_of(&person.id(), &page).await.expect("the store works");
    entries.iter().map(|entry| entry.thread.id).collect()
}

fn place(entry: &ThreadEntry) -> ThreadPlace {
    ThreadPlace { activity_at: entry.thread.last_message_at, thread: entry.thread.id }
}

/// Latest message or opening first; of equals the greater id first.
pub async fn a_list_is_in_order_of_activity(fixture: &Fixture) {
    let mut threads = Vec::new();
    for _ in 0..4 {
        fixture.clock.advance(10);
        threads.push(fixture.opened(&[ALICE, BOB]).await.id);
    }
    let newest_first: Vec<_> = threads.iter().rev().copied().collect();
    assert_eq!(page(fixture, ALICE, WHOLE).await, newest_first);
    fixture.clock.advance(10);
    fixture.says(threads[1], BOB, "up again").await;
    let expected = [threads[1], threads[3], threads[2], threads[0]];
    assert_eq!(page(fixture, ALICE, WHOLE).await, expected);
    assert_eq!(page(fixture, BOB, WHOLE).await, expected, "for everyone in it");
    assert!(page(fixture, CAROL, WHOLE).await.is_empty(), "and for nobody else");

    fixture.clock.advance(10);
    let mut equals = Vec::new();
    for _ in 0..6 {
        equals.push(fixture.opened(&[CAROL]).await.id);
    }
    equals.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(page(fixture, CAROL, WHOLE).await, equals);
}

/// However a list is cut, by place or by count, its pages together are the list.
pub async fn pages_of_a_list_meet(fixture: &Fixture) {
    for n in 0..11 {
        // Some at the same time, so that pages are cut between equals too.
        fixture.clock.advance(if n % 3 == 0 { 10 } else { 0 });
        fixture.opened(&[ALICE, BOB]).await;
    }
    let big: Vec<Party> = crowd(20).into_iter().chain([ALICE.party()]).collect();
    fixture.created(NewThread { founders: big, ..fixture.group(&[]) }).await;
    let whole = page(fixture, ALICE, WHOLE).await;
    assert_eq!(whole.len(), 12);
    for size in [1, 2, 5, 12, 13] {
        let limit = PageLimit::clamped(size);
        let (mut by_place, mut below) = (Vec::new(), None);
        loop {
            let asked = ThreadPage { below, limit, ..WHOLE };
            let entries =
                fixture.stores.threads.threads_of(&ALICE.id(), &asked).await.expect("the store works");
            let Some(last) = entries.last() else { break };
            below = Some(place(last));
            by_place.extend(entries.iter().map(|entry| entry.thread.id));
        }
        assert_eq!(by_place, whole, "pages of {size} by place");
        let mut by_count = Vec::new();
        for skip in (0..=13).step_by(usize::try_from(size).expect("a size")) {
            by_count.extend(page(fixture, ALICE, ThreadPage { skip, limit, ..WHOLE }).await);
        }
        assert_eq!(by_count, whole, "pages of {size} by count");
    }
    assert!(page(fixture, ALICE, ThreadPage { skip: u32::MAX, ..WHOLE }).await.is_empty());
}

/// Behind the thread by whose last message the texts reach the limit of bytes, threads come as they do otherwise, but
/// without their last messages.
pub async fn a_list_leaves_out_the_last_messages_that_are_too_much(fixture: &Fixture) {
    let mut threads = Vec::new();
    for n in 1..=6 {
        fixture.clock.advance(10);
        let founders = if n == 3 { crowd(20) } else { vec![BOB.party()] };
        let founders = founders.into_iter().chain([ALICE.party()]).collect();
        let thread = fixture.created(NewThread { founders, ..fixture.group(&[]) }).await.id;
        // The fifth has no messages, and the text of the second, which Alice cannot see, takes no room.
        if n != 5 {
            fixture.says(thread, ALICE, &"é".repeat(50)).await;
        }
        if n == 2 {
            fixture.does(keeping_member(thread, ALICE.id(), |alice| alice.visible_from = Seq::new(1))).await;
        }
        threads.push(thread);
    }
    threads.reverse();
    let whole = fixture.stores.threads.threads_of(&ALICE.id(), &WHOLE).await.expect("the store works");
    let has_last = |entries: &[ThreadEntry]| -> Vec<bool> {
        entries.iter().map(|entry| entry.last_message.is_some()).collect()
    };
    assert_eq!(has_last(&whole), [true, false, true, true, false, true]);
    for (bytes, expected) in [
        (0, [false; 6]),
        (1, [true, false, false, false, false, false]),
        (100, [true, false, false, false, false, false]),
        (101, [true, false, true, false, false, false]),
        (201, [true, false, true, true, false, false]),
        (301, [true, false, true, true, false, true]),
    ] {
        let limit = PageLimit::MAX.with_text_bytes(bytes);
        let asked = ThreadPage { limit, ..WHOLE };
        let entries = fixture.stores.threads.threads_of(&ALICE.id(), &asked).await.expect("the store works");
        assert_eq!(has_last(&entries), expected, "{bytes} bytes");
        for (entry, whole) in entries.iter().zip(&whole) {
            assert_eq!(entry.lacks_last_message(), entry.last_message != whole.last_message);
            let last_message = whole.last_message.clone();
            assert_eq!(ThreadEntry { last_message, ..entry.clone() }, *whole, "{bytes} bytes");
        }
    }
    let ids: Vec<ThreadId> = whole.iter().map(|entry| entry.thread.id).collect();
    assert_eq!(ids, threads);
}

/// About one object, about a kind of objects, or about anything.
pub async fn a_list_can_be_about_something(fixture: &Fixture) {
    let nested = ContextRef {
        parent: Some(("contract".parse().expect("a kind"), "c".parse().expect("an id"))),
        ..campaign("1")
    };
    let job = ContextRef { kind: "job".parse().expect("a kind"), ..campaign("1") };
    let contexts = [
        Some(campaign("1")),
        Some(campaign("2")),
        Some(nested.clone()),
        Some(job),
        None,
        Some(campaign("1")),
    ];
    let mut made = Vec::new();
    for (n, context) in contexts.into_iter().enumerate() {
        fixture.clock.advance(10);
        let founders =
            if n == 1 { crowd(20).into_iter().chain([ALICE.party()]).collect() } else { vec![ALICE.party()] };
        made.push(fixture.created(NewThread { context, founders, ..fixture.group(&[]) }).await.id);
    }
    let about = |about| ThreadPage { about: Some(about), ..WHOLE };
    let object = |context| about(About::Object(context));
    assert_eq!(page(fixture, ALICE, object(campaign("1"))).await, [made[5], made[0]]);
    assert_eq!(page(fixture, ALICE, object(campaign("2"))).await, [made[1]]);
    assert_eq!(page(fixture, ALICE, object(nested)).await, [made[2]]);
    assert_eq!(page(fixture, ALICE, object(campaign("3"))).await, []);
    let kind = |kind: &str| about(About::Kind(kind.parse().expect("a kind")));
    assert_eq!(page(fixture, ALICE, kind("campaign")).await, [made[5], made[2], made[1], made[0]]);
    assert_eq!(page(fixture, ALICE, kind("job")).await, [made[3]]);
    let second = ThreadPage { skip: 1, limit: PageLimit::clamped(2), ..kind("campaign") };
    assert_eq!(page(fixture, ALICE, second).await, [made[2], made[1]]);
    let below = fixture.list(ALICE).await.iter().find(|entry| entry.thread.id == made[2]).map(place);
    assert_eq!(page(fixture, ALICE, ThreadPage { below, ..kind("campaign") }).await, [made[1], made[0]]);
    assert_eq!(page(fixture, ALICE, ThreadPage { below, ..object(campaign("1")) }).await, [made[0]]);
    assert_eq!(page(fixture, BOB, object(campaign("1"))).await, [], "not a member of any");
}

/// Whoever hid, left or was removed from a thread does not see it in their list; coming back, they do, in the place
/// that it has by then.
pub async fn hidden_left_and_removed_are_not_listed(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    for standing in [Standing::Hidden, Standing::Left, Standing::Removed] {
        fixture.does(keeping_member(thread, ALICE.id(), move |alice| alice.standing = standing)).await;
        assert!(page(fixture, ALICE, WHOLE).await.is_empty(), "{standing:?}");
        fixture.clock.advance(10);
        let between = fixture.opened(&[ALICE, CAROL]).await.id;
        fixture.clock.advance(10);
        fixture.says(thread, BOB, "anybody?").await;
        assert_eq!(page(fixture, ALICE, WHOLE).await, [between], "{standing:?}, after a message");
        assert_eq!(page(fixture, BOB, WHOLE).await, [thread]);
        fixture.does(keeping_member(thread, ALICE.id(), |alice| alice.standing = Standing::Active)).await;
        assert_eq!(page(fixture, ALICE, WHOLE).await, [thread, between], "{standing:?}, and back");
        fixture.does(keeping_member(between, ALICE.id(), |alice| alice.standing = Standing::Left)).await;
    }
}

/// The last message is the thread's last one, unless it lies before where the user's view begins.
pub async fn the_last_message_is_one_the_user_may_see(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    assert_eq!(fixture.entry(ALICE, thread).await.last_message, None);
    let message = fixture.says(thread, ALICE, "hello").await;
    assert_eq!(fixture.entry(BOB, thread).await.last_message, Some(message.clone()));
    fixture.does(keeping_member(thread, BOB.id(), |bob| bob.visible_from = Seq::new(1))).await;
    let entry = fixture.entry(BOB, thread).await;
    assert_eq!((entry.last_message, entry.unread), (None, 0));
    assert_eq!(fixture.entry(ALICE, thread).await.last_message, Some(message));
    let next = fixture.says(thread, ALICE, "hello again").await;
    assert_eq!(fixture.entry(BOB, thread).await.last_message, Some(next));
}

/// Above the marker and the beginning of the view, less the tombstones there.
pub async fn unread_is_arithmetic(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(fixture.says(thread, ALICE, "hello").await);
    }
    let at = fixture.now();
    for index in [1, 5, 8] {
        fixture.does(replacing(thread, sent[index].id, move |message| message.deleted_at = Some(at))).await;
    }
    for (read, visible_from, unread) in
        [(0, 0, 7), (1, 0, 6), (2, 0, 6), (3, 0, 5), (6, 0, 3), (0, 6, 3), (3, 8, 1), (9, 2, 1), (10, 0, 0)]
    {
        fixture
            .does(keeping_member(thread, BOB.id(), move |bob| {
                bob.marker = ReadMarker { seq: Seq::new(read), at: Some(at), via: MarkedVia::Thread };
                bob.visible_from = Seq::new(visible_from);
            }))
            .await;
        assert_eq!(
            fixture.entry(BOB, thread).await.unread,
            unread,
            "read {read}, visible from {visible_from}"
        );
    }
    assert_eq!(fixture.entry(ALICE, thread).await.unread, 0, "own messages are read");
}

/// Up to 16 members take part: everyone who ever was in it. More: the user alone.
pub async fn small_threads_come_with_everyone(fixture: &Fixture) {
    let most = usize::try_from(ENTRY_MEMBERS_MAX).expect("a size");
    for extra in [0, 1] {
        let founders: Vec<Party> = [ALICE.party()].into_iter().chain(crowd(most - 1 + extra)).collect();
        let thread = fixture.created(NewThread { founders, ..fixture.group(&[]) }).await.id;
        let roster = fixture.stores.threads.members(thread).await.expect("the store works");
        let (now, everyone) = roster.expect("the thread exists");
        let entry = fixture.entry(ALICE, thread).await;
        let alone = vec![entry.member.clone()];
        assert_eq!(entry.member.user, ALICE.id());
        assert_eq!(entry.thread, now);
        assert_eq!(entry.members, if extra == 0 { everyone } else { alone });
    }
    let pair = fixture.opened(&[BOB, CAROL]).await.id;
    fixture.does(keeping_member(pair, BOB.id(), |bob| bob.standing = Standing::Left)).await;
    let members = fixture.entry(CAROL, pair).await.members;
    assert_eq!(members.len(), 2, "who left is still somebody whose name a list shows");
}

/// A thread of more than 16 is listed by its activity, among the small ones.
pub async fn large_threads_are_in_their_place(fixture: &Fixture) {
    let mut threads = Vec::new();
    for n in 0..6 {
        fixture.clock.advance(10);
        let others = if n % 2 == 0 { crowd(30) } else { crowd(1) };
        let founders = others.into_iter().chain([ALICE.party(), BOB.party()]).collect();
        threads.push(fixture.created(NewThread { founders, ..fixture.group(&[]) }).await.id);
    }
    let expected: Vec<_> = threads.iter().rev().copied().collect();
    assert_eq!(page(fixture, ALICE, WHOLE).await, expected);
    for thread in [threads[2], threads[1], threads[0]] {
        fixture.clock.advance(10);
        fixture.says(thread, BOB, "up").await;
        assert_eq!(page(fixture, ALICE, WHOLE).await.first(), Some(&thread));
    }
    assert_eq!(page(fixture, ALICE, WHOLE).await[3..], expected[..3]);
    let top = fixture.list(ALICE).await[1].clone();
    let below = ThreadPage { below: Some(place(&top)), limit: PageLimit::clamped(2), ..WHOLE };
    assert_eq!(page(fixture, ALICE, below).await, [threads[2], threads[5]]);
}

/// Growing over 16 members and shrinking back moves no thread out of its place, for old members and new.
pub async fn a_thread_that_grows_and_shrinks_stays_in_its_place(fixture: &Fixture) {
    let most = usize::try_from(ENTRY_MEMBERS_MAX).expect("a size");
    let founders = crowd(most - 1).into_iter().chain([ALICE.party()]).collect();
    let thread = fixture.created(NewThread { founders, ..fixture.group(&[]) }).await.id;
    fixture.clock.advance(10);
    let later = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
    for _ in 0..2 {
        for person in [BOB, CAROL] {
            let party = person.party();
            fixture
                .does(putting_member(Member::joining(thread, party.user, party.role, fixture.now())))
                .await;
        }
        assert_eq!(page(fixture, BOB, WHOLE).await, [later, thread], "grown");
        fixture.clock.advance(10);
        fixture.says(thread, BOB, "in a crowd").await;
        assert_eq!(page(fixture, ALICE, WHOLE).await, [thread, later]);
        fixture.clock.advance(10);
        fixture.says(later, BOB, "among few").await;
        assert_eq!(page(fixture, ALICE, WHOLE).await, [later, thread]);
        for person in [BOB, CAROL] {
            fixture
                .does(keeping_member(thread, person.id(), |member| member.standing = Standing::Left))
                .await;
        }
        assert_eq!(page(fixture, ALICE, WHOLE).await, [later, thread], "shrunk");
        assert_eq!(page(fixture, BOB, WHOLE).await, [later]);
        fixture.clock.advance(10);
        fixture.says(thread, ALICE, "among few again").await;
        assert_eq!(page(fixture, ALICE, WHOLE).await, [thread, later]);
        fixture.clock.advance(10);
        fixture.says(later, ALICE, "next round").await;
    }
}
