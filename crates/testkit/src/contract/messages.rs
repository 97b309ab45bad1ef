//! Messages, read back.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tidings_domain::change::Change;
use tidings_domain::decision::Decided;
use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::page::{MessagePage, PageEnd, PageLimit};
use tidings_domain::ports::IdSource;
use tidings_domain::seq::Seq;
use tidings_domain::snapshot::Scope;
use tidings_domain::text::{BODY_BYTES_MAX, BODY_CHARS_MAX, Body, DraftHash};
use tidings_domain::time::Timestamp;

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, ERIN, body, key};
use crate::rules::{Draft, Refused, Rule, replacing, sending};
use crate::strategies;

async fn seqs(fixture: &Fixture, thread: ThreadId, page: MessagePage) -> Vec<u64> {
    let found = fixture.stores.messages.page(thread, &page).await.expect("the store works");
    found.iter().map(|message| message.seq.get()).collect()
}

/// From either end, between bounds that are not part of it, always upwards.
pub async fn pages_go_both_ways(fixture: &Fixture) {
    use PageEnd::{Newest, Oldest};
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let other = fixture.opened(&[ALICE, BOB]).await.id;
    for n in 1..=10 {
        fixture.says(thread, ALICE, &format!("message {n}")).await;
        fixture.says(other, BOB, "elsewhere").await;
    }
    let page = |after, before: Option<u64>, from, limit| MessagePage {
        after: Seq::new(after),
        before: before.map(Seq::new),
        from,
        limit: PageLimit::clamped(limit),
    };
    for (asked, expected) in [
        (page(0, None, Newest, 3), vec![8, 9, 10]),
        (page(0, None, Oldest, 3), vec![1, 2, 3]),
        (page(0, None, Newest, 500), (1..=10).collect()),
        (page(0, Some(8), Newest, 3), vec![5, 6, 7]),
        (page(0, Some(3), Newest, 3), vec![1, 2]),
        (page(3, None, Oldest, 3), vec![4, 5, 6]),
        (page(9, None, Oldest, 3), vec![10]),
        (page(3, Some(6), Oldest, 10), vec![4, 5]),
        (page(3, Some(9), Newest, 2), vec![7, 8]),
        (page(0, Some(1), Newest, 3), vec![]),
        (page(10, None, Oldest, 3), vec![]),
        (page(5, Some(5), Oldest, 3), vec![]),
        (page(7, Some(3), Newest, 3), vec![]),
        (page(u64::MAX, Some(0), Newest, 3), vec![]),
        (page(0, Some(u64::MAX), Newest, 1), vec![10]),
    ] {
        assert_eq!(seqs(fixture, thread, asked).await, expected, "{asked:?}");
    }
}

/// The text that reaches the limit of bytes is the last one; bytes are those of UTF-8, and a page has at least one
/// message. A deleted message counts with what is left of its text.
pub async fn a_page_ends_with_the_text_that_is_one_too_many(fixture: &Fixture) {
    use PageEnd::{Newest, Oldest};
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let other = fixture.opened(&[ALICE, BOB]).await.id;
    // Of 1, 2, 3… times 100 bytes, in 25 characters each hundred.
    for n in 1..=10 {
        fixture.says(thread, ALICE, &"😀".repeat(25 * n)).await;
        fixture.says(other, BOB, &"x".repeat(BODY_CHARS_MAX)).await;
    }
    let page = |after, before: Option<u64>, from, rows, bytes| MessagePage {
        after: Seq::new(after),
        before: before.map(Seq::new),
        from,
        limit: PageLimit::clamped(rows).with_text_bytes(bytes),
    };
    for (asked, expected) in [
        (page(0, None, Oldest, 500, 600), vec![1, 2, 3]),
        (page(0, None, Oldest, 500, 601), vec![1, 2, 3, 4]),
        (page(0, None, Oldest, 2, 600), vec![1, 2]),
        (page(3, None, Oldest, 500, 1), vec![4]),
        (page(3, None, Oldest, 500, 0), vec![]),
        (page(0, None, Newest, 500, 1_000), vec![10]),
        (page(0, None, Newest, 500, 1_001), vec![9, 10]),
        (page(0, Some(6), Newest, 500, 900), vec![4, 5]),
        (page(0, Some(6), Newest, 500, 901), vec![3, 4, 5]),
        (page(4, Some(6), Newest, 500, 901), vec![5]),
        (page(0, None, Newest, 500, 5_499), (1..=10).collect()),
        (page(0, None, Oldest, 500, u32::MAX), (1..=10).collect()),
    ] {
        assert_eq!(seqs(fixture, thread, asked).await, expected, "{asked:?}");
    }
}

