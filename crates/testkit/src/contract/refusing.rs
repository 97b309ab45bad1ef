//! Decisions with a mistake in them: they fail alone, and leave nothing.

use tidings_domain::change::Change;
use tidings_domain::decision::Decided;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::message::{Author, Message};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::thread::NewThread;

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL};
use crate::rules::{Draft, Refused, Rule, appending, replacing, sending};

/// A change as it should be, to be spoilt.
fn fitting(found: &Snapshot, draft: &Draft) -> Result<Change, Refused> {
    let verdict = tidings_domain::decision::Decision::decide(&appending(draft.clone()), found)?;
    verdict.changes.into_iter().next().ok_or(Refused("no change"))
}

/// Changes that do not follow on what was found are an internal error, and nothing of them is stored or heard.
pub async fn changes_that_do_not_fit_are_refused(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let other = fixture.opened(&[ALICE, BOB]).await.id;
    let first = fixture.says(thread, ALICE, "first").await;
    let (before, heard) = (fixture.thread(thread).await, fixture.heard.heard().len());
    let spoilings: [fn(&mut Change, ThreadId); 9] = [
        |change, _| set(change, |message| message.modseq = message.modseq.next()),
        |change, _| set(change, |message| message.modseq = Modseq::ZERO),
        |change, _| set(change, |message| message.seq = message.seq.next()),
        |change, _| set(change, |message| message.seq = Seq::new(1)),
        |change, _| set(change, |message| message.number = 0),
        // As late as the message before it, which the clock of the test has not left.
        |change, _| set(change, |message| message.created_at = message.created_at.plus_millis(-1)),
        |change, other| {
            if let Change::AppendMessage(message) = change {
                message.thread = other;
            }
        },
        |change, _| {
            if let Change::AppendMessage(message) = change {
                *change = Change::ReplaceMessage(message.clone());
            }
        },
        |change, _| {
            if let Change::AppendMessage(message) = change {
                let role = "member".parse().expect("a role");
                let carol = tidings_domain::member::Member::joining(
                    message.thread,
                    CAROL.id(),
                    role,
                    message.created_at,
                );
                let modseq = message.modseq;
                *change = Change::PutMember(tidings_domain::member::Member { modseq, ..carol });
            }
        },
    ];
    for (index, spoil) in spoilings.into_iter().enumerate() {
        let draft = fixture.draft(thread, ALICE, "spoilt", None);
        let rule = Rule::new(Scope::thread(thread).member(ALICE.id()), move |found| {
            let mut change = fitting(found, &draft)?;
            spoil(&mut change, other);
            Ok(Decided { changes: vec![change], output: () })
        });
        let answer = fixture.tries(rule).await;
        assert!(matches!(answer, Err(StoreError::Internal(_))), "spoiling {index}: {answer:?}");
    }
    let missing = fixture.thread_id();
    let nowhere = Rule::new(Scope::thread(missing), move |_| {
        let mut first = first.clone();
        first.thread = missing;
        Ok(Decided { changes: vec![Change::AppendMessage(first)], output: () })
    });
    assert!(matches!(fixture.tries(nowhere).await, Err(StoreError::Internal(_))));
    assert_eq!(fixture.thread(thread).await, before);
    assert_eq!(fixture.heard.heard().len(), heard);
    assert_eq!(fixture.messages(thread).await.len(), 1);
    assert!(fixture.messages(other).await.is_empty());
    fixture.says(thread, ALICE, "the store goes on").await;
}

fn set(change: &mut Change, spoil: impl Fn(&mut Message)) {
    if let Change::AppendMessage(message) = change {
        spoil(message);
    }
}

/// A rule that does not look whether its key is taken cannot use it twice, and its neighbours do not suffer.
pub async fn a_key_used_twice_is_refused(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    fixture.does(appending(fixture.draft(thread, ALICE, "first", Some("k")))).await;
    let tries = (0..20).map(|n| {
        let draft = fixture.draft(
            thread,
            ALICE,
            "again",
            Some(if n == 7 { "k" } else { "" }).filter(|k| !k.is_empty()),
        );
        let fixture = fixture.clone();
        async move { fixture.tries(appending(draft)).await }
    });
    let answers = together(tries).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(matches!(answer, Err(StoreError::Internal(_))), n == 7, "{n}: {answer:?}");
        assert_eq!(matches!(answer, Ok(Ok(_))), n != 7, "{n}: {answer:?}");
    }
    assert_eq!(fixture.messages(thread).await.len(), 20);
}

/// A message id is used once, whatever the thread.
pub async fn a_message_id_used_twice_is_refused(fixture: &Fixture) {
    let here = fixture.opened(&[ALICE, BOB]).await.id;
    let there = fixture.opened(&[ALICE, BOB]).await.id;
    let first = fixture.says(here, ALICE, "first").await;
    for thread in [here, there] {
        let draft = Draft { id: first.id, ..fixture.draft(thread, ALICE, "again", None) };
        assert!(matches!(fixture.tries(appending(draft)).await, Err(StoreError::Internal(_))));
    }
    assert_eq!(fixture.messages(here).await, [first]);
    assert!(fixture.messages(there).await.is_empty());
}

/// A decision that panics is an internal error of its own caller; those beside it are stored.
pub async fn a_panicking_decision_hurts_nobody(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let tries = (0..20).map(|n| {
        let good = sending(fixture.draft(thread, ALICE, &format!("good {n}"), None));
        let bad: Rule<()> =
            Rule::new(Scope::thread(thread), |_| panic!("a rule that panics, as it should here"));
        let fixture = fixture.clone();
        async move {
            if n % 5 == 0 {
                assert!(matches!(fixture.tries(bad).await, Err(StoreError::Internal(_))));
            } else {
                fixture.does(good).await;
            }
        }
    });
    together(tries).await;
    assert_eq!(fixture.messages(thread).await.len(), 16);
}

/// A founder named twice, or a thread id that is taken, is a mistake; nothing is created.
pub async fn a_thread_that_cannot_be_is_refused(fixture: &Fixture) {
    let taken = fixture.opened(&[ALICE, BOB]).await;
    let twice = fixture.group(&[ALICE, BOB, ALICE]);
    let again = NewThread { id: taken.id, ..fixture.group(&[CAROL]) };
    for new in [twice.clone(), again] {
        let answer = fixture.stores.threads.create(new).await;
        assert!(matches!(answer, Err(StoreError::Internal(_))), "{answer:?}");
    }
    assert_eq!(fixture.stores.threads.thread(twice.id).await, Ok(None));
    assert_eq!(fixture.thread(taken.id).await, taken);
    assert_eq!(fixture.heard.heard().len(), 1);
}

/// An edit cannot make another message of it.
pub async fn a_message_stays_the_message_it_is(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let message = fixture.does(sending(fixture.draft(thread, ALICE, "mine", Some("k")))).await.message;
    let spoilings: [fn(&mut Message); 5] = [
        |it| it.seq = it.seq.next(),
        |it| it.number += 1,
        |it| it.client_key = None,
        |it| it.author = Author::System,
        |it| it.created_at = it.created_at.plus_millis(1),
    ];
    for spoil in spoilings {
        let answer = fixture.tries(replacing(thread, message.id, spoil)).await;
        assert!(matches!(answer, Err(StoreError::Internal(_))), "{answer:?}");
    }
    assert_eq!(fixture.messages(thread).await, [message]);
}
