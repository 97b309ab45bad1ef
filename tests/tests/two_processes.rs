//! Two servers on one PostgreSQL database: whichever of them is asked, it is the same.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Data, Rest, Server, Socket, Store, User, Users};
use tidings_throwaway_postgres::{Cluster, Options};

/// Sends in all; each is made at both servers at once.
const SENDS: usize = 200;
/// Connections of both members together, at each server.
const CONNECTIONS: usize = 8;

struct World {
    users: Users,
    servers: [Server; 2],
    _data: Data,
}

impl World {
    /// Both start at the same time, on a database that has no schema yet.
    fn start(data: Data) -> anyhow::Result<Self> {
        let users = Users::mint()?;
        let servers = std::thread::scope(|scope| {
            let starting = [(), ()].map(|()| scope.spawn(|| Server::start(&data)));
            starting.map(|server| server.join().map_err(|_| anyhow::anyhow!("a start panicked"))?)
        });
        let [one, other] = servers;
        Ok(Self { users, servers: [one?, other?], _data: data })
    }

    fn open(&self, campaign: &str) -> anyhow::Result<String> {
        let (alice, bob) = (&self.users.alice, &self.users.bob);
        let asked = json!({ "campaignId": campaign, "promoterId": bob.id, "advertiserId": alice.id });
        let thread = Rest::of(self.servers[0].address(), alice).post("/messaging/threads", &asked)?.json()?;
        Ok(thread["id"].as_str().context("a thread without an id")?.to_owned())
    }

    fn member(&self, number: usize) -> &User {
        if number.is_multiple_of(2) { &self.users.alice } else { &self.users.bob }
    }

    /// A thread's messages, oldest first, in which both servers agree, and in whose seqs no number is missing or twice.
    fn stored(&self, thread: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/messaging/threads/{thread}/messages?limit=500");
        let page = |server: &Server| Rest::of(server.address(), &self.users.alice).get(&path)?.json();
        let pages = [page(&self.servers[0])?, page(&self.servers[1])?];
        let ids = |page: &Value| -> Vec<Value> {
            page.as_array().into_iter().flatten().map(|message| message["id"].clone()).collect()
        };
        ensure!(ids(&pages[0]) == ids(&pages[1]), "the servers do not agree");
        let mut stored = pages[0].as_array().context("not a page")?.clone();
        stored.reverse();
        let seqs: Vec<u64> = stored.iter().filter_map(|message| message["seq"].as_u64()).collect();
        ensure!(seqs.iter().copied().eq(1..=stored.len() as u64), "gaps or doubles in seq: {seqs:?}");
        Ok(stored)
    }
}

fn send(thread: &str, text: &str) -> Value {
    json!({ "threadId": thread, "content": text, "clientMsgId": text })
}

/// Every message is sent at both servers at once, under one key.
#[test]
fn the_same_sends_at_both_are_stored_once_in_one_order() -> anyhow::Result<()> {
    let world = World::start(Data::new(Store::Postgres)?)?;
    let thread = world.open("both")?;
    let start = Barrier::new(2 * CONNECTIONS);
    let acks = std::thread::scope(|scope| -> anyhow::Result<Vec<Value>> {
        let mut senders = Vec::new();
        for server in &world.servers {
            for connection in 0..CONNECTIONS {
                let mut socket = Socket::connect(server.address(), world.member(connection))?;
                let (start, thread) = (&start, &thread);
                senders.push(scope.spawn(move || -> anyhow::Result<Vec<Value>> {
                    start.wait();
                    let mine = (0..SENDS).filter(|number| number % CONNECTIONS == connection);
                    let asked: Vec<u64> = mine
                        .map(|number| socket.emit("sendMessage", &send(thread, &format!("message {number}"))))
                        .collect::<anyhow::Result<_>>()?;
                    asked.into_iter().map(|id| socket.ack(id)).collect()
                }));
            }
        }
        let mut acks = Vec::new();
        for sender in senders {
            acks.extend(sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??);
        }
        Ok(acks)
    })?;
    let stored = world.stored(&thread)?;
    let by_text: BTreeMap<String, String> =
        stored.iter().map(|message| (message["content"].to_string(), message["id"].to_string())).collect();
    ensure!(stored.len() == SENDS && by_text.len() == SENDS, "{} messages are stored", stored.len());
    ensure!(acks.len() == 2 * SENDS, "{} acks", acks.len());
    for ack in &acks {
        let message = &ack["message"];
        let found = by_text.get(&message["content"].to_string());
        ensure!(found == Some(&message["id"].to_string()), "{ack} is of another message than {found:?}");
    }
    for server in world.servers {
        server.unshaken()?;
    }
    Ok(())
}