/// Short and long texts in turn: wherever a page begins and ends, it is the same as the texts added up.
pub async fn a_page_of_short_and_long_texts_is_whole(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let sizes: [u64; 9] = [10, 10, 4_096, 4_097, 10, 9_000, 9_000, 10, 10];
    for size in sizes {
        let size = usize::try_from(size).expect("a small number");
        fixture.says(thread, ALICE, &"x".repeat(size)).await;
    }
    let all: Vec<(u64, u64)> = (1..).zip(sizes).collect();
    let bounds =
        [(0, None), (0, Some(10)), (0, Some(8)), (0, Some(3)), (1, Some(9)), (4, None), (7, Some(10))];
    for (after, before) in bounds {
        for from in [PageEnd::Newest, PageEnd::Oldest] {
            for (rows, bytes) in
                [(500, u32::MAX), (500, 20), (500, 4_116), (500, 8_213), (2, u32::MAX), (3, 10)]
            {
                let page = MessagePage {
                    after: Seq::new(after),
                    before: before.map(Seq::new),
                    from,
                    limit: PageLimit::clamped(rows).with_text_bytes(bytes),
                };
                let within =
                    |(seq, _): &&(u64, u64)| *seq > after && before.is_none_or(|before| *seq < before);
                let mut wanted: Vec<_> = all.iter().filter(within).collect();
                if from == PageEnd::Newest {
                    wanted.reverse();
                }
                let mut room = i64::from(bytes);
                let mut expected = Vec::new();
                for (seq, size) in wanted.into_iter().take(usize::try_from(rows).expect("a small number")) {
                    if room <= 0 {
                        break;
                    }
                    room -= i64::try_from(*size).expect("a small number");
                    expected.push(*seq);
                }
                expected.sort_unstable();
                assert_eq!(seqs(fixture, thread, page).await, expected, "{page:?}");
            }
        }
    }
}

/// An edited and a deleted message keep seq, number and neighbours, and take a modseq; unread subtracts tombstones.
pub async fn edits_and_tombstones_keep_their_place(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut sent = Vec::new();
    for n in 1..=5 {
        sent.push(fixture.says(thread, ALICE, &format!("message {n}")).await);
    }
    let at = fixture.clock.advance(3);
    let edited = fixture
        .does(replacing(thread, sent[1].id, move |message| {
            message.body = body("better");
            message.edited_at = Some(at);
        }))
        .await;
    let deleted =
        fixture.does(replacing(thread, sent[3].id, move |message| message.deleted_at = Some(at))).await;
    assert!(edited.modseq > sent[4].modseq && deleted.modseq > edited.modseq);
    assert_eq!(fixture.thread(thread).await.modseq, deleted.modseq);
    assert_eq!(fixture.thread(thread).await.last_seq, Seq::new(5));
    let expected = [sent[0].clone(), edited, sent[2].clone(), deleted.clone(), sent[4].clone()];
    assert_eq!(fixture.messages(thread).await, expected);
    assert_eq!(fixture.entry(BOB, thread).await.unread, 4);
    assert_eq!(fixture.entry(ALICE, thread).await.unread, 0);
    let heard = fixture.heard.heard_of(thread);
    assert_eq!(heard.last().map(|commit| &commit.changes[..]), Some(&[Change::ReplaceMessage(deleted)][..]));

    let last =
        fixture.does(replacing(thread, sent[4].id, move |message| message.deleted_at = Some(at))).await;
    let entry = fixture.entry(BOB, thread).await;
    assert_eq!((entry.unread, entry.last_message), (3, Some(last)), "a tombstone may be the last message");
}

/// Every column of a message comes back as it was written, by whatever way it is read.
pub async fn every_field_of_a_message_round_trips(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, ERIN]).await.id;
    let session = Origin::Session(SessionId::from_uuid(fixture.ids.uuid_v7(fixture.now())));
    let member = Author::Member { user: ERIN.id(), role: "rôle'\"\\😀".parse().expect("a role") };
    let millis = Timestamp::from_millis;
    let (some, none) = ((Some(millis(1_767_400_000_001)), Some(millis(1_767_400_000_999))), (None, None));
    let key = Some(key("k'\"\\ é😀"));
    for (author, client_key, origin, (edited_at, deleted_at)) in [
        (member.clone(), key, session, some),
        (member.clone(), None, Origin::Request, none),
        (member.clone(), None, Origin::Import, none),
        (Author::System, None, Origin::Import, some),
        (Author::System, None, Origin::Request, none),
        (Author::System, None, session, some),
    ] {
        let (id, created_at) = (fixture.message_id(), fixture.clock.advance(1));
        let text = body("what is kept");
        let writing = Rule::new(Scope::thread(thread), move |found| {
            let thread = found.thread().ok_or(Refused("no thread"))?;
            let message = Message {
                id,
                number: found.next_number(),
                thread: thread.id,
                seq: thread.last_seq.next(),
                modseq: thread.modseq.next(),
                author: author.clone(),
                body: text.clone(),
                client_key: client_key.clone(),
                draft: DraftHash::from_bytes([
                    0, 1, 2, 3, 4, 5, 6, 7, 0x80, 0xff, 0xfe, 0x27, 0x22, 0x5c, 0, 0,
                ]),
                origin,
                created_at,
                edited_at,
                deleted_at,
            };
            Ok(Decided { changes: vec![Change::AppendMessage(message.clone())], output: message })
        });
        let written = fixture.does(writing).await;
        assert_eq!(fixture.stores.messages.message(id).await, Ok(Some(written.clone())));
        assert_eq!(fixture.messages(thread).await.last(), Some(&written));
        assert_eq!(fixture.entry(ALICE, thread).await.last_message, Some(written.clone()));
        let looking = Rule::new(Scope::thread(thread).message(id), move |found| {
            Ok(Decided { changes: Vec::new(), output: found.message(id)?.cloned() })
        });
        assert_eq!(fixture.does(looking).await, Some(written.clone()));
        assert_eq!(fixture.thread(thread).await.last_message_at, written.created_at);
    }
}

