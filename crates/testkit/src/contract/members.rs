//! Members, their markers, and the thread's own fields.

use tidings_domain::change::Change;
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::time::Timestamp;

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, DAVE, ERIN, Person, subject};
use crate::rules::{keeping_member, putting_member, putting_subject};
use tidings_domain::id::ThreadId;

/// A marker keeps its seq, its millisecond and how it came there, and only its own member's moves.
pub async fn markers_round_trip(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, ERIN]).await.id;
    let message = fixture.says(thread, ALICE, "read me").await;
    let own = fixture.member(thread, ALICE).await.map(|alice| alice.marker);
    assert_eq!(
        own,
        Some(ReadMarker { seq: message.seq, at: Some(message.created_at), via: MarkedVia::Send }),
        "a send moves its sender's marker"
    );
    for (millis, via) in [(1, MarkedVia::Send), (2, MarkedVia::Message(message.id)), (999, MarkedVia::Thread)]
    {
        let marker = ReadMarker { seq: message.seq, at: Some(fixture.clock.advance(millis)), via };
        let put = fixture.does(keeping_member(thread, ERIN.id(), move |member| member.marker = marker)).await;
        assert_eq!(put.marker, marker);
        assert_eq!(fixture.member(thread, ERIN).await, Some(put.clone()));
        assert_eq!(fixture.thread(thread).await.modseq, put.modseq);
        let heard = fixture.heard.heard_of(thread);
        assert_eq!(heard.last().map(|commit| &commit.changes[..]), Some(&[Change::PutMember(put)][..]));
    }
    assert_eq!(fixture.member(thread, ALICE).await.map(|alice| alice.marker), own);
}

/// A member's row says with which change its marker last moved, whatever else changed since.
pub async fn a_marker_says_when_it_moved(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let fresh = fixture.member(thread, BOB).await.expect("a member");
    assert_eq!((fresh.marker_modseq, fresh.just_marked()), (Modseq::ZERO, false));
    let message = fixture.says(thread, ALICE, "read me").await;
    let alice = fixture.member(thread, ALICE).await.expect("a member");
    assert_eq!((alice.marker_modseq, alice.just_marked()), (message.modseq.next(), true));
    let marker = ReadMarker { seq: message.seq, at: Some(fixture.now()), via: MarkedVia::Thread };
    let read = fixture.does(keeping_member(thread, BOB.id(), move |bob| bob.marker = marker)).await;
    assert_eq!((read.marker_modseq, read.just_marked()), (read.modseq, true));
    fixture.does(keeping_member(thread, BOB.id(), |bob| bob.standing = Standing::Hidden)).await;
    let back = fixture.does(keeping_member(thread, BOB.id(), |bob| bob.standing = Standing::Active)).await;
    let found = fixture.member(thread, BOB).await;
    assert_eq!(found, Some(back.clone()));
    assert_eq!((back.marker, back.marker_modseq, back.just_marked()), (marker, read.modseq, false));
    let feed = fixture.stores.feed.changes_of(thread, read.modseq, 10).await.expect("the store works");
    assert_eq!(feed.map(|commit| commit.changes), Some(vec![Change::PutMember(back)]));
}

fn newcomer(fixture: &Fixture, thread: ThreadId, person: Person) -> Member {
    let party = person.party();
    Member::joining(thread, party.user, party.role, fixture.now())
}

/// The member count follows those who take part: new, hidden, left, back, removed.
pub async fn a_member_comes_and_goes(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    fixture.does(putting_member(newcomer(fixture, thread, CAROL))).await;
    assert_eq!(fixture.thread(thread).await.member_count, 3);
    for (standing, count) in [
        (Standing::Hidden, 3),
        (Standing::Left, 2),
        (Standing::Left, 2),
        (Standing::Active, 3),
        (Standing::Removed, 2),
        (Standing::Hidden, 3),
        (Standing::Active, 3),
    ] {
        let put =
            fixture.does(keeping_member(thread, CAROL.id(), move |carol| carol.standing = standing)).await;
        let (now, members) = fixture
            .stores
            .threads
            .members(thread)
            .await
            .expect("the store works")
            .expect("the thread exists");
        assert_eq!(now.member_count, count, "{standing:?}");
        assert_eq!(members.last(), Some(&put));
        assert_eq!(members.len(), 3, "whoever was in it stays on record");
    }
}

