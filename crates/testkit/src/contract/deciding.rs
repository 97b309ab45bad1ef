//! What a decision sees, and what its verdict does.

use tidings_domain::change::Change;
use tidings_domain::decision::Decided;
use tidings_domain::id::SessionId;
use tidings_domain::message::Origin;
use tidings_domain::ports::IdSource;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{NotInScope, Scope};

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, DAVE, key};
use crate::rules::{Refused, Rule, appending, sending};

/// A decision on a thread that does not exist is asked, sees none, and its no is an answer.
pub async fn a_missing_thread_is_seen_as_none(fixture: &Fixture) {
    let scope = Scope::thread(fixture.thread_id())
        .member(ALICE.id())
        .client_key(ALICE.id(), key("k"))
        .message(fixture.message_id());
    let id = scope.messages.first().copied().expect("one was just named");
    let looking = Rule::new(scope, move |found| {
        let seen = (
            found.thread().cloned(),
            found.member(&ALICE.id())?.cloned(),
            found.keyed(&ALICE.id(), &key("k"))?.cloned(),
            found.message(id)?.cloned(),
        );
        Ok(Decided { changes: Vec::new(), output: seen })
    });
    assert_eq!(fixture.does(looking).await, (None, None, None, None));
    let refusing: Rule<()> = Rule::new(Scope::thread(fixture.thread_id()), |found| {
        Err(if found.thread().is_none() { Refused("none") } else { Refused("some") })
    });
    assert_eq!(fixture.tries(refusing).await, Ok(Err(Refused("none"))));
    assert!(fixture.heard.heard().is_empty());
}

/// A decision sees what its scope names, as it is now, and cannot see anything else.
pub async fn a_scope_is_loaded_and_nothing_else(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let sent = fixture.does(sending(fixture.draft(thread, ALICE, "one", Some("k1")))).await.message;
    let other = fixture.does(sending(fixture.draft(thread, ALICE, "two", Some("k2")))).await.message;
    let alice = fixture.member(thread, ALICE).await;
    let expected = fixture.thread(thread).await;

    let scope = Scope::thread(thread)
        .member(ALICE.id())
        .member(CAROL.id())
        .client_key(ALICE.id(), key("k1"))
        .message(sent.id);
    let (first, second) = (sent.clone(), other.clone());
    let looking = Rule::new(scope, move |found| {
        assert_eq!(found.thread(), Some(&expected));
        assert_eq!(found.member(&ALICE.id())?, alice.as_ref());
        assert_eq!(found.member(&CAROL.id())?, None, "never a member: absent");
        assert!(found.member(&BOB.id()).is_err(), "not named: not loaded");
        assert_eq!(found.keyed(&ALICE.id(), &key("k1"))?, Some(&first));
        assert!(matches!(found.keyed(&ALICE.id(), &key("k2")), Err(NotInScope(_))));
        assert_eq!(found.message(first.id)?, Some(&first));
        assert!(found.message(second.id).is_err());
        assert_eq!(found.head(), (Seq::new(2), expected.modseq));
        assert!(found.next_number() > second.number);
        Ok(Decided { changes: Vec::new(), output: () })
    });
    fixture.does(looking).await;

    let fresh = Rule::new(Scope::thread(thread).client_key(ALICE.id(), key("k3")), move |found| {
        assert_eq!(found.keyed(&ALICE.id(), &key("k3"))?, None, "a new key: absent");
        Ok(Decided { changes: Vec::new(), output: () })
    });
    fixture.does(fresh).await;
}

/// A message id of another thread is found absent, so that no thread's key opens another.
pub async fn a_message_of_another_thread_is_absent(fixture: &Fixture) {
    let here = fixture.opened(&[ALICE, BOB]).await.id;
    let there = fixture.opened(&[CAROL, DAVE]).await.id;
    let foreign = fixture.says(there, CAROL, "secret").await.id;
    let looking = Rule::new(Scope::thread(here).message(foreign), move |found| {
        Ok(Decided { changes: Vec::new(), output: found.message(foreign)?.cloned() })
    });
    assert_eq!(fixture.does(looking).await, None);
}

/// A refused decision leaves no trace and is not heard.
pub async fn a_rejection_stores_nothing(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await;
    let outsider = fixture.tries(sending(fixture.draft(thread.id, CAROL, "let me in", None))).await;
    assert_eq!(outsider, Ok(Err(Refused("no such thread or member"))));
    assert_eq!(fixture.thread(thread.id).await, thread);
    assert!(fixture.messages(thread.id).await.is_empty());
    assert_eq!(fixture.heard.heard().len(), 1, "the creation alone");
}

