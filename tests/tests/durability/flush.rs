//! An ack is written after the disk has what it says.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_tests::{Data, Rest, Server, Socket, Store, Users};

use crate::open;

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
