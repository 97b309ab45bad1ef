//! PostgreSQL is killed under load, all of its processes at once, and Tidings goes on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_tests::{DEADLINE, Data, Server, Socket, User, Users};
use tidings_throwaway_postgres::{Cluster, Options};

use crate::{kills, open};

const KILLS: usize = 20;
const THREADS: usize = 3;
const SENDERS: usize = 6;
/// One call flushes all files before recovery, instead of one each: it is not what is tested, and took most of the time.
const QUICK_RECOVERY: &str = "recovery_init_sync_method = syncfs";
/// How many acks come between two kills.
const ACKS: usize = 100;

/// What all senders share.
#[derive(Debug)]
struct Load {
    acks: mpsc::Sender<()>,
    /// Attempts that were answered otherwise, or not at all.
    failures: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    /// Sends one text after the other, each until it is acked. Answers the acked ids by their texts, which are their
    /// keys.
    fn send(
        &self,
        server: &Server,
        user: &User,
        thread: &str,
        name: usize,
    ) -> anyhow::Result<HashMap<String, String>> {
        let mut socket = Socket::connect(server.address(), user)?;
        let mut acked = HashMap::new();
        for number in 0.. {
            let text = format!("sender {name} message {number}");
            let payload = json!({ "threadId": thread, "content": text, "clientMsgId": text });
            let id = loop {
                let id = socket.emit("sendMessage", &payload)?;
                let ack = socket.ack(id)?;
                match ack["message"]["id"].as_str() {
                    Some(id) => break id.to_owned(),
                    None => self.failures.fetch_add(1, Ordering::Relaxed),
                };
            };
            acked.insert(text, id);
            self.acks.send(())?;
            if self.over.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(acked)
    }
}

/// Waits for acks of what was sent from now on.
fn more_acks(acks: &mpsc::Receiver<()>) -> anyhow::Result<()> {
    let before = acks.try_iter().count();
    for more in 0..ACKS {
        let came = acks.recv_timeout(DEADLINE);
        came.with_context(|| format!("only {more} acks within {DEADLINE:?}, after {before}"))?;
    }
    Ok(())
}

#[test]
fn every_acked_message_outlives_kill_9_of_postgres() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let cluster =
        Cluster::start(&Options { settings: vec![QUICK_RECOVERY.to_owned()], ..Options::default() })?;
    let data = Data::on(cluster.create_database("tidings")?)?;
    let server = Server::start(&data)?;
    let threads: Vec<String> =
        (0..THREADS).map(|n| open(&server, &users, &format!("load-{n}"))).collect::<anyhow::Result<_>>()?;
    let (acking, acks) = mpsc::channel();
    let load = Load { acks: acking, failures: AtomicUsize::new(0), over: AtomicBool::new(false) };
    let cycles = kills(KILLS)?;
    let (killed, acked) = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|name| {
                let user = if name % 2 == 0 { &users.alice } else { &users.bob };
                let (load, server, thread) = (&load, &server, &threads[name % THREADS]);
                scope.spawn(move || load.send(server, user, thread, name))
            })
            .collect();
        let killing = || {
            for _ in 0..cycles {
                more_acks(&acks)?;
                cluster.kill()?;
                cluster.control(&["start"])?;
            }
            more_acks(&acks)
        };
        let killed = killing();
        load.over.store(true, Ordering::Relaxed);
        let acked: Vec<_> = senders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (killed, acked)
    });
    killed.with_context(|| format!("the server's log:\n{}", server.log().text()))?;
    let mut all = HashMap::new();
    for acked in acked {
        all.extend(acked.map_err(|_| anyhow::anyhow!("a sender panicked"))??);
    }
    server.unshaken()?;
    let status = server.stop(DEADLINE)?;
    ensure!(status.success(), "a graceful stop ended with {status}");
    check(&cluster, &all)?;
    println!("{} acked, {} attempts failed, {cycles} kills", all.len(), load.failures.into_inner());
    Ok(())
}

/// All that was acked is stored as it was acked; nothing else is, because each text was sent until it was; and no
/// thread has a gap.
fn check(cluster: &Cluster, acked: &HashMap<String, String>) -> anyhow::Result<()> {
    let rows = cluster.psql("tidings", "select client_key, id from message")?;
    let stored: Vec<(&str, &str)> = rows.lines().filter_map(|row| row.split_once('|')).collect();
    let by_text: HashMap<&str, &str> = stored.iter().copied().collect();
    ensure!(by_text.len() == stored.len(), "{} messages are doubles", stored.len() - by_text.len());
    for (text, id) in acked {
        let found = by_text.get(text.as_str());
        ensure!(found == Some(&id.as_str()), "{text} was acked as {id}, and {found:?} is stored");
    }
    ensure!(stored.len() == acked.len(), "{} acked, but {} stored", acked.len(), stored.len());
    let gaps = "select thread_id from message group by thread_id having min(seq) <> 1 or max(seq) <> count(*) \
        union all select id from thread t where last_seq <> (select count(*) from message m where m.thread_id = t.id)";
    let gaps = cluster.psql("tidings", gaps)?;
    ensure!(gaps.is_empty(), "threads whose seqs have gaps, or are counted wrong: {gaps}");
    Ok(())
}
