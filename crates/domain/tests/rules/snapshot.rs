//! Snapshots: "not loaded" is never "absent", and what a change leaves.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use tidings_domain::change::Change;
use tidings_domain::decision::Decision;
use tidings_domain::message::Message;
use tidings_domain::messaging::{MarkError, OwnMessage, SendError};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{NotInScope, Scope, Snapshot};

use crate::world::{Rows, key, marking, message_id, sending, the_thread, user};

fn a_message() -> Message {
    let send = sending(0, 0, 0, Some(0), 0);
    send.decide(&Rows::opened(1).snapshot(&[send.scope()])).unwrap().output.0
}

proptest! {
    #[test]
    fn what_the_scope_does_not_name_is_an_error_and_what_is_not_there_is_none(
        members in prop::collection::btree_set(0..5_u8, 0..5),
        keyed in prop::option::of((0..2_u8, 0..2_u8)),
        messages in prop::collection::btree_set(0..4_usize, 0..4),
    ) {
        // Users 0 and 1 are in; 0 sent message 0 with key 0.
        let mut rows = Rows::opened(2);
        let send = sending(0, 0, 0, Some(0), 0);
        rows.write(&send.decide(&rows.snapshot(&[send.scope()])).unwrap().changes);

        let mut scope = members.iter().fold(Scope::thread(the_thread()), |scope, n| scope.member(user(*n)));
        if let Some((sender, with)) = keyed {
            scope = scope.client_key(user(sender), key(with));
        }
        scope = messages.iter().fold(scope, |scope, n| scope.message(message_id(*n)));
        let found = rows.snapshot(&[scope]);

        for n in 0..5 {
            let member = found.member(&user(n));
            prop_assert_eq!(member.is_ok(), members.contains(&n));
            prop_assert_eq!(matches!(member, Ok(Some(_))), members.contains(&n) && n < 2);
        }
        for named in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let message = found.keyed(&user(named.0), &key(named.1));
            prop_assert_eq!(message.is_ok(), keyed == Some(named));
            prop_assert_eq!(matches!(message, Ok(Some(_))), keyed == Some(named) && named == (0, 0));
        }
        for n in 0..4 {
            // A message found by its key is loaded as a message too.
            let loaded = messages.contains(&n) || (n == 0 && keyed == Some((0, 0)));
            let message = found.message(message_id(n));
            prop_assert_eq!(message.is_ok(), loaded);
            prop_assert_eq!(matches!(message, Ok(Some(_))), loaded && n == 0);
        }
    }

    #[test]
    fn a_change_leaves_the_counter_where_it_took_it(modseq in 1..1_000_u64, number in any::<u32>()) {
        let message = Message { modseq: Modseq::new(modseq), number: number.into(), ..a_message() };
        let rows = Rows::opened(1);
        for change in [Change::AppendMessage(message.clone()), Change::ReplaceMessage(message.clone())] {
            let mut found = rows.snapshot(&[]);
            let first = found.next_number();
            found.apply(&change);
            let appended = matches!(change, Change::AppendMessage(_));
            prop_assert_eq!(found.head(), (Seq::new(u64::from(appended)), Modseq::new(modseq)));
            let next = if appended { u64::from(number) + 1 } else { first };
            prop_assert_eq!(found.next_number(), next);
            prop_assert_eq!(found.message(message.id), Ok(Some(&message)));
            // Its key is known from then on, if it is new.
            prop_assert_eq!(found.keyed(&user(0), &key(0)).is_ok(), appended);
        }
    }

    #[test]
    fn changes_to_no_thread_change_none(modseq in 1..1_000_u64) {
        let mut found = Snapshot::new(None, 1);
        found.apply(&Change::AppendMessage(Message { modseq: Modseq::new(modseq), ..a_message() }));
        prop_assert!(found.thread().is_none());
        prop_assert_eq!(found.head(), (Seq::ZERO, Modseq::ZERO));
    }
}

#[test]
fn a_decision_whose_scope_was_not_loaded_fails_instead_of_judging() {
    let empty = Rows::opened(2).snapshot(&[]);
    let scoped = |what| SendError::Scope(NotInScope(what));
    assert_eq!(sending(0, 0, 0, Some(0), 0).decide(&empty).unwrap_err(), scoped("member"));
    assert_eq!(
        marking(0, None, OwnMessage::Allow, 0).decide(&empty).unwrap_err(),
        MarkError::Scope(NotInScope("member"))
    );

    // The member alone: neither a key nor a message is taken to be new or unknown.
    let member = Rows::opened(2).snapshot(&[Scope::thread(the_thread()).member(user(0))]);
    assert_eq!(sending(0, 0, 0, Some(0), 0).decide(&member).unwrap_err(), scoped("client key"));
    assert!(sending(0, 0, 0, None, 0).decide(&member).is_ok());
    assert_eq!(
        marking(0, Some(0), OwnMessage::Allow, 0).decide(&member).unwrap_err(),
        MarkError::Scope(NotInScope("message"))
    );
}

#[test]
fn without_a_thread_everything_is_refused() {
    let nothing = Snapshot::new(None, 1);
    assert_eq!(sending(0, 0, 0, Some(0), 0).decide(&nothing).unwrap_err(), SendError::UnknownThread);
    assert_eq!(
        marking(0, None, OwnMessage::Allow, 0).decide(&nothing).unwrap_err(),
        MarkError::UnknownThread
    );
}

#[test]
fn what_people_write_is_in_no_debug_text() {
    let rows = Rows::opened(1);
    let send = sending(0, 0, 7, Some(0), 0);
    let found = rows.snapshot(&[send.scope()]);
    let decided = send.decide(&found).unwrap();
    let mut after = found;
    decided.changes.iter().for_each(|change| after.apply(change));
    for shown in [format!("{send:?}"), format!("{decided:?}"), format!("{after:?}")] {
        assert!(!shown.contains("text 7"), "{shown}");
    }
}
