//! Pages of messages: bounded in bytes too, and none is lost between them.

use tidings_domain::id::ThreadId;
use tidings_domain::messaging::{Before, MessagesView, Messaging, PageMessages};
use tidings_domain::page::{PageEnd, PageLimit};
use tidings_domain::seq::Seq;
use tidings_domain::text::BODY_CHARS_MAX;
use tidings_domain::time::Timestamp;
use tidings_testkit::{ALICE, BOB};

use crate::world::{on_a_store, sends};

/// More than this in texts is in no answer: a page's limit, and the piece that passed it.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

async fn page(
    messaging: &Messaging,
    thread: ThreadId,
    after: Option<Seq>,
    before: Option<Seq>,
    from: PageEnd,
) -> MessagesView {
    let before = before.map(Before::Seq);
    let ask = PageMessages { thread, after, before, from, skip: 0, limit: PageLimit::MAX };
    messaging.page_messages(&BOB.actor(), ask).await.unwrap()
}

#[test]
fn pages_of_large_messages_are_cut_and_meet() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        let large = "😀".repeat(BODY_CHARS_MAX);
        for n in 0..320 {
            fixture.says(thread, ALICE, if n % 9 == 4 { "small" } else { &large }).await;
        }
        let seqs = |view: &MessagesView| -> Vec<u64> {
            view.messages.iter().map(|shown| shown.message.seq.get()).collect()
        };
        let bytes = |view: &MessagesView| -> usize {
            view.messages.iter().map(|shown| shown.message.body.as_str().len()).sum()
        };
        let (mut back, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let view = page(&messaging, thread, None, before, PageEnd::Newest).await;
            assert!(bytes(&view) <= ANSWER_BYTES_MAX, "{} bytes", bytes(&view));
            back.splice(0..0, seqs(&view));
            before = view.messages.first().map(|shown| shown.message.seq);
            pages += 1;
            if !view.has_older {
                break;
            }
        }
        assert!(pages > 1, "so much does not fit in one");
        assert_eq!(back, (1..=320).collect::<Vec<_>>());
        let (mut on, mut after) = (Vec::new(), None);
        loop {
            let view = page(&messaging, thread, after, None, PageEnd::Oldest).await;
            assert!(bytes(&view) <= ANSWER_BYTES_MAX);
            let Some(last) = view.messages.last() else { break };
            after = Some(last.message.seq);
            on.extend(seqs(&view));
        }
        assert_eq!(on, back);
    });
}

#[test]
fn pages_of_small_messages_are_as_long_as_asked_for() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        for n in 0..250 {
            fixture.says(thread, ALICE, &format!("message {n}")).await;
        }
        for (limit, skip, from, first, last) in [
            (1, 0, PageEnd::Newest, 250, 250),
            (100, 0, PageEnd::Newest, 151, 250),
            (101, 0, PageEnd::Newest, 150, 250),
            (200, 50, PageEnd::Newest, 1, 200),
            (500, 0, PageEnd::Newest, 1, 250),
            (101, 0, PageEnd::Oldest, 1, 101),
            (150, 120, PageEnd::Oldest, 121, 250),
        ] {
            let limit = PageLimit::clamped(limit);
            let ask = PageMessages { thread, after: None, before: None, from, skip, limit };
            let view = messaging.page_messages(&BOB.actor(), ask).await.unwrap();
            let seqs: Vec<u64> = view.messages.iter().map(|shown| shown.message.seq.get()).collect();
            assert_eq!(seqs, (first..=last).collect::<Vec<_>>(), "{limit:?} {skip} {from:?}");
            assert_eq!(view.has_older, first > 1);
        }
    });
}

/// The dates of a page, and the page before the first of them, as a client asks that pages by date.
async fn dates_by_date(messaging: &Messaging, thread: ThreadId) -> Vec<Timestamp> {
    let (mut dates, mut before) = (Vec::new(), None);
    loop {
        let limit = PageLimit::clamped(10);
        let ask = PageMessages { thread, after: None, before, from: PageEnd::Newest, skip: 0, limit };
        let view = messaging.page_messages(&BOB.actor(), ask).await.unwrap();
        dates.splice(0..0, view.messages.iter().map(|shown| shown.message.created_at));
        let Some(first) = view.messages.first().filter(|_| view.has_older) else { return dates };
        before = Some(Before::Time(first.message.created_at));
    }
}

/// Whatever the clock does: many sends within a millisecond, a clock that was an hour ahead and is put right.
#[test]
fn pages_by_date_skip_nothing() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        for wait in [0, 1, 3_600_000, -3_600_000, 5] {
            fixture.clock.advance(wait);
            for _ in 0..61 {
                sends(&messaging, ALICE, thread, "at once").await;
            }
        }
        let dates = dates_by_date(&messaging, thread).await;
        assert_eq!(dates.len(), 5 * 61);
        assert!(dates.is_sorted_by(|one, next| one < next));
    });
}
