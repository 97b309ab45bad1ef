//! Many at once.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tidings_domain::change::Change;
use tidings_domain::decision::transact;
use tidings_domain::id::ThreadId;
use tidings_domain::message::Message;
use tidings_domain::seq::{Modseq, Seq};
use tokio::task::JoinSet;

use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, Person};
use crate::rules::sending;

/// Runs all of them at once, each as a task of its own; the answers are in the order given.
pub(crate) async fn together<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (index, future) in futures.enumerate() {
        tasks.spawn(async move { (index, future.await) });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn send(
    fixture: &Fixture,
    thread: ThreadId,
    sender: Person,
    text: &str,
) -> impl Future<Output = Message> + Send + 'static + use<> {
    let rule = sending(fixture.draft(thread, sender, text, None));
    let fixture = fixture.clone();
    async move { fixture.does(rule).await.message }
}

/// 64 sends that are polled once each, in order, and finished in any: their seqs are in the order of the polls.
pub async fn decisions_run_in_the_order_of_their_first_polls(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let going = FuturesUnordered::new();
    let mut sent = Vec::new();
    for n in 0..64 {
        let mut send = Box::pin(send(fixture, thread, ALICE, &format!("message {n}")));
        match send.as_mut().now_or_never() {
            Some(message) => sent.push(message),
            None => going.push(send),
        }
    }
    sent.extend(going.collect::<Vec<_>>().await);
    sent.sort_unstable_by_key(|message| message.seq);
    let texts: Vec<&str> = sent.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(texts, (0..64).map(|n| format!("message {n}")).collect::<Vec<_>>());
}

/// 120 sends by three people into two threads: each thread has seqs 1 to n, and modseqs without a gap.
pub async fn concurrent_senders_leave_no_gap(fixture: &Fixture) {
    let threads =
        [fixture.opened(&[ALICE, BOB, CAROL]).await.id, fixture.opened(&[ALICE, BOB, CAROL]).await.id];
    let people = [ALICE, BOB, CAROL];
    let sends = (0..120).map(|n| {
        let (thread, sender) = (threads[n % 2], people[n % 3]);
        send(fixture, thread, sender, &format!("message {n}"))
    });
    let sent = together(sends).await;
    for thread in threads {
        let stored = fixture.messages(thread).await;
        let seqs: Vec<u64> = stored.iter().map(|message| message.seq.get()).collect();
        assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
        let mut answered: Vec<&Message> = sent.iter().filter(|message| message.thread == thread).collect();
        answered.sort_unstable_by_key(|message| message.seq);
        assert!(answered.into_iter().eq(&stored), "what was answered is what is stored");
        let now = fixture.thread(thread).await;
        assert_eq!((now.last_seq, now.modseq), (Seq::new(60), Modseq::new(3 + 120)));
    }
}

/// Every commit is heard once, by its thread's modseqs one after the other, and before its caller is answered.
pub async fn commits_are_heard_once_in_order_before_the_answer(fixture: &Fixture) {
    let threads = [fixture.opened(&[ALICE, BOB]).await.id, fixture.opened(&[ALICE, BOB]).await.id];
    let sends = (0..80).map(|n| {
        let thread = threads[n % 2];
        let send = send(fixture, thread, if n % 3 == 0 { ALICE } else { BOB }, "hello");
        let heard = std::sync::Arc::clone(&fixture.heard);
        async move {
            let message = send.await;
            let tells = |change: &Change| matches!(change, Change::AppendMessage(told) if *told == message);
            let count =
                heard.heard_of(thread).iter().filter(|commit| commit.changes.iter().any(tells)).count();
            assert_eq!(count, 1, "heard once, and before the answer");
        }
    });
    together(sends).await;
    for thread in threads {
        let mut at = Modseq::ZERO;
        for commit in fixture.heard.heard_of(thread) {
            assert_eq!(commit.prev, at, "a commit names the one before it");
            for change in &commit.changes {
                at = at.next();
                assert_eq!(change.modseq(), Some(at));
            }
            assert_eq!(commit.modseq(), at);
        }
        assert_eq!(fixture.thread(thread).await.modseq, at, "all of them were heard");
    }
}