/// The same 60 values in every run.
fn drawn<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..60).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Bodies and keys of every plane, with every sign that some layer takes for its own, up to the largest.
pub async fn any_text_round_trips(fixture: &Fixture) {
    let mut texts: Vec<Body> = drawn(strategies::bodies());
    texts.extend(
        [
            "'; drop table message; --",
            "\"quotes\" \\ back\\\\slashes \n new \r\n lines \t tabs",
            "\u{1}",
            "{\"json\": [1, null]}",
            "null",
            "0x00",
            "1e400",
            " leading and trailing ",
            "e\u{301} is not é",
            "שלום مرحبا \u{202e}reversed\u{202c}",
            "👩‍👩‍👧‍👦🏳️‍🌈🇪🇺",
            "\u{10ffff}\u{fffe}\u{ffff}",
        ]
        .map(body),
    );
    // What was accepted before a rule was made, or comes with a history, is given back as it was.
    texts.extend(
        ["", " ", "\u{200b}", "\u{2800}\u{3164}\u{ad}"].map(|text| Body::parse_kept(text).expect("a text")),
    );
    texts.push(body(&"😀".repeat(BODY_CHARS_MAX)));
    texts.push(body(&"\u{1}".repeat(BODY_CHARS_MAX)));
    assert_eq!("😀".len() * BODY_CHARS_MAX, 40_000);
    const { assert!(BODY_BYTES_MAX >= 40_000) };
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut sent = Vec::new();
    for body in texts {
        let draft = Draft { body: body.clone(), ..fixture.draft(thread, ALICE, "replaced", None) };
        let message = fixture.does(sending(draft)).await.message;
        assert_eq!(message.body, body);
        sent.push(message);
    }
    assert_eq!(fixture.messages(thread).await, sent);
    for key in drawn(strategies::client_keys()) {
        let draft = Draft { key: Some(key), ..fixture.draft(thread, ALICE, "keyed", None) };
        let first = fixture.does(sending(draft.clone())).await.message;
        let again = fixture.does(sending(draft)).await;
        assert_eq!((again.message, again.duplicate), (first, true));
    }
}

/// The newest message before a time; 0 before the first. Dates rise strictly within a thread, whatever the clock does,
/// so the answer is exact.
pub async fn the_last_before_a_time(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let start = fixture.now();
    // Written at +0, +0, +10, +10, +10, +13, and then 100 earlier by a clock that was put right, and at +500.
    for wait in [0, 0, 10, 0, 0, 3, -100, 587] {
        fixture.clock.advance(wait);
        fixture.says(thread, ALICE, "hello").await;
    }
    let dates: Vec<i64> = (fixture.messages(thread).await.iter())
        .map(|message| message.created_at.as_millis() - start.as_millis())
        .collect();
    assert_eq!(dates, [0, 1, 10, 11, 12, 13, 14, 500]);
    for (millis, expected) in [
        (i64::MIN / 2, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (2, 2),
        (10, 2),
        (11, 3),
        (12, 4),
        (13, 5),
        (14, 6),
        (15, 7),
        (500, 7),
        (501, 8),
        (1_000_000, 8),
    ] {
        let found = fixture.stores.messages.last_before(thread, start.plus_millis(millis)).await;
        assert_eq!(found, Ok(Seq::new(expected)), "{millis} ms after the first");
    }
}

/// However many send within one millisecond, in one batch or in many, no two messages of a thread have one date; and
/// the thread says the date of the last one.
pub async fn dates_rise_with_places(fixture: &Fixture) {
    let threads = [fixture.opened(&[ALICE, BOB]).await.id, fixture.opened(&[ALICE, BOB]).await.id];
    let start = fixture.now();
    let sends = (0..300).map(|n| {
        let draft = fixture.draft(threads[n % 2], if n % 3 == 0 { BOB } else { ALICE }, "at once", None);
        let fixture = fixture.clone();
        async move { fixture.does(sending(draft)).await.message.created_at }
    });
    together(sends).await;
    for thread in threads {
        let messages = fixture.messages(thread).await;
        let dates: Vec<Timestamp> = messages.iter().map(|message| message.created_at).collect();
        assert_eq!(dates, (0..150).map(|millis| start.plus_millis(millis)).collect::<Vec<_>>());
        assert_eq!(dates.last(), Some(&fixture.thread(thread).await.last_message_at));
        for message in &messages {
            let before = fixture.stores.messages.last_before(thread, message.created_at).await;
            assert_eq!(before.map(Seq::next), Ok(message.seq));
        }
        assert_eq!(fixture.entry(BOB, thread).await.thread.last_message_at, start.plus_millis(149));
    }
}
