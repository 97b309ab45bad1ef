//! Summaries, added by decisions and read back.

use tidings_domain::change::Change;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::page::PageLimit;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::{
    SUMMARY_CHARS_MAX, SUMMARY_CITES_MAX, SUMMARY_POINT_CHARS_MAX, SUMMARY_POINTS_MAX, Sentiment, Summary,
    SummaryContent, SummaryPoint,
};

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, ERIN};
use crate::rules::{Refused, summarising};

fn content(text: &str) -> SummaryContent {
    SummaryContent::parse(text.to_owned(), Vec::new(), Vec::new(), None).expect("a summary")
}

async fn listed(fixture: &Fixture, thread: ThreadId, limit: u32) -> Vec<Summary> {
    let summaries = &fixture.stores.summaries;
    summaries.summaries(thread, PageLimit::clamped(limit)).await.expect("the store works")
}

async fn added(fixture: &Fixture, thread: ThreadId, content: SummaryContent) -> Summary {
    fixture.does(summarising(thread, fixture.summary_id(), ERIN.id(), content, fixture.now())).await
}

/// Newest first, by when they were added and not by their times; as many as asked for; each thread its own.
pub async fn summaries_come_newest_first(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, ERIN]).await.id;
    let other = fixture.opened(&[ALICE, ERIN]).await.id;
    assert!(listed(fixture, thread, 10).await.is_empty());
    let mut all = Vec::new();
    for n in 0..7 {
        all.insert(0, added(fixture, thread, content(&format!("summary {n}"))).await);
        added(fixture, other, content("elsewhere")).await;
        fixture.says(thread, ALICE, "in between").await;
        // Clocks are set back.
        fixture.clock.advance(if n % 2 == 0 { 5 } else { -9 });
    }
    assert_eq!(listed(fixture, thread, 100).await, all);
    for limit in [1, 3, 7, 8] {
        let expected = &all[..usize::try_from(limit).expect("few").min(all.len())];
        assert_eq!(listed(fixture, thread, limit).await, expected, "limit {limit}");
    }
    assert!(listed(fixture, fixture.thread_id(), 10).await.is_empty(), "no thread has no summaries");
}

/// Texts of every plane, points with and without cites, every sentiment, up to the largest: as they were given.
pub async fn every_field_of_a_summary_round_trips(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, ERIN]).await.id;
    let point = |text: &str, cites: &[u64]| SummaryPoint {
        text: text.to_owned(),
        cites: cites.iter().copied().map(Seq::new).collect(),
    };
    let awkward = "' \" \\ \n\t [[\"x\",[1]]] שלום 👩‍👩‍👧 e\u{301} \u{10ffff} null";
    let huge = point(&"😀".repeat(SUMMARY_POINT_CHARS_MAX), &[u64::MAX / 2; SUMMARY_CITES_MAX]);
    let sentiment = |hundredths| Some(Sentiment::from_hundredths(hundredths).expect("a sentiment"));
    for (text, key_points, action_items, sentiment) in [
        (awkward.to_owned(), vec![point(awkward, &[3, 1, 2, 2]), point("b", &[])], vec![], sentiment(-100)),
        ("x".to_owned(), vec![], vec![point(awkward, &[1])], sentiment(0)),
        (" kept as it is ".to_owned(), vec![], vec![], sentiment(100)),
        ("\u{200b}".to_owned(), vec![point("\u{2800}", &[])], vec![point("", &[])], None),
        ("without".to_owned(), vec![point("a", &[])], vec![point("b", &[])], None),
        ("😀".repeat(SUMMARY_CHARS_MAX), vec![huge; SUMMARY_POINTS_MAX], vec![], sentiment(37)),
    ] {
        fixture.clock.advance(1);
        let content = SummaryContent::parse_kept(text, key_points, action_items, sentiment);
        let content = content.expect("within the limits");
        let id = fixture.summary_id();
        let rule = summarising(thread, id, ERIN.id(), content.clone(), fixture.now());
        let summary = fixture.does(rule).await;
        assert_eq!(summary.content, content);
        assert_eq!(summary.created_at, fixture.now());
        assert_eq!(listed(fixture, thread, 1).await, [summary]);
    }
}

/// A summary takes the thread's next modseq and nothing else of it, is heard, and is in the log from then on.
pub async fn a_summary_is_a_change_of_its_thread(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    fixture.says(thread, ALICE, "to be summarised").await;
    let before = fixture.thread(thread).await;
    fixture.clock.advance(1_000);
    let summary = added(fixture, thread, content("in short")).await;
    assert_eq!(summary.modseq, before.modseq.next());
    let after = fixture.thread(thread).await;
    assert_eq!(after, tidings_domain::thread::Thread { modseq: summary.modseq, ..before.clone() });
    let heard = fixture.heard.heard_of(thread);
    let commit = heard.last().expect("it was heard");
    assert_eq!(*commit.thread, after);
    assert_eq!(
        (commit.prev, &commit.changes[..]),
        (before.modseq, &[Change::AddSummary(summary.clone())][..])
    );

    let message = fixture.says(thread, BOB, "afterwards").await;
    let since = async |after: Modseq, limit| {
        let feed = fixture.stores.feed.changes_of(thread, after, limit).await.expect("the store works");
        feed.map(|commit| commit.changes)
    };
    let bob = fixture.member(thread, BOB).await.expect("a member");
    let later = vec![Change::AppendMessage(message), Change::PutMember(bob)];
    let whole = [vec![Change::AddSummary(summary.clone())], later.clone()].concat();
    assert_eq!(since(before.modseq, 3).await, Some(whole));
    assert_eq!(since(before.modseq, 2).await, None, "it counts towards the limit");
    assert_eq!(since(summary.modseq, 2).await, Some(later));
    let all = since(Modseq::ZERO, 100).await.expect("not too much");
    assert!(all.is_sorted_by_key(Change::modseq));
    assert_eq!(all.iter().filter(|change| matches!(change, Change::AddSummary(_))).count(), 1);
}

/// A summary of no thread is refused by the rule and stored nowhere; an id is given once, whatever the thread.
pub async fn a_summary_that_cannot_be_is_refused(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let other = fixture.opened(&[ALICE, BOB]).await.id;
    let nowhere =
        summarising(fixture.thread_id(), fixture.summary_id(), ALICE.id(), content("?"), fixture.now());
    assert_eq!(fixture.tries(nowhere).await, Ok(Err(Refused("no such thread"))));
    let first = added(fixture, thread, content("first")).await;
    let heard = fixture.heard.heard().len();
    for thread in [thread, other] {
        let again = summarising(thread, first.id, ALICE.id(), content("again"), fixture.now());
        let answer = fixture.tries(again).await;
        assert!(matches!(answer, Err(StoreError::Internal(_))), "{answer:?}");
    }
    assert_eq!(listed(fixture, thread, 10).await, [first]);
    assert!(listed(fixture, other, 10).await.is_empty());
    assert_eq!(fixture.heard.heard().len(), heard);
}

/// Many at once leave no gap in the modseqs, and each is there.
pub async fn simultaneous_summaries_are_all_there(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let adds = (0..40).map(|n| {
        let fixture = fixture.clone();
        async move { added(&fixture, thread, content(&format!("summary {n}"))).await }
    });
    let mut all = together(adds).await;
    all.sort_unstable_by_key(|summary| std::cmp::Reverse(summary.modseq));
    assert_eq!(listed(fixture, thread, 100).await, all);
    let modseqs: Vec<u64> = all.iter().rev().map(|summary| summary.modseq.get()).collect();
    assert_eq!(modseqs, (3..=42).collect::<Vec<_>>());
}
