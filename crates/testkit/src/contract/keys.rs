//! Client keys: a send that is repeated is one send.

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, ERIN};
use crate::rules::{Refused, Sent, sending};

/// The same key later gives the first message, stores nothing and is not heard.
pub async fn a_repeated_key_gives_the_first_message(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let first = fixture.does(sending(fixture.draft(thread, ALICE, "once", Some("k")))).await;
    assert!(!first.duplicate);
    fixture.says(thread, BOB, "in between").await;
    let heard = fixture.heard.heard().len();
    fixture.clock.advance(60_000);
    let again = fixture.does(sending(fixture.draft(thread, ALICE, "once", Some("k")))).await;
    assert_eq!(again, Sent { message: first.message, duplicate: true });
    assert_eq!(fixture.messages(thread).await.len(), 2);
    assert_eq!(fixture.heard.heard().len(), heard);
}

/// 40 simultaneous sends with one key store one message; all 40 are answered with it.
pub async fn simultaneous_sends_with_one_key_store_one(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let tries = (0..40).map(|_| {
        let rule = sending(fixture.draft(thread, ALICE, "once", Some("k")));
        let fixture = fixture.clone();
        async move { fixture.does(rule).await }
    });
    let sent = together(tries).await;
    assert_eq!(sent.iter().filter(|sent| !sent.duplicate).count(), 1);
    let stored = fixture.messages(thread).await;
    assert_eq!(stored.len(), 1);
    assert!(sent.iter().all(|sent| Some(&sent.message) == stored.first()));
    assert_eq!(fixture.heard.heard_of(thread).len(), 2, "the creation and one message");
}

/// One key serves in every thread and for every sender; letters and signs in it count as they are.
pub async fn a_key_belongs_to_its_thread_and_sender(fixture: &Fixture) {
    let here = fixture.opened(&[ALICE, BOB, ERIN]).await.id;
    let there = fixture.opened(&[ALICE, BOB]).await.id;
    for (thread, sender, key) in [
        (here, ALICE, "k"),
        (here, BOB, "k"),
        (there, ALICE, "k"),
        (here, ALICE, "K"),
        (here, ALICE, "k "),
        (here, ALICE, "1"),
        (here, ALICE, "01"),
        (here, ERIN, "'\"\\😀"),
    ] {
        let draft = fixture.draft(thread, sender, "same words", Some(key));
        assert!(!fixture.does(sending(draft.clone())).await.duplicate, "{key:?} is new there");
        assert!(fixture.does(sending(draft)).await.duplicate, "{key:?} is known now");
    }
    assert_eq!(fixture.messages(here).await.len(), 7);
    assert_eq!(fixture.messages(there).await.len(), 1);
}

/// The rule sees the fingerprint of the first draft, so that it can tell a repetition from a conflict.
pub async fn a_key_with_another_draft_is_seen(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    fixture.does(sending(fixture.draft(thread, ALICE, "one thing", Some("k")))).await;
    let other = fixture.tries(sending(fixture.draft(thread, ALICE, "another thing", Some("k")))).await;
    assert_eq!(other, Ok(Err(Refused("key used for another draft"))));
    assert_eq!(fixture.messages(thread).await.len(), 1);
}