/// Numbers are unique over all threads and grow within each.
pub async fn message_numbers_are_unique_and_grow(fixture: &Fixture) {
    let mut threads = Vec::new();
    for _ in 0..3 {
        threads.push(fixture.opened(&[ALICE, BOB]).await.id);
    }
    together((0..60).map(|n| send(fixture, threads[n % 3], ALICE, "hello"))).await;
    let mut all = BTreeSet::new();
    for thread in threads {
        let numbers: Vec<u64> = fixture.messages(thread).await.iter().map(|message| message.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        all.extend(numbers);
    }
    assert_eq!(all.len(), 60);
    assert!(!all.contains(&0));
}

/// Callers that hang up leave their message stored whole and heard, or not at all; the store goes on.
pub async fn a_dropped_send_is_whole_or_absent(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    for n in 0..40 {
        let rule = sending(fixture.draft(thread, ALICE, &format!("dropped {n}"), None));
        let mut send = Box::pin(transact(fixture.stores.threads.as_ref(), rule));
        // Polled at least once, so that the store may have it; then gone.
        if (&mut send).now_or_never().is_none() && n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        drop(send);
    }
    let last = fixture.says(thread, BOB, "still here").await;
    let stored = fixture.messages(thread).await;
    assert_eq!(stored.last(), Some(&last), "a later decision is decided later");
    let seqs: Vec<u64> = stored.iter().map(|message| message.seq.get()).collect();
    assert_eq!(seqs, (1..=u64::try_from(stored.len()).expect("a count")).collect::<Vec<_>>());
    let told: Vec<Message> = fixture
        .heard
        .heard_of(thread)
        .iter()
        .flat_map(|commit| commit.changes.clone())
        .filter_map(|change| match change {
            Change::AppendMessage(message) => Some(message),
            Change::ReplaceMessage(_)
            | Change::PutMember(_)
            | Change::PutThread(_)
            | Change::AddSummary(_)
            | Change::EnqueueJob(_)
            | Change::SettleNotices(_) => None,
        })
        .collect();
    assert_eq!(told, stored);
}

/// A thread and its members, a list and a feed are each of one moment, even while somebody writes.
pub async fn what_is_slow_to_read_does_not_mix_moments(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let writer = {
        let fixture = fixture.clone();
        async move {
            for _ in 0..60 {
                fixture.says(thread, ALICE, "more").await;
            }
        }
    };
    let reader = {
        let fixture = fixture.clone();
        async move {
            loop {
                let roster = fixture.stores.threads.members(thread).await.expect("the store works");
                let (now, members) = roster.expect("the thread exists");
                let newest = members.iter().map(|member| member.modseq).max();
                assert_eq!(newest, Some(now.modseq), "the sender's row changes last in each decision");
                let entry = fixture.entry(BOB, thread).await;
                assert_eq!(entry.unread, entry.thread.last_seq.get());
                assert_eq!(entry.last_message.map_or(0, |last| last.seq.get()), entry.unread);
                let feed = fixture.stores.feed.changes_of(thread, Modseq::ZERO, 1_000).await;
                let feed = feed.expect("the store works").expect("not too much");
                assert_eq!(feed.changes.last().and_then(Change::modseq), Some(feed.modseq()));
                assert_eq!(feed.changes.len(), 2 + usize::try_from(feed.thread.last_seq.get()).expect("few"));
                if now.last_seq == Seq::new(60) {
                    break;
                }
            }
        }
    };
    let both: [std::pin::Pin<Box<dyn Future<Output = ()> + Send>>; 2] = [Box::pin(writer), Box::pin(reader)];
    together(both.into_iter()).await;
}
