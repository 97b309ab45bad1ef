//! Summaries: by members, about what they can see.

use tidings_domain::message::Origin;
use tidings_domain::messaging::{AddSummary, ListSummaries, ReadError, SummaryError};
use tidings_domain::page::PageLimit;
use tidings_domain::seq::Seq;
use tidings_domain::summary::{
    InvalidSummary, SUMMARY_CHARS_MAX, SUMMARY_CITES_MAX, SUMMARY_POINT_CHARS_MAX, SUMMARY_POINTS_MAX,
    Sentiment, SummaryContent, SummaryPoint,
};
use tidings_domain::text::InvalidText;
use tidings_testkit::{ALICE, BOB, CAROL, keeping_member};

use crate::world::on_a_store;

fn point(text: &str, cites: &[u64]) -> SummaryPoint {
    SummaryPoint { text: text.to_owned(), cites: cites.iter().copied().map(Seq::new).collect() }
}

fn citing(cites: &[u64]) -> SummaryContent {
    SummaryContent::parse("in short".to_owned(), vec![point("a", cites)], Vec::new(), None).unwrap()
}

#[test]
fn members_add_and_list_them_and_nobody_else() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        fixture.says(thread, ALICE, "hello").await;
        let add = AddSummary { thread, content: citing(&[1]) };
        let list = ListSummaries { thread, limit: PageLimit::MAX };
        let by_alice = messaging.add_summary(&ALICE.actor(), add.clone()).await.unwrap();
        assert_eq!((&by_alice.author, by_alice.created_at), (&ALICE.id(), fixture.now()));
        let by_bob = messaging.add_summary(&BOB.actor(), add.clone()).await.unwrap();
        let listed = messaging.list_summaries(&ALICE.actor(), list.clone()).await;
        assert_eq!(listed, Ok(vec![by_bob.clone(), by_alice]));

        let stranger = messaging.add_summary(&CAROL.actor(), add.clone()).await;
        assert_eq!(stranger, Err(SummaryError::NotAMember));
        assert_eq!(messaging.list_summaries(&CAROL.actor(), list.clone()).await, Err(ReadError::NotAMember));
        fixture
            .does(keeping_member(thread, BOB.id(), |bob| {
                bob.standing = tidings_domain::member::Standing::Left;
            }))
            .await;
        let former = messaging.add_summary(&BOB.actor(), add).await;
        assert_eq!(former, Err(SummaryError::NotAMember));
        assert_eq!(messaging.list_summaries(&BOB.actor(), list).await, Err(ReadError::NotAMember));

        let nowhere = fixture.thread_id();
        let add = AddSummary { thread: nowhere, content: citing(&[]) };
        assert_eq!(messaging.add_summary(&ALICE.actor(), add).await, Err(SummaryError::UnknownThread));
        let list = ListSummaries { thread: nowhere, limit: PageLimit::MAX };
        assert_eq!(messaging.list_summaries(&ALICE.actor(), list).await, Err(ReadError::UnknownThread));
        let heard = fixture.heard.heard_of(thread);
        assert!(heard.iter().all(|commit| commit.origin == Origin::Request));
    });
}

#[test]
fn only_messages_that_the_author_sees_can_be_cited() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        for n in 1..=5 {
            fixture.says(thread, ALICE, &format!("message {n}")).await;
        }
        fixture.does(keeping_member(thread, BOB.id(), |bob| bob.visible_from = Seq::new(2))).await;
        for (by, cites, unknown) in [
            (ALICE, &[1, 5, 5, 3][..], None),
            (ALICE, &[1, 6], Some(6)),
            (ALICE, &[0], Some(0)),
            (ALICE, &[u64::MAX], Some(u64::MAX)),
            (BOB, &[3, 4, 5], None),
            (BOB, &[3, 2], Some(2)),
        ] {
            let add = AddSummary { thread, content: citing(cites) };
            let answer = messaging.add_summary(&by.actor(), add).await;
            assert_eq!(answer.err(), unknown.map(SummaryError::UnknownCite), "{by:?} {cites:?}");
        }
    });
}

#[test]
fn each_limit_is_named() {
    let parse = |text: &str, key_points, action_items| {
        SummaryContent::parse(text.to_owned(), key_points, action_items, None)
    };
    let many = || vec![point("a", &[]); SUMMARY_POINTS_MAX + 1];
    let long = |max: usize| "😀".repeat(max + 1);
    let too_long = |max| InvalidText::TooLong { max, unit: "characters" };
    for (content, error) in [
        (parse(" \n", vec![], vec![]), InvalidSummary::Text(InvalidText::Blank)),
        (parse("\u{200b}\u{2800}\u{3164}", vec![], vec![]), InvalidSummary::Text(InvalidText::Blank)),
        (
            parse("a", vec![point("\u{ad}", &[])], vec![]),
            InvalidSummary::Point { list: "keyPoints", error: InvalidText::Blank },
        ),
        (parse("a\0", vec![], vec![]), InvalidSummary::Text(InvalidText::Control(0))),
        (parse(&long(SUMMARY_CHARS_MAX), vec![], vec![]), InvalidSummary::Text(too_long(SUMMARY_CHARS_MAX))),
        (parse("a", many(), vec![]), InvalidSummary::TooManyPoints { list: "keyPoints" }),
        (parse("a", vec![], many()), InvalidSummary::TooManyPoints { list: "actionItems" }),
        (
            parse("a", vec![], vec![point("", &[])]),
            InvalidSummary::Point { list: "actionItems", error: InvalidText::Blank },
        ),
        (
            parse("a", vec![point(&long(SUMMARY_POINT_CHARS_MAX), &[])], vec![]),
            InvalidSummary::Point { list: "keyPoints", error: too_long(SUMMARY_POINT_CHARS_MAX) },
        ),
        (
            parse("a", vec![point("a", &[1; SUMMARY_CITES_MAX + 1])], vec![]),
            InvalidSummary::TooManyCites { list: "keyPoints" },
        ),
    ] {
        assert_eq!(content, Err(error));
    }
}

#[test]
fn a_sentiment_is_a_number_from_minus_one_to_one_in_hundredths() {
    for (number, hundredths) in [
        (-1.0, Some(-100)),
        (1.0, Some(100)),
        (0.0, Some(0)),
        (-0.0, Some(0)),
        (0.754, Some(75)),
        (0.999, Some(100)),
        (f64::MIN_POSITIVE, Some(0)),
        (1.000_000_1, None),
        (-1.01, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (1e300, None),
    ] {
        assert_eq!(Sentiment::parse(number).ok().map(Sentiment::hundredths), hundredths, "{number}");
    }
    for hundredths in -101..=101_i16 {
        let sentiment = Sentiment::from_hundredths(hundredths);
        assert_eq!(sentiment.is_ok(), hundredths.abs() <= 100);
        if let Ok(sentiment) = sentiment {
            assert_eq!(Sentiment::parse(sentiment.as_f64()), Ok(sentiment), "it comes back");
        }
    }
}
