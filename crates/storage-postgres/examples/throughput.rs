//! Sends per second of the store in memory and of the store in a PostgreSQL database with one lane and with two, side by
//! side.
//!
//! `cargo run --release -p tidings-storage-postgres --example throughput postgres://…`: 1, 64 and 512 senders, each
//! waiting for its answer before the next message of 180 bytes under a fresh key, into 200 threads of two and into one
//! hot thread. The database should be empty; its schema is made. The server's disk decides what a sync costs.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidings_domain::change::Commit;
use tidings_domain::decision::transact;
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::message::Origin;
use tidings_domain::ports::{IdSource, Notifier, ThreadRepository};
use tidings_domain::thread::NewThread;
use tidings_storage_memory::MemoryStore;
use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_testkit::{ALICE, BOB, Draft, SeededIds, T0, body, key, sending};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

const THREADS: usize = 200;
const ROUND: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Quiet;

impl Notifier for Quiet {
    fn committed(&self, _: Arc<Commit>) {}
}

/// What one sender needs.
#[derive(Clone)]
struct Load {
    threads: Arc<dyn ThreadRepository>,
    rooms: Arc<Vec<ThreadId>>,
    ids: Arc<SeededIds>,
    sent: Arc<AtomicU64>,
}

impl Load {
    async fn new(threads: Arc<dyn ThreadRepository>, seed: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let ids = SeededIds::new(seed);
        let mut rooms = Vec::new();
        for _ in 0..THREADS {
            let id = ThreadId::from_uuid(ids.uuid_v7(T0));
            let founders = vec![ALICE.party(), BOB.party()];
            let new = NewThread { id, key: None, context: None, subject: None, founders, created_at: T0 };
            threads.create(new).await?;
            rooms.push(id);
        }
        Ok(Self { threads, rooms: Arc::new(rooms), ids: Arc::new(ids), sent: Arc::default() })
    }

    /// Sends until the time is up; tells how long each send took.
    async fn send(self, hot: bool, until: Instant) -> Vec<Duration> {
        let text = body(&"x".repeat(180));
        let mut took = Vec::new();
        loop {
            let begun = Instant::now();
            if begun >= until {
                return took;
            }
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            let room = if hot { 0 } else { usize::try_from(number).unwrap_or(0) % THREADS };
            let Some(thread) = self.rooms.get(room) else { return took };
            let rule = sending(Draft {
                thread: *thread,
                sender: ALICE.id(),
                id: MessageId::from_uuid(self.ids.uuid_v7(T0)),
                body: text.clone(),
                key: Some(key(&format!("key-{number}"))),
                at: T0,
                origin: Origin::Request,
            });
            if !matches!(transact(self.threads.as_ref(), rule).await, Ok(Ok(_))) {
                return took;
            }
            took.push(begun.elapsed());
        }
    }

    async fn round(&self, senders: usize, hot: bool) -> String {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..senders {
            tasks.spawn(self.clone().send(hot, begun + ROUND));
        }
        let mut took: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
        took.sort_unstable();
        let rate = f64::from(u32::try_from(took.len()).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
        let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        format!("{rate:>9.0}/s {:>8.2?} {:>8.2?}", at(50), at(99))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("the URL of an empty database is missing")?;
    let tasks = TaskTracker::new();
    let open = |lanes: usize| {
        let config = PgConfig { lanes, ..PgConfig::at(&url) };
        PgStore::open(config, Arc::new(Quiet), &tasks)
    };
    let (one, two) = (open(1).await?, open(2).await?);
    let loads = [
        ("memory", Load::new(Arc::new(MemoryStore::new(Arc::new(Quiet))), 7).await?),
        ("1 lane", Load::new(Arc::new(one.clone()), 8).await?),
        ("2 lanes", Load::new(Arc::new(two.clone()), 9).await?),
    ];
    println!("{:<8} {:>8} {:<9} {:>11} {:>8} {:>8}", "store", "senders", "threads", "sends", "p50", "p99");
    for (hot, threads) in [(false, "200"), (true, "one")] {
        for senders in [1, 64, 512] {
            for (name, load) in &loads {
                println!("{name:<8} {senders:>8} {threads:<9} {}", load.round(senders, hot).await);
            }
        }
    }
    one.close().await;
    two.close().await;
    Ok(())
}
