//! Pages: read in pieces of bounded size, and nothing is lost between them.

use tidings_domain::id::ThreadId;
use tidings_domain::member::Standing;
use tidings_domain::messaging::{
    Before, Extent, ListThreads, MessagesView, Messaging, Outcome, PageMessages, ReadError, Rest, ThreadsView,
};
use tidings_domain::page::{PageEnd, PageLimit, ThreadPage};
use tidings_domain::text::BODY_CHARS_MAX;
use tidings_domain::time::Timestamp;
use tidings_testkit::{ALICE, BOB, Fixture, keeping_member};

use crate::world::{on_a_store, sends};

/// More than this in texts is in no piece of an answer: a piece's limit, and the text that passed it.
const PIECE_BYTES_MAX: usize = 64 * 1024 + 40 * 1024;

fn ask(thread: ThreadId, from: PageEnd) -> PageMessages {
    let (limit, extent) = (PageLimit::MAX, Extent::Whole);
    PageMessages { thread, after: None, before: None, from, skip: 0, limit, extent }
}

fn seqs(view: &MessagesView) -> Vec<u64> {
    view.messages.iter().map(|shown| shown.message.seq.get()).collect()
}

fn bytes(view: &MessagesView) -> usize {
    view.messages.iter().map(|shown| shown.message.body.as_str().len()).sum()
}

async fn more(messaging: &Messaging, view: &mut MessagesView) -> Option<MessagesView> {
    let rest = view.rest.take()?;
    let outcome = messaging.read_on(&BOB.actor(), Rest::Messages(rest)).await.unwrap();
    let Outcome::Messages(view) = outcome else { panic!("another kind of answer: {outcome:?}") };
    Some(view)
}

async fn more_threads(messaging: &Messaging, view: &mut ThreadsView) -> Option<ThreadsView> {
    let rest = view.rest.take()?;
    let outcome = messaging.read_on(&BOB.actor(), Rest::Threads(rest)).await.unwrap();
    let Outcome::Threads(view) = outcome else { panic!("another kind of answer: {outcome:?}") };
    Some(view)
}

/// So many messages, most of them as large as there are.
async fn many(fixture: &Fixture, count: usize) -> ThreadId {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let large = "😀".repeat(BODY_CHARS_MAX);
    for n in 0..count {
        fixture.says(thread, ALICE, if n % 9 == 4 { "small" } else { &large }).await;
    }
    thread
}

#[test]
fn pages_of_large_messages_come_in_pieces_and_are_whole() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = many(&fixture, 120).await;
        for from in [PageEnd::Newest, PageEnd::Oldest] {
            let mut view = messaging.page_messages(&BOB.actor(), ask(thread, from)).await.unwrap();
            let (mut all, mut pieces) = (Vec::new(), 0);
            loop {
                assert!(bytes(&view) <= PIECE_BYTES_MAX, "{} bytes", bytes(&view));
                let place = if from == PageEnd::Newest { 0 } else { all.len() };
                all.splice(place..place, seqs(&view));
                assert_eq!(view.has_older, seqs(&view)[0] > 1);
                pieces += 1;
                match more(&messaging, &mut view).await {
                    Some(next) => view = next,
                    None => break,
                }
            }
            assert_eq!(all, (1..=120).collect::<Vec<_>>(), "{from:?}");
            assert!(pieces > 10, "so much does not fit in few");
        }
    });
}

/// Page numbers count messages, not bytes: each page goes on where the one before it ended.
#[test]
fn numbered_pages_of_large_messages_meet() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = many(&fixture, 100).await;
        let mut all = Vec::new();
        for skip in [0, 30, 60, 90, 120] {
            let asked = PageMessages { skip, limit: PageLimit::clamped(30), ..ask(thread, PageEnd::Newest) };
            let mut view = messaging.page_messages(&BOB.actor(), asked).await.unwrap();
            all.splice(0..0, seqs(&view));
            while let Some(next) = more(&messaging, &mut view).await {
                all.splice(0..0, seqs(&next));
                view = next;
            }
        }
        assert_eq!(all, (1..=100).collect::<Vec<_>>());
    });
}