/// Sends until it is acked: what cannot be done now is refused, and may be tried again under its key.
fn until_acked(socket: &mut Socket, payload: &Value) -> anyhow::Result<String> {
    loop {
        let id = socket.emit("sendMessage", payload)?;
        if let Some(id) = socket.ack(id)?["message"]["id"].as_str() {
            return Ok(id.to_owned());
        }
    }
}

/// One server is stopped (SIGSTOP) in the middle of a transaction: the other goes on, also with the threads that the
/// stopped one has locked, as soon as PostgreSQL has ended its session. When it goes on, nothing is lost or doubled.
#[test]
fn a_stopped_server_does_not_keep_the_other_one() -> anyhow::Result<()> {
    const THREADS: usize = 6;
    let cluster = Cluster::start(&Options::default())?;
    let world = World::start(Data::on(cluster.url("postgres"))?)?;
    let threads: Vec<String> =
        (0..THREADS).map(|n| world.open(&format!("stopped-{n}"))).collect::<anyhow::Result<_>>()?;
    let [stopping, other] = &world.servers;
    let over = AtomicBool::new(false);
    let (all, locked) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let mut senders = Vec::new();
        for (n, thread) in threads.iter().enumerate() {
            let mut socket = Socket::connect(stopping.address(), world.member(n))?;
            let over = &over;
            senders.push(scope.spawn(move || -> anyhow::Result<BTreeSet<String>> {
                let mut acked = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    let text = format!("before {}", acked.len());
                    acked.insert(until_acked(&mut socket, &send(thread, &text))?);
                }
                Ok(acked)
            }));
        }
        let others = || {
            let locked = stop_in_a_transaction(stopping, &cluster)?;
            let mut acked = Vec::new();
            for (n, thread) in threads.iter().enumerate() {
                let mut socket = Socket::connect(other.address(), world.member(n))?;
                acked.push(until_acked(&mut socket, &send(thread, "after"))?);
            }
            stopping.signal("CONT")?;
            Ok((acked, locked))
        };
        let others: anyhow::Result<_> = others();
        over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for sender in senders {
            all.push(sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??);
        }
        let (others, locked) = others?;
        for (all, other) in all.iter_mut().zip(others) {
            all.insert(other);
        }
        Ok((all, locked))
    })?;
    ensure!(locked > 0, "nothing was locked");
    for (thread, acked) in threads.iter().zip(all) {
        let stored =
            cluster.psql("postgres", &format!("select id from message where thread_id = '{thread}'"))?;
        let ids: BTreeSet<String> = stored.lines().map(str::to_owned).collect();
        ensure!(ids == acked, "{thread}: {} messages are stored, {} were acked", ids.len(), acked.len());
    }
    for server in world.servers {
        server.unshaken()?;
    }
    Ok(())
}

/// Stops a busy server at moments until it has threads locked; answers how many transactions it has open.
fn stop_in_a_transaction(server: &Server, cluster: &Cluster) -> anyhow::Result<u32> {
    let open = "select count(*) from pg_stat_activity a where a.state = 'idle in transaction' and exists \
        (select from pg_locks l where l.pid = a.pid and l.relation = 'thread'::regclass)";
    let start = Instant::now();
    loop {
        server.signal("STOP")?;
        let open = cluster.psql("postgres", open)?.parse()?;
        if open > 0 {
            return Ok(open);
        }
        server.signal("CONT")?;
        ensure!(start.elapsed() < DEADLINE, "it never had a transaction open");
    }
}