/// No changes is a valid verdict: it is answered and not heard.
pub async fn a_verdict_without_changes_stores_nothing(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await;
    let nothing =
        Rule::new(Scope::thread(thread.id), |_| Ok(Decided { changes: Vec::new(), output: "an answer" }));
    assert_eq!(fixture.does(nothing).await, "an answer");
    assert_eq!(fixture.thread(thread.id).await, thread);
    assert_eq!(fixture.heard.heard().len(), 1, "the creation alone");
}

/// All changes of one decision are stored together and told in one commit, in order.
pub async fn a_decision_may_change_many_rows(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let (one, two) = (fixture.message_id(), fixture.message_id());
    let template = fixture.says(thread, ALICE, "template").await;
    let many = Rule::new(Scope::thread(thread).member(BOB.id()).member(CAROL.id()), move |found| {
        let (seq, modseq) = found.head();
        let mut next = (seq, modseq, found.next_number());
        let mut message = |id| {
            next = (next.0.next(), next.1.next(), next.2 + 1);
            let mut message = template.clone();
            (message.id, message.seq, message.modseq, message.number) = (id, next.0, next.1, next.2 - 1);
            message.created_at = message.created_at.plus_millis(i64::try_from(next.0.get()).expect("few"));
            message
        };
        let (first, second) = (message(one), message(two));
        let mut bob = found.member(&BOB.id())?.cloned().ok_or(Refused("no Bob"))?;
        bob.muted = true;
        bob.modseq = second.modseq.next();
        let mut carol = bob.clone();
        carol.user = CAROL.id();
        carol.modseq = bob.modseq.next();
        let changes = vec![
            Change::AppendMessage(first),
            Change::AppendMessage(second),
            Change::PutMember(bob),
            Change::PutMember(carol),
        ];
        Ok(Decided { output: changes.clone(), changes })
    });
    let before = fixture.thread(thread).await;
    let changes = fixture.does(many).await;
    let heard = fixture.heard.heard_of(thread);
    let commit = heard.last().expect("it was heard");
    assert_eq!((commit.prev, &commit.changes), (before.modseq, &changes));
    let after = fixture.thread(thread).await;
    assert_eq!(*commit.thread, after);
    assert_eq!(after.modseq, Modseq::new(before.modseq.get() + 4));
    assert_eq!((after.last_seq, after.member_count), (Seq::new(3), 3));
    assert!(fixture.member(thread, BOB).await.is_some_and(|bob| bob.muted));
    assert!(fixture.member(thread, CAROL).await.is_some());
    let written: Vec<_> =
        fixture.messages(thread).await.into_iter().skip(1).map(|message| message.id).collect();
    assert_eq!(written, [one, two]);
}

/// The commit says through what the decision came, and the message keeps it.
pub async fn the_origin_is_carried(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let session = Origin::Session(SessionId::from_uuid(fixture.ids.uuid_v7(fixture.now())));
    let draft = fixture.draft(thread, ALICE, "from a socket", None);
    let message = fixture.does(appending(crate::rules::Draft { origin: session, ..draft })).await;
    assert_eq!(message.origin, session);
    assert_eq!(fixture.messages(thread).await, [message]);
    assert_eq!(fixture.heard.heard_of(thread).last().map(|commit| commit.origin), Some(session));
    fixture.says(thread, ALICE, "from a request").await;
    assert_eq!(fixture.heard.heard_of(thread).last().map(|commit| commit.origin), Some(Origin::Request));
}

/// A read that begins after the answer sees what was answered, by whatever way.
pub async fn an_answer_means_visible(fixture: &Fixture) {
    let thread = fixture.created(fixture.direct(ALICE, BOB)).await.id;
    for round in 1..=30 {
        let message = fixture.says(thread, ALICE, &format!("round {round}")).await;
        assert_eq!(fixture.stores.messages.message(message.id).await, Ok(Some(message.clone())));
        assert_eq!(fixture.thread(thread).await.last_seq, message.seq);
        assert_eq!(fixture.entry(BOB, thread).await.last_message, Some(message.clone()));
        let feed = fixture.stores.feed.changes_of(thread, Modseq::ZERO, 100).await.expect("the store works");
        let modseq = feed.map(|commit| commit.modseq());
        assert_eq!(modseq, Some(fixture.thread(thread).await.modseq));
        assert_eq!(fixture.messages(thread).await.last(), Some(&message));
    }
}
