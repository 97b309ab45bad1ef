//! Two members send at once, half of it twice: one order for everybody, no gap, no double; and pages that skip nothing.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::collections::{BTreeSet, HashMap};
use std::sync::Barrier;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{Data, Heard, Rest, Server, Socket, Store, User, Users};

/// Distinct messages in all.
const MESSAGES: usize = 300;
/// Every second one is sent again under its client key, at the same time, on another connection.
const REPEATED_EVERY: usize = 2;
/// Connections of each member.
const CONNECTIONS: usize = 8;

#[test]
fn in_memory() -> anyhow::Result<()> {
    one_order(Store::Memory)
}

#[test]
fn on_sqlite() -> anyhow::Result<()> {
    one_order(Store::Sqlite)
}

#[test]
fn on_postgres() -> anyhow::Result<()> {
    one_order(Store::Postgres)
}

fn one_order(store: Store) -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(store)?;
    let server = Server::start(&data)?;
    let rest = Rest::of(server.address(), &users.alice);
    let asked = json!({ "campaignId": "rush", "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let thread = rest.post("/messaging/threads", &asked)?.json()?;
    let thread = thread["id"].as_str().context("a thread without an id")?;

    let mut observers = [observer(&server, &users.alice, thread)?, observer(&server, &users.bob, thread)?];
    let acked = send_all(&server, &users, thread)?;
    let orders = [hear(&mut observers[0])?, hear(&mut observers[1])?];
    ensure!(orders[0] == orders[1], "the two observers heard different orders");

    // What was heard is what is stored, in the order in which it is stored.
    let page = rest.get(&format!("/messaging/threads/{thread}/messages?limit=500"))?.json()?;
    let stored: Vec<Value> = page.as_array().context("not a page")?.iter().rev().cloned().collect();
    let ids =
        |messages: &[Value]| messages.iter().map(|message| message["id"].to_string()).collect::<Vec<_>>();
    ensure!(ids(&stored) == ids(&orders[0]), "the store's order is another one");
    let seqs: Vec<u64> = stored.iter().filter_map(|message| message["seq"].as_u64()).collect();
    ensure!(seqs == (1..=MESSAGES as u64).collect::<Vec<_>>(), "gaps or doubles in seq: {seqs:?}");
    let paged = paged_by_date(&rest, thread)?;
    ensure!(ids(&paged) == ids(&stored), "pages by date have {} of {} messages", paged.len(), stored.len());
    let contents: BTreeSet<String> = stored.iter().map(|message| message["content"].to_string()).collect();
    ensure!(contents.len() == MESSAGES, "{} distinct contents", contents.len());

    // Both acks of a repeated send are of the one message that is stored.
    let by_content: HashMap<String, String> =
        stored.iter().map(|message| (message["content"].to_string(), message["id"].to_string())).collect();
    ensure!(acked.len() == MESSAGES + MESSAGES / REPEATED_EVERY, "{} acks", acked.len());
    for ack in &acked {
        ensure!(ack["success"] == true, "{ack}");
        let message = &ack["message"];
        ensure!(by_content.get(&message["content"].to_string()) == Some(&message["id"].to_string()), "{ack}");
    }
    Ok(())
}

/// All messages, oldest first, as a client gets them that asks for what is before the oldest one it knows.
fn paged_by_date(rest: &Rest, thread: &str) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = rest.get(&format!("/messaging/threads/{thread}/messages?limit=10{before}"))?.json()?;
        let page = page.as_array().context("not a page")?;
        let Some(oldest) = page.last() else { break };
        before = format!("&before={}", oldest["createdAt"].as_str().context("a message without a date")?);
        all.extend(page.iter().cloned());
    }
    all.reverse();
    Ok(all)
}

/// A socket that has joined and only listens.
fn observer(server: &Server, user: &User, thread: &str) -> anyhow::Result<Socket> {
    let mut socket = Socket::connect(server.address(), user)?;
    let joined = socket.emit("joinThread", &json!({ "threadId": thread }))?;
    ensure!(socket.ack(joined)?["success"] == true, "the observer could not join");
    Ok(socket)
}

/// All messages, as they came, and no more than there are.
fn hear(observer: &mut Socket) -> anyhow::Result<Vec<Value>> {
    let mut heard = Vec::new();
    while heard.len() < MESSAGES {
        if let Heard::Event(name, message) = observer.hear()?
            && name == "newMessage"
        {
            heard.push(message);
        }
    }
    // Anything more would have been put in this socket's queue before the answer to what it asks now.
    let last =
        observer.emit("leaveThread", &json!({ "threadId": "0197f000-0000-7000-8000-000000000000" }))?;
    loop {
        match observer.hear()? {
            Heard::Ack(id, _) if id == last => return Ok(heard),
            Heard::Event(name, message) => ensure!(name != "newMessage", "one too many: {message}"),
            Heard::Ack(..) => {}
        }
    }
}

/// Sends everything at once over many connections and gives the acks.
fn send_all(server: &Server, users: &Users, thread: &str) -> anyhow::Result<Vec<Value>> {
    let mut sockets = Vec::new();
    for user in [&users.alice, &users.bob] {
        for _ in 0..CONNECTIONS {
            sockets.push((user, Socket::connect(server.address(), user)?, Vec::new()));
        }
    }
    for number in 0..MESSAGES {
        let sender = number % 2;
        let payload = json!({ "threadId": thread, "content": format!("message {number}"), "clientMsgId": format!("key {number}") });
        let connection = (number / 2) % CONNECTIONS;
        let mut give = |connection: usize| {
            if let Some((_, _, payloads)) = sockets.get_mut(sender * CONNECTIONS + connection) {
                payloads.push(payload.clone());
            }
        };
        give(connection);
        // By twos, so that both members repeat half of theirs.
        if (number / 2).is_multiple_of(REPEATED_EVERY) {
            give((connection + 1) % CONNECTIONS);
        }
    }
    let start = Barrier::new(sockets.len());
    std::thread::scope(|scope| {
        let senders: Vec<_> = sockets
            .iter_mut()
            .map(|(_, socket, payloads)| {
                let start = &start;
                scope.spawn(move || -> anyhow::Result<Vec<Value>> {
                    start.wait();
                    // Nobody waits for an ack before everything is on its way.
                    let ids: Vec<u64> = payloads
                        .iter()
                        .map(|payload| socket.emit("sendMessage", payload))
                        .collect::<Result<_, _>>()?;
                    ids.into_iter().map(|id| socket.ack(id)).collect()
                })
            })
            .collect();
        let mut acks = Vec::new();
        for sender in senders {
            acks.extend(sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??);
        }
        Ok(acks)
    })
}
