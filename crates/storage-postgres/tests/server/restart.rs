//! The server is restarted, the hard way, while people send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidings_domain::error::{Classify, StoreError};
use tidings_testkit::{RecordingNotifier, Sent, block_on, eventually};
use tokio::task::JoinSet;

use crate::cluster;
use crate::world::{World, messages};

const RESTARTS: usize = 3;

/// What one sender saw: its texts that were answered, and how often it was told to try again.
async fn sender(
    world: Arc<World>,
    store: tidings_storage_postgres::PgStore,
    thread: tidings_domain::id::ThreadId,
    name: usize,
    over: Arc<AtomicBool>,
) -> (Vec<Sent>, usize) {
    let (mut sent, mut retried) = (Vec::new(), 0);
    for n in 0.. {
        loop {
            match world.send(&store, thread, &format!("{name} {n}")).await {
                Ok(answer) => {
                    sent.push(answer.unwrap());
                    break;
                }
                Err(error) => {
                    assert!(error.retryable(), "{error:?}");
                    assert!(
                        matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_)),
                        "{error:?}"
                    );
                    retried += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    (sent, retried)
}

#[test]
fn a_restart_loses_nothing_and_doubles_nothing() {
    let cluster = cluster::start();
    block_on(async {
        let world = Arc::new(World::at(cluster.url("postgres")));
        let store = world.open(world.config()).await;
        let threads = world.threads(&store, 6).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for name in 0..24 {
            let thread = threads[name % threads.len()];
            senders.spawn(sender(Arc::clone(&world), store.clone(), thread, name, Arc::clone(&over)));
        }
        let heard = |heard: &RecordingNotifier| -> usize {
            threads.iter().map(|thread| heard.heard_of(*thread).len()).sum()
        };
        for _ in 0..RESTARTS {
            let before = heard(&world.heard);
            eventually("messages go through", || heard(&world.heard) > before + 200).await;
            cluster.control(&["restart", "-m", "immediate"]).unwrap();
        }
        let before = heard(&world.heard);
        eventually("messages go through again", || heard(&world.heard) > before + 200).await;
        over.store(true, Ordering::Relaxed);
        let (mut answered, mut retried, mut duplicates) = (0, 0, 0);
        let mut stored: Vec<_> = Vec::new();
        for thread in &threads {
            // All senders are done before anything is read.
            while let Some(done) = senders.join_next().await {
                let (sent, times) = done.unwrap();
                answered += sent.len();
                retried += times;
                duplicates += sent.iter().filter(|sent| sent.duplicate).count();
                stored.extend(sent.into_iter().map(|sent| sent.message));
            }
            let found = messages(&store, *thread).await;
            assert!(found.iter().zip(1..).all(|(message, seq)| message.seq.get() == seq), "no gap");
            for message in stored.iter().filter(|message| message.thread == *thread) {
                assert!(found.contains(message), "an answered message is lost");
            }
            let answered_here = stored.iter().filter(|message| message.thread == *thread).count();
            // Each text has one key, and was sent until it was answered.
            assert_eq!(found.len(), answered_here, "nothing twice");
        }
        println!(
            "{answered} answered, {retried} times told to try again, {duplicates} had been stored already"
        );
        assert!(retried > 0, "nobody noticed a restart");
    });
}
