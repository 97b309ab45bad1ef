//! Two stores on one database, as two processes have them: whatever is called goes to the one and the other in turn.
//!
//! The cases of the contract that involve many callers at once, the model, and a thread that both write into as fast as
//! they can. Not those about what is heard in which order: a store hears of its own commits alone; and not the one about
//! sends whose caller is gone, which the other store may take up later than what comes after them.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod pair;

#[cfg(test)]
mod cases {
    use tidings_testkit::{contract, model};

    use crate::pair::Pair as S;

    macro_rules! cases {
        ($($module:ident: [$($case:ident)*])*) => {$($(
            #[test]
            fn $case() {
                contract::run::<S>(&contract::$module::$case);
            }
        )*)*};
    }

    cases! {
        creating: [a_key_creates_once simultaneous_creates_make_one]
        deciding: [an_answer_means_visible]
        keys: [
            a_repeated_key_gives_the_first_message
            simultaneous_sends_with_one_key_store_one
            a_key_with_another_draft_is_seen
        ]
        together: [
            concurrent_senders_leave_no_gap
            message_numbers_are_unique_and_grow
            what_is_slow_to_read_does_not_mix_moments
        ]
        refusing: [a_key_used_twice_is_refused a_message_id_used_twice_is_refused]
        listing: [unread_is_arithmetic a_list_is_in_order_of_activity]
        directory: [user_numbers_never_change a_subject_moves_to_whom_it_is_given_last]
        summaries: [simultaneous_summaries_are_all_there]
        jobs: [no_two_hold_a_job due_jobs_are_claimed_earliest_first a_lease_holds_and_ends]
    }

    #[test]
    fn the_stores_do_as_the_model_does() {
        model::follows_the_model::<S>(12);
    }

    #[test]
    fn concurrent_senders_are_linearisable() {
        model::concurrent_senders::<S>(16);
    }
}

#[cfg(test)]
mod hot {
    use std::sync::Arc;

    use tidings_domain::decision::transact;
    use tidings_domain::ports::Notifier;
    use tidings_testkit::{ALICE, BOB, Fixture, RecordingNotifier, Sent, block_on, sending};
    use tokio::task::JoinSet;

    use crate::pair::{Pair, open};

    /// 64 senders on two stores into one thread: no gap, nothing twice, each store hears its own in order.
    #[test]
    fn one_thread_from_both_sides() {
        block_on(async {
            let heard: [Arc<RecordingNotifier>; 2] = Default::default();
            let notifiers =
                heard.each_ref().map(|heard| -> Arc<dyn Notifier> { Arc::<RecordingNotifier>::clone(heard) });
            let stores = open(notifiers).await;
            let fixture = Fixture { stores: stores.clone(), ..Fixture::open::<Pair>().await };
            let thread = fixture.opened(&[ALICE, BOB]).await.id;
            let mut senders = JoinSet::new();
            for sender in 0..64 {
                let fixture = fixture.clone();
                senders.spawn(async move {
                    let mut sent = Vec::new();
                    for n in 0..20 {
                        let draft = fixture.draft(
                            thread,
                            ALICE,
                            &format!("{sender} {n}"),
                            Some(&format!("{sender} {n}")),
                        );
                        let rule = sending(draft);
                        let Sent { message, duplicate } =
                            transact(fixture.stores.threads.as_ref(), rule).await.unwrap().unwrap();
                        assert!(!duplicate);
                        sent.push(message);
                    }
                    sent
                });
            }
            let mut answered: Vec<_> = senders.join_all().await.into_iter().flatten().collect();
            answered.sort_unstable_by_key(|message| message.seq);
            let stored = fixture.messages(thread).await;
            assert_eq!(stored.len(), 64 * 20);
            assert_eq!(answered, stored);
            assert!(stored.iter().zip(1..).all(|(message, seq)| message.seq.get() == seq), "no gap");
            assert!(stored.windows(2).all(|pair| pair[0].number < pair[1].number), "numbers grow");
            let mut total = 0;
            for heard in heard {
                let commits = heard.heard_of(thread);
                assert!(commits.windows(2).all(|pair| pair[0].modseq() <= pair[1].prev), "in order");
                total += commits.len();
            }
            assert_eq!(total, 1 + 64 * 20, "each heard by the one that stored it");
        });
    }
}
