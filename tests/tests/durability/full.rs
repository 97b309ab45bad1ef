//! A disk without room refuses writes and nothing else, for as long as it has none.

use std::ffi::OsString;
use std::fs::File;

use anyhow::ensure;
use serde_json::json;
use tidings_tests::{Data, Response, Rest, Server, Store, Users, eventually};

use crate::open;

/// The database and the log are on the disk that is full: whatever is written to a file fails.
#[test]
fn a_full_disk_refuses_sends_and_takes_them_again_once_there_is_room() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let log = File::options().create(true).append(true).open(data.path().join("log"))?;
    // A write beyond the limit fails, and does not kill.
    let wrapper = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""].map(OsString::from);
    let server = Server::run_with_stderr(Server::command(&wrapper, &data)?, log.into())?;
    let thread = open(&server, &users, "full")?;
    let alice = Rest::of(server.address(), &users.alice);
    let path = format!("/messaging/threads/{thread}/messages");
    let sends = |text: &str| Ok::<_, anyhow::Error>(alice.post(&path, &json!({ "content": text }))?.status);
    let ready = || Rest::anonymous(server.address()).get("/readyz");
    ensure!(sends("before")? == 201);

    for round in 0..3 {
        server.limit_files(Some(1))?;
        for n in 0..20 {
            let status = sends(&format!("refused {round} {n}"))?;
            ensure!(status == 503, "a send to a full disk is answered {status}");
        }
        // Readiness is remembered for a second.
        let is_unready = |answer: &Response| answer.status == 503 && answer.text.contains("cannot write");
        eventually("unready", || Ok(is_unready(&ready()?)))?;
        ensure!(alice.get(&path)?.status == 200, "reads go on");
        server.limit_files(None)?;
        eventually("sends are taken again", || Ok(sends(&format!("after {round}"))? == 201))?;
        eventually("ready again", || Ok(ready()?.status == 200))?;
    }
    // Without a send, too, it is found out that there is room again.
    server.limit_files(Some(1))?;
    ensure!(sends("refused")? == 503);
    eventually("unready again", || Ok(ready()?.status == 503))?;
    server.limit_files(None)?;
    eventually("ready without a send", || Ok(ready()?.status == 200))?;

    let stored = alice.get(&format!("{path}?limit=500"))?.text;
    ensure!(stored.contains("before") && stored.contains("after 2"), "{stored}");
    ensure!(!stored.contains("refused"), "what was refused was not stored: {stored}");
    Ok(())
}