/// Every column of a member comes back as it was put, to the millisecond.
pub async fn every_field_of_a_member_round_trips(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let message = fixture.says(thread, ALICE, "hello").await;
    let member = Member {
        thread,
        user: ERIN.id(),
        role: "ROLE-é😀'\"".parse().expect("a role"),
        standing: Standing::Active,
        marker: ReadMarker {
            seq: Seq::new(1),
            at: Some(Timestamp::from_millis(1_767_323_045_001)),
            via: MarkedVia::Message(message.id),
        },
        marker_modseq: Modseq::new(2),
        visible_from: Seq::new(1),
        archived: true,
        muted: true,
        notified: Seq::new(3),
        joined_at: Timestamp::from_millis(1_767_323_045_999),
        modseq: message.modseq,
    };
    for standing in [Standing::Active, Standing::Hidden, Standing::Left, Standing::Removed] {
        for (archived, muted) in [(true, false), (false, true), (false, false)] {
            let put = putting_member(Member { standing, archived, muted, ..member.clone() });
            let put = fixture.does(put).await;
            assert_eq!(fixture.member(thread, ERIN).await, Some(put));
        }
    }
    let put = fixture.does(putting_member(Member { marker: ReadMarker::START, ..member })).await;
    assert_eq!(fixture.member(thread, ERIN).await, Some(put));
}

/// In the order of their first coming, whatever happened since.
pub async fn members_come_in_the_order_they_came(fixture: &Fixture) {
    let thread = fixture.opened(&[CAROL, ALICE]).await.id;
    fixture.does(putting_member(newcomer(fixture, thread, ERIN))).await;
    fixture.does(putting_member(newcomer(fixture, thread, BOB))).await;
    fixture.does(putting_member(newcomer(fixture, thread, DAVE))).await;
    fixture.does(keeping_member(thread, ERIN.id(), |erin| erin.standing = Standing::Left)).await;
    fixture.does(keeping_member(thread, CAROL.id(), |carol| carol.muted = true)).await;
    fixture.does(keeping_member(thread, ERIN.id(), |erin| erin.standing = Standing::Active)).await;
    fixture.says(thread, BOB, "hello").await;
    let roster = fixture.stores.threads.members(thread).await.expect("the store works");
    let (_, members) = roster.expect("the thread exists");
    let order: Vec<_> = members.iter().map(|member| member.user.clone()).collect();
    assert_eq!(order, [CAROL, ALICE, ERIN, BOB, DAVE].map(Person::id));
}

/// The thread's own fields change; its counters do not, but for the modseq.
pub async fn a_subject_changes(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await;
    fixture.says(thread.id, ALICE, "hello").await;
    let before = fixture.thread(thread.id).await;
    let invisible = tidings_domain::text::Subject::parse_kept("\u{200b}").expect("within the limits");
    for new in [Some(subject("Ein \"neuer\" 'Titel' 😀")), Some(invisible), Some(subject("x")), None] {
        let at = fixture.clock.advance(7);
        let modseq = fixture.does(putting_subject(thread.id, new.clone(), at)).await;
        let now = fixture.thread(thread.id).await;
        assert_eq!((&now.subject, now.updated_at), (&new, at));
        assert_eq!((now.modseq, now.fields_modseq), (modseq, modseq));
        assert_eq!((now.last_seq, now.last_message_at), (before.last_seq, before.last_message_at));
        assert_eq!((now.created_at, now.number, now.id), (before.created_at, before.number, before.id));
        let heard = fixture.heard.heard_of(thread.id);
        let commit = heard.last().expect("it was heard");
        assert_eq!(*commit.thread, now);
        let [Change::PutThread(told)] = &commit.changes[..] else { panic!("one change tells of it") };
        assert_eq!((&told.subject, told.fields_modseq, told.updated_at), (&new, modseq, at));
    }
}
