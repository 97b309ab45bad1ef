//! Tidings is killed right after an ack.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Data, Rest, Server, Socket, Store, Users};

use crate::{kills, open};

const KILLS_ON_SQLITE: usize = 50;
const KILLS_ON_POSTGRES: usize = 50;
/// Who sends at once, each on a connection of their own, so that a kill finds sends at every stage.
const SENDERS: usize = 4;

/// What one sender knows of one send.
struct Send {
    payload: Value,
    acked: Option<String>,
}

#[test]
fn every_acked_message_outlives_kill_9_on_sqlite() -> anyhow::Result<()> {
    kills_on(Store::Sqlite, KILLS_ON_SQLITE)
}

#[test]
fn every_acked_message_outlives_kill_9_on_postgres() -> anyhow::Result<()> {
    kills_on(Store::Postgres, KILLS_ON_POSTGRES)
}

fn kills_on(store: Store, usual: usize) -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(store)?;
    let mut server = Server::start(&data)?;
    for cycle in 0..kills(usual)? {
        let thread = open(&server, &users, &format!("cycle-{cycle}"))?;
        // A different number of acks each time, so that the kill falls on different moments.
        let sends = send_and_kill(server, &users, &thread, 1 + cycle % 7)?;
        check(store, &data).with_context(|| format!("after kill {cycle}"))?;
        server = Server::start(&data)?;
        let stored = stored(&server, &users, &thread)?;
        for send in &sends {
            let found = stored.get(send.payload["content"].as_str().unwrap_or_default());
            if let Some(acked) = &send.acked {
                ensure!(found == Some(acked), "cycle {cycle}: acked {acked}, found {found:?}");
            }
        }
        settle(&server, &users, &thread, &sends).with_context(|| format!("after kill {cycle}"))?;
    }
    let status = server.stop(DEADLINE)?;
    ensure!(status.success(), "a graceful stop ended with {status}");
    check(store, &data)
}

/// Sends until `acks` have come, and kills the server at that very moment.
fn send_and_kill(server: Server, users: &Users, thread: &str, acks: usize) -> anyhow::Result<Vec<Send>> {
    let mut sockets = Vec::new();
    for at in 0..SENDERS {
        let user = if at % 2 == 0 { &users.alice } else { &users.bob };
        sockets.push(Socket::connect(server.address(), user)?);
    }
    let victim = Mutex::new(Some(server));
    let counted = AtomicUsize::new(0);
    let sends = std::thread::scope(|scope| {
        let senders: Vec<_> = sockets
            .into_iter()
            .enumerate()
            .map(|(at, mut socket)| {
                let (victim, counted) = (&victim, &counted);
                scope.spawn(move || -> anyhow::Result<Vec<Send>> {
                    let mut sends = Vec::new();
                    for number in 0.. {
                        let text = format!("sender {at} message {number}");
                        let payload = json!({ "threadId": thread, "content": text, "clientMsgId": text });
                        let asked = socket.emit("sendMessage", &payload);
                        // When the server is gone, so is the answer; what is not acked is settled afterwards.
                        let ack = asked.and_then(|id| socket.ack(id)).ok();
                        let acked =
                            ack.as_ref().and_then(|ack| ack["message"]["id"].as_str()).map(str::to_owned);
                        let over = acked.is_none();
                        sends.push(Send { payload, acked });
                        if over {
                            break;
                        }
                        if counted.fetch_add(1, Ordering::SeqCst) + 1 == acks
                            && let Some(server) = victim.lock().ok().and_then(|mut victim| victim.take())
                        {
                            server.kill()?;
                        }
                    }
                    Ok(sends)
                })
            })
            .collect();
        let mut sends = Vec::new();
        for sender in senders {
            sends.extend(sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??);
        }
        anyhow::Ok(sends)
    })?;
    ensure!(
        victim.lock().is_ok_and(|victim| victim.is_none()),
        "the server refused sends before it was killed"
    );
    Ok(sends)
}

/// Ids of a thread's messages by their content; a content that is there twice is an error.
fn stored(server: &Server, users: &Users, thread: &str) -> anyhow::Result<HashMap<String, String>> {
    let page = Rest::of(server.address(), &users.bob)
        .get(&format!("/messaging/threads/{thread}/messages?limit=500"))?;
    let (mut found, mut seqs) = (HashMap::new(), BTreeSet::new());
    for message in page.json()?.as_array().context("not a page")? {
        seqs.extend(message["seq"].as_u64());
        let text =
            |field: &str| message[field].as_str().map(str::to_owned).context("a message without its fields");
        let content = text("content")?;
        ensure!(found.insert(content.clone(), text("id")?).is_none(), "{content} is stored twice");
    }
    ensure!(seqs.iter().copied().eq(1..=found.len() as u64), "gaps or doubles in seq: {seqs:?}");
    Ok(found)
}

/// Every send is made again under its key, as clients do that never heard the answer: now each is there once.
fn settle(server: &Server, users: &Users, thread: &str, sends: &[Send]) -> anyhow::Result<()> {
    let mut alice = Socket::connect(server.address(), &users.alice)?;
    let mut bob = Socket::connect(server.address(), &users.bob)?;
    for send in sends {
        let by_alice = send.payload["content"]
            .as_str()
            .is_some_and(|text| text.starts_with("sender 0") || text.starts_with("sender 2"));
        let socket = if by_alice { &mut alice } else { &mut bob };
        let id = socket.emit("sendMessage", &send.payload)?;
        let ack = socket.ack(id)?;
        let again = ack["message"]["id"].as_str().with_context(|| format!("refused: {ack}"))?;
        if let Some(acked) = &send.acked {
            ensure!(again == acked, "the same key gave another message: {ack}");
        }
    }
    let stored = stored(server, users, thread)?;
    ensure!(stored.len() == sends.len(), "{} messages for {} sends", stored.len(), sends.len());
    Ok(())
}

fn check(store: Store, data: &Data) -> anyhow::Result<()> {
    match store {
        Store::Sqlite => check_file(&data.database()),
        // The server answers for its own files, and has no means to look at all of them.
        Store::Memory | Store::Postgres => Ok(()),
    }
}

/// Asks SQLite itself whether the file is whole. Read and write, because a killed server leaves a log to recover.
fn check_file(database: &Path) -> anyhow::Result<()> {
    use sqlx::Connection as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict: String = runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        let verdict = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(verdict)
    })?;
    ensure!(verdict == "ok", "PRAGMA integrity_check: {verdict}");
    Ok(())
}
