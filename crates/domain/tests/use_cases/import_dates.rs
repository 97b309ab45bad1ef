//! Messages of one moment, and messages that come late: dated apart, and read or unread by the times they were given.

use tidings_domain::message::Message;
use tidings_domain::messaging::{ImportProblem, ImportThread};
use tidings_testkit::{ALICE, BOB, CAROL};

use crate::import::{MOVED_MAX_MS, a_thread, does, imported, member, message, old, problem};
use crate::world::on_a_store;

fn dates(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.created_at.as_millis() - old(0).as_millis()).collect()
}

/// Systems that keep whole seconds or days have many messages of one moment. They are dated a millisecond apart, and who
/// had read that moment has read them all.
#[test]
fn many_messages_of_one_moment_are_dated_apart() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let said = |millis| message(&fixture, Some(ALICE), "in one second", millis);
        let messages =
            [vec![said(0)], (0..500).map(|_| said(1_000)).collect(), vec![said(1_200), said(5_000)]];
        let members = vec![member(ALICE, None), member(BOB, Some(1_000)), member(CAROL, Some(999))];
        let thread = ImportThread { key: None, messages: messages.concat(), members, ..a_thread(&fixture) };
        assert_eq!(does(&messaging, thread.clone()).await, imported(thread.id, true, 503, 0));
        let expected: Vec<i64> = [0].into_iter().chain(1_000..1_501).chain([5_000]).collect();
        assert_eq!(dates(&fixture.messages(thread.id).await), expected);
        assert_eq!(fixture.entry(BOB, thread.id).await.unread, 2, "those of after that second");
        assert_eq!(fixture.entry(CAROL, thread.id).await.unread, 502, "all but the first");

        // Again, nothing changes; and what has come since goes on behind them.
        let before = (fixture.thread(thread.id).await, fixture.member(thread.id, BOB).await);
        assert_eq!(does(&messaging, thread.clone()).await, imported(thread.id, false, 0, 503));
        assert_eq!((fixture.thread(thread.id).await, fixture.member(thread.id, BOB).await), before);
        let since = vec![said(5_000), said(6_000)];
        let later = ImportThread { messages: since, members: vec![member(ALICE, None)], ..thread.clone() };
        assert_eq!(does(&messaging, later).await, imported(thread.id, false, 2, 0));
        assert_eq!(dates(&fixture.messages(thread.id).await)[502..], [5_000, 5_001, 6_000]);
        assert_eq!(does(&messaging, thread.clone()).await, imported(thread.id, false, 0, 503));
    });
}

/// A message that comes late is dated behind what is there, by five minutes at most.
#[test]
fn a_late_message_moves_by_five_minutes_at_most() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let last = 10 * MOVED_MAX_MS;
        let first = ImportThread {
            key: None,
            messages: vec![message(&fixture, Some(ALICE), "there", last)],
            members: vec![member(ALICE, None), member(BOB, Some(last - 1))],
            ..a_thread(&fixture)
        };
        does(&messaging, first.clone()).await;
        let late = |millis| ImportThread {
            messages: vec![message(&fixture, Some(ALICE), "late", millis)],
            members: vec![member(ALICE, None), member(BOB, Some(last - 1))],
            ..first.clone()
        };
        let too_late = late(last - MOVED_MAX_MS);
        assert_eq!(
            problem(&messaging, too_late.clone()).await,
            ImportProblem::TooOld(too_late.messages[0].id)
        );
        let in_time = late(last + 1 - MOVED_MAX_MS);
        assert_eq!(does(&messaging, in_time.clone()).await, imported(first.id, false, 1, 0));
        assert_eq!(dates(&fixture.messages(first.id).await), [last, last + 1]);
        // Bob had read the late one, not the one that stands before it: both stay unread rather than neither.
        assert_eq!(fixture.entry(BOB, first.id).await.unread, 2);
        assert_eq!(
            does(&messaging, in_time).await,
            imported(first.id, false, 0, 1),
            "there is nothing to move"
        );
    });
}