#[test]
fn whoever_is_removed_meanwhile_reads_no_further() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = many(&fixture, 30).await;
        let asked = ask(thread, PageEnd::Newest);
        let mut view = messaging.page_messages(&BOB.actor(), asked).await.unwrap();
        let mut view = more(&messaging, &mut view).await.unwrap();
        fixture.does(keeping_member(thread, BOB.id(), |bob| bob.standing = Standing::Removed)).await;
        let rest = Rest::Messages(view.rest.take().unwrap());
        assert_eq!(messaging.read_on(&BOB.actor(), rest).await.unwrap_err(), ReadError::NotAMember);
    });
}

#[test]
fn lists_with_large_last_messages_come_in_pieces_and_are_whole() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let large = "😀".repeat(BODY_CHARS_MAX);
        let mut threads = Vec::new();
        for n in 0..40 {
            fixture.clock.advance(1);
            let thread = fixture.opened(&[ALICE, BOB]).await.id;
            fixture.says(thread, ALICE, if n % 5 == 4 { "small" } else { &large }).await;
            threads.push(thread);
        }
        threads.reverse();
        let page = ThreadPage { about: None, below: None, skip: 1, limit: PageLimit::clamped(37) };
        let mut view = messaging.list_threads(&BOB.actor(), ListThreads { page }).await.unwrap();
        // What goes up or is hidden meanwhile is in the list as it was when it was asked for, and is in it once.
        fixture.says(threads[30], ALICE, "up").await;
        fixture.does(keeping_member(threads[35], BOB.id(), |bob| bob.standing = Standing::Hidden)).await;
        fixture.does(keeping_member(threads[36], BOB.id(), |bob| bob.standing = Standing::Removed)).await;
        let (mut all, mut pieces) = (Vec::new(), 0);
        loop {
            let last = |shown: &tidings_domain::messaging::ThreadView| {
                let listed = shown.listed.as_ref().unwrap();
                listed
                    .last_message
                    .as_ref()
                    .map(|last| (last.message.seq.get(), last.message.body.as_str().len()))
            };
            let bytes: usize = view.threads.iter().filter_map(last).map(|(_, bytes)| bytes).sum();
            assert!(bytes <= PIECE_BYTES_MAX, "{bytes} bytes");
            all.extend(view.threads.iter().map(|shown| (shown.thread.id, last(shown).map(|(seq, _)| seq))));
            pieces += 1;
            match more_threads(&messaging, &mut view).await {
                Some(next) => view = next,
                None => break,
            }
        }
        // The text of a thread that Bob was removed from is read no more.
        let seen = |thread: &ThreadId| if *thread == threads[36] { None } else { Some(1) };
        let expected: Vec<_> = threads[1..38].iter().map(|thread| (*thread, seen(thread))).collect();
        assert_eq!(all, expected);
        assert!(pieces > 10, "so much does not fit in few");
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
            let asked = PageMessages { skip, limit, ..ask(thread, from) };
            let view = messaging.page_messages(&BOB.actor(), asked).await.unwrap();
            assert!(view.rest.is_none(), "so little is one piece");
            assert_eq!(seqs(&view), (first..=last).collect::<Vec<_>>(), "{limit:?} {skip} {from:?}");
            assert_eq!(view.has_older, first > 1);
        }
    });
}

/// The dates of a page, and the page before the first of them, as a client asks that pages by date.
async fn dates_by_date(messaging: &Messaging, thread: ThreadId) -> Vec<Timestamp> {
    let (mut dates, mut before) = (Vec::new(), None);
    loop {
        let limit = PageLimit::clamped(10);
        let asked = PageMessages { before, limit, ..ask(thread, PageEnd::Newest) };
        let view = messaging.page_messages(&BOB.actor(), asked).await.unwrap();
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
