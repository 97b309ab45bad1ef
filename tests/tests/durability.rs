//! What was acked is there after a crash, once; and an ack is written after the disk has it.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Data, Rest, Server, Socket, Store, Users};

/// Kills in a usual run; `cargo xtask kill --cycles N` sets another number.
const KILLS: usize = 50;
/// Who sends at once, each on a connection of their own, so that a kill finds sends at every stage.
const SENDERS: usize = 4;

fn kills() -> anyhow::Result<usize> {
    #[expect(clippy::disallowed_methods, reason = "how cargo xtask reaches into a test")]
    match std::env::var("TIDINGS_KILL_CYCLES") {
        Ok(cycles) => cycles.parse().context("TIDINGS_KILL_CYCLES is not a number"),
        Err(_) => Ok(KILLS),
    }
}

/// What one sender knows of one send.
struct Send {
    payload: Value,
    acked: Option<String>,
}

#[test]
fn every_acked_message_outlives_kill_9() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let mut server = Server::start(&data)?;
    for cycle in 0..kills()? {
        let thread = open(&server, &users, &format!("cycle-{cycle}"))?;
        // A different number of acks each time, so that the kill falls on different moments.
        let sends = send_and_kill(server, &users, &thread, 1 + cycle % 7)?;
        check_file(&data.database()).with_context(|| format!("after kill {cycle}"))?;
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
    check_file(&data.database())
}

fn open(server: &Server, users: &Users, campaign: &str) -> anyhow::Result<String> {
    let asked = json!({ "campaignId": campaign, "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let opened = Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?;
    ensure!(opened.status == 201, "{opened:?}");
    Ok(opened.json()?["id"].as_str().context("a thread without an id")?.to_owned())
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
    let page =
        Rest::of(server.address(), &users.bob).get(&format!("/messaging/threads/{thread}/messages"))?;
    let mut found = HashMap::new();
    for message in page.json()?.as_array().context("not a page")? {
        let text =
            |field: &str| message[field].as_str().map(str::to_owned).context("a message without its fields");
        let content = text("content")?;
        ensure!(found.insert(content.clone(), text("id")?).is_none(), "{content} is stored twice");
    }
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

/// A line of a trace that matters here.
#[derive(Debug, PartialEq, Eq)]
enum Traced {
    /// A flush of the write-ahead log began.
    FlushBegan,
    /// A flush that this thread had begun has ended well.
    FlushEnded,
    /// A flush of the write-ahead log, undisturbed by other threads.
    Flushed,
    /// A send was read.
    Read,
    /// The send with this number was answered.
    Answered(usize),
}

#[test]
fn the_disk_has_it_before_the_ack_is_written() -> anyhow::Result<()> {
    let strace = Command::new("strace").arg("-V").output();
    ensure!(
        strace.is_ok_and(|output| output.status.success()),
        "strace is missing; run: apt-get install strace"
    );
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let trace = data.path().join("trace");
    let syscalls = "trace=fsync,fdatasync,read,recvfrom,write,writev,sendto,sendmsg";
    // -D: the server stays our child; strace is its own.
    let wrapper: Vec<OsString> = ["strace", "-D", "-f", "-y", "-s", "1024", "-e", syscalls, "-o"]
        .into_iter()
        .map(OsString::from)
        .chain([trace.clone().into_os_string()])
        .collect();
    let server = Server::start_under(&wrapper, &data)?;
    let thread = open(&server, &users, "traced")?;
    let rest = Rest::of(server.address(), &users.alice);
    let mut socket = Socket::connect(server.address(), &users.alice)?;
    for number in 0..20 {
        // Odd ones over the socket, even ones over REST; each waits for its ack, so that the trace tells them apart.
        let content = format!("traced-{number}-");
        if number % 2 == 0 {
            let sent =
                rest.post(&format!("/messaging/threads/{thread}/messages"), &json!({ "content": content }))?;
            ensure!(sent.status == 201, "{sent:?}");
        } else {
            let id = socket.emit("sendMessage", &json!({ "threadId": thread, "content": content }))?;
            ensure!(socket.ack(id)?["success"] == true, "refused");
        }
    }
    drop(socket);
    // The pipes close when strace has written its last line.
    server.stop(Duration::from_secs(60))?;
    let trace = fs::read_to_string(&trace).context("reading the trace")?;
    assert_flushed_before_answers(&trace, 20)
}

fn assert_flushed_before_answers(trace: &str, sends: usize) -> anyhow::Result<()> {
    let mut answered = 0;
    let mut flushing = HashSet::new();
    let mut flushed = false;
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        match traced(call.trim_start()) {
            // Over the socket the answer before begins the count instead: what clients write there is masked.
            Some(Traced::Read) => {
                flushing.clear();
                flushed = false;
            }
            Some(Traced::FlushBegan) => {
                flushing.insert(process);
            }
            Some(Traced::FlushEnded) => flushed |= flushing.remove(process),
            Some(Traced::Flushed) => flushed = true,
            Some(Traced::Answered(number)) => {
                ensure!(number == answered, "answers out of order: {number} after {answered}\n{line}");
                ensure!(flushed, "the answer to send {number} was written before the disk had it:\n{line}");
                flushing.clear();
                flushed = false;
                answered += 1;
            }
            None => {}
        }
    }
    ensure!(answered == sends, "the trace shows {answered} answers of {sends}");
    Ok(())
}

fn traced(call: &str) -> Option<Traced> {
    let named = |names: &[&str]| names.iter().any(|name| call.starts_with(name));
    if named(&["fdatasync(", "fsync("]) && call.contains("-wal>") {
        return Some(if call.ends_with("= 0") { Traced::Flushed } else { Traced::FlushBegan });
    }
    if named(&["<... fdatasync resumed", "<... fsync resumed"]) && call.ends_with("= 0") {
        return Some(Traced::FlushEnded);
    }
    if call.contains("POST /messaging") && call.contains("traced-") {
        return Some(Traced::Read);
    }
    let answers = call.contains("HTTP/1.1 201") || call.contains("43/messaging");
    if named(&["write(", "writev(", "sendto(", "sendmsg("]) && answers {
        let number = call.split_once("traced-")?.1.split_once('-')?.0;
        return number.parse().ok().map(Traced::Answered);
    }
    None
}

#[test]
fn an_early_ack_would_be_noticed() {
    let read = r#"7 recvfrom(9<socket>, "POST /messaging/threads/x/messages {\"content\":\"traced-0-\"}", 8192, 0, NULL, NULL) = 99"#;
    let began = "8 fdatasync(5</d/under-test.db-wal> <unfinished ...>";
    let ended = "8 <... fdatasync resumed>) = 0";
    let whole = "8 fdatasync(5</d/under-test.db-wal>) = 0";
    let other = "8 fdatasync(6</d/under-test.db>) = 0";
    let answer =
        r#"7 sendto(9<socket>, "HTTP/1.1 201 Created {\"content\":\"traced-0-\"}", 70, 0, NULL, 0) = 70"#;
    let judge = |lines: &[&str]| assert_flushed_before_answers(&lines.join("\n"), 1);
    assert!(judge(&[read, whole, answer]).is_ok());
    assert!(judge(&[read, began, ended, answer]).is_ok());
    assert!(judge(&[read, answer, whole]).is_err());
    assert!(judge(&[whole, read, answer]).is_err());
    assert!(judge(&[began, read, ended, answer]).is_err());
    assert!(judge(&[read, began, answer, ended]).is_err());
    assert!(judge(&[read, other, answer]).is_err());
    assert!(judge(&[read, whole]).is_err());
}
