//! Several senders at once, and the one order that must explain what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_domain::id::ThreadId;
use tidings_domain::message::Message;
use tidings_domain::messaging::{Messaging, SendError, SendMessage};

use crate::contract::together::together;
use crate::fixture::{Fixture, Subject};
use crate::people::{ALICE, BOB, Person, body, key};
use crate::runtime::block_on;

/// One send: to which of two threads, by whom, what, under which key. Senders share keys on purpose.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    thread: usize,
    sender: Person,
    text: u8,
    key: Option<u8>,
}

/// For each of two to four tasks, its sends one after the other.
pub(super) fn plans() -> impl Strategy<Value = Vec<Vec<Plan>>> {
    let plan = (0..2_usize, prop::sample::select(vec![ALICE, BOB]), 0..2_u8, prop::option::of(0..5_u8))
        .prop_map(|(thread, sender, text, key)| Plan { thread, sender, text, key });
    vec(vec(plan, 1..15), 2..5)
}

/// A send that was answered, between two readings of a counter that all tasks share.
#[derive(Debug)]
struct Answered {
    thread: ThreadId,
    began: u64,
    ended: u64,
    message: Message,
    duplicate: bool,
}

async fn send_all(
    messaging: Messaging,
    threads: [ThreadId; 2],
    plans: Vec<Plan>,
    ticks: Arc<AtomicU64>,
) -> Vec<Answered> {
    let mut answered = Vec::new();
    for plan in plans {
        let thread = threads.get(plan.thread).copied().expect("one of two threads");
        let send = SendMessage {
            thread,
            body: body(&format!("text {}", plan.text)),
            client_key: plan.key.map(|k| key(&format!("k{k}"))),
        };
        let began = ticks.fetch_add(1, Ordering::SeqCst);
        let sent = messaging.send(&plan.sender.actor(), send.clone()).await;
        let ended = ticks.fetch_add(1, Ordering::SeqCst);
        match sent {
            Ok(sent) => {
                assert_eq!(sent.message.message.body, send.body);
                let (message, duplicate) = (sent.message.message, sent.duplicate);
                answered.push(Answered { thread, began, ended, message, duplicate });
            }
            // Another task may have been first with this key and another text; nothing else may refuse a member.
            Err(error) => {
                assert_eq!(error, SendError::KeyReused);
                assert!(send.client_key.is_some());
            }
        }
    }
    answered
}

/// Runs the plans, each list as a task, and looks for a contradiction.
pub(super) fn check<S: Subject>(plans: Vec<Vec<Plan>>) {
    block_on(async {
        let fixture = Fixture::open::<S>().await;
        let threads = [fixture.opened(&[ALICE, BOB]).await.id, fixture.opened(&[ALICE, BOB]).await.id];
        let ticks = Arc::new(AtomicU64::new(0));
        let messaging = fixture.messaging();
        let tasks =
            plans.into_iter().map(|plans| send_all(messaging.clone(), threads, plans, Arc::clone(&ticks)));
        let answered: Vec<Answered> = together(tasks).await.into_iter().flatten().collect();
        for thread in threads {
            let stored = fixture.messages(thread).await;
            let seqs: Vec<u64> = stored.iter().map(|message| message.seq.get()).collect();
            assert_eq!(seqs, (1..=u64::try_from(stored.len()).expect("few")).collect::<Vec<_>>(), "no gap");
            let keyed = stored.iter().filter(|message| message.client_key.is_some());
            let keys: BTreeSet<_> =
                keyed.clone().map(|message| (message.author.user(), &message.client_key)).collect();
            assert_eq!(keys.len(), keyed.count(), "nothing twice");
            let here: Vec<&Answered> = answered.iter().filter(|answer| answer.thread == thread).collect();
            let mut written: BTreeMap<u64, &Answered> = BTreeMap::new();
            for answer in &here {
                let seq = answer.message.seq.get();
                let place = usize::try_from(seq - 1).expect("few");
                assert_eq!(stored.get(place), Some(&answer.message), "what was answered is there");
                if !answer.duplicate {
                    assert!(written.insert(seq, answer).is_none(), "each place is answered once as new");
                }
            }
            assert_eq!(written.len(), stored.len(), "each message was somebody's");
            in_real_time(&here);
        }
    });
}

/// What was answered before another send began has its place before it.
fn in_real_time(answers: &[&Answered]) {
    for one in answers {
        for other in answers {
            if one.ended < other.began && !other.duplicate {
                assert!(one.message.seq < other.message.seq, "{one:?} was over before {other:?} began");
            }
        }
    }
}
