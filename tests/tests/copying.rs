//! `tidings copy`, from outside: what was served from one store is served from the other.
#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Data, Log, Rest, Server, Store, User, Users, tidings};

fn copy(folder: &Path, from: &str, to: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(tidings()?);
    command.args(["copy", "--from", from, "--to", to]).current_dir(folder).env_remove("DATABASE_URL");
    Ok(command)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

fn copied(data: &Data, from: &str, to: &str) -> anyhow::Result<String> {
    let output = copy(data.path(), from, to)?.output()?;
    ensure!(output.status.success(), "{from} to {to}: {}", text(&output));
    Ok(text(&output))
}

fn refused(data: &Data, from: &str, to: &str, why: &str) -> anyhow::Result<()> {
    let output = copy(data.path(), from, to)?.output()?;
    ensure!(output.status.code() == Some(1), "{from} to {to}: {}: {}", output.status, text(&output));
    ensure!(text(&output).contains(why), "{from} to {to} should have said {why:?}: {}", text(&output));
    Ok(())
}

fn sqlite(data: &Data) -> String {
    format!("sqlite:{}", data.database().display())
}

/// Everything that two people see over REST, as it is answered.
fn seen(server: &Server, users: &Users) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for user in [&users.alice, &users.bob] {
        let rest = Rest::of(server.address(), user);
        let list = rest.get("/messaging/threads?limit=500")?;
        ensure!(list.status == 200, "{list:?}");
        let threads = list.json()?;
        for thread in threads.as_array().context("a list")?.iter().take(20) {
            let id = thread["id"].as_str().context("an id")?;
            all.push(rest.get(&format!("/messaging/threads/{id}/messages?limit=500"))?.text);
        }
        all.push(list.text);
    }
    Ok(all)
}

fn opened(server: &Server, users: &Users, campaign: &str) -> anyhow::Result<String> {
    let asked = json!({ "campaignId": campaign, "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let opened = Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?;
    ensure!(opened.status == 201, "{opened:?}");
    Ok(opened.json()?["id"].as_str().context("an id")?.to_owned())
}

fn sent(server: &Server, user: &User, thread: &str, content: &str) -> anyhow::Result<Value> {
    let path = format!("/messaging/threads/{thread}/messages");
    let asked = json!({ "content": content, "clientMsgId": format!("key of {content}") });
    let sent = Rest::of(server.address(), user).post(&path, &asked)?;
    ensure!(sent.status == 201, "{sent:?}");
    sent.json()
}

#[test]
fn from_sqlite_to_postgres_and_back_nothing_changes() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let file = Data::new(Store::Sqlite)?;
    let server = Server::start(&file)?;
    let thread = opened(&server, &users, "spring")?;
    let first = sent(&server, &users.alice, &thread, "one")?;
    sent(&server, &users.bob, &thread, "two")?;
    opened(&server, &users, "empty")?;
    let before = seen(&server, &users)?;
    // Nothing is copied under a running server.
    refused(&file, &sqlite(&file), "sqlite:elsewhere.db", "stop the server first")?;
    server.stop(DEADLINE)?;

    let database = Data::new(Store::Postgres)?;
    let said = copied(&file, &sqlite(&file), database.url())?;
    ensure!(said.contains("checked: both have 2 users") && said.contains("2 messages"), "{said}");
    ensure!(!said.contains("postgres@"), "users and passwords of URLs are not shown: {said}");
    refused(&file, &sqlite(&file), database.url(), "is not empty")?;
    let server = Server::start(&database)?;
    ensure!(seen(&server, &users)? == before);
    ensure!(sent(&server, &users.alice, &thread, "one")?["id"] == first["id"], "keys are found again");
    sent(&server, &users.alice, &thread, "three")?;
    ensure!(opened(&server, &users, "summer")? != thread);
    let after = seen(&server, &users)?;
    server.stop(DEADLINE)?;

    let back = Data::new(Store::Sqlite)?;
    copied(&back, database.url(), &sqlite(&back))?;
    let server = Server::start(&back)?;
    ensure!(seen(&server, &users)? == after);
    sent(&server, &users.bob, &thread, "four")?;
    Ok(())
}

/// A file with so many threads of some messages each.
fn filled(users: &Users, threads: usize, messages: usize) -> anyhow::Result<Data> {
    let data = Data::new(Store::Sqlite)?;
    let server = Server::start(&data)?;
    let rest = Rest::of(server.address(), &users.host);
    let (alice, bob) = (users.alice.id, users.bob.id);
    let id = |kind: u8, thread: usize, n: usize| format!("{kind:08x}-0000-4000-8000-{thread:06x}{n:06x}");
    for first in (0..threads).step_by(100) {
        let made = (first..threads.min(first + 100)).map(|thread| {
            let said = (0..messages).map(|n| {
                json!({ "id": id(1, thread, n), "senderId": if n % 2 == 0 { alice } else { bob },
                    "content": format!("message {n} {}", "x".repeat(200)),
                    "createdAt": format!("2025-01-01T00:00:{:02}.000Z", n % 60) })
            });
            json!({ "id": id(2, thread, 0), "createdAt": "2025-01-01T00:00:00.000Z",
                "context": { "kind": "campaign", "id": format!("c{thread}") },
                "members": [{ "userId": alice, "role": "ADVERTISER" }, { "userId": bob, "role": "PROMOTER" }],
                "messages": said.collect::<Vec<Value>>() })
        });
        let told = rest.post("/v1/import/threads", &json!({ "threads": made.collect::<Vec<Value>>() }))?;
        ensure!(told.status == 200, "{}", told.text);
    }
    server.stop(DEADLINE)?;
    Ok(data)
}

/// Whoever would serve from an unfinished copy is told that it is one.
fn is_unfinished(data: &Data) -> anyhow::Result<()> {
    match Server::start(data) {
        Ok(_) => anyhow::bail!("an unfinished copy is served from"),
        Err(error) => {
            ensure!(format!("{error:#}").contains("unfinished copy of another store"), "{error:#}");
            Ok(())
        }
    }
}

#[test]
fn a_copy_that_is_killed_goes_on() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let file = filled(&users, 300, 40)?;
    let database = Data::new(Store::Postgres)?;
    let mut copying = copy(file.path(), &sqlite(&file), database.url())?;
    copying.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = copying.spawn()?;
    let log = Log::of(&mut child);
    let is_at_messages = |lines: &[String]| lines.iter().any(|line| line.contains("messages")).then_some(());
    let came = log.wait(DEADLINE, is_at_messages);
    child.kill()?;
    child.wait()?;
    came?;
    is_unfinished(&database)?;
    let said = copied(&file, &sqlite(&file), database.url())?;
    ensure!(said.contains("300 threads, 600 members, 12000 messages"), "{said}");
    let server = Server::start(&file)?;
    let before = seen(&server, &users)?;
    server.stop(DEADLINE)?;
    ensure!(seen(&Server::start(&database)?, &users)? == before);
    Ok(())
}

#[test]
fn a_full_disk_ends_a_copy_and_room_lets_it_go_on() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let file = filled(&users, 200, 20)?;
    let target = Data::new(Store::Sqlite)?;
    // No file may grow beyond 1 MiB: what a full disk is to a single program.
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    let command = copy(file.path(), &sqlite(&file), &sqlite(&target))?;
    let mut full = Command::new("sh");
    full.args(["-c", limited, "sh"]).arg(command.get_program()).args(command.get_args());
    let output = full.current_dir(file.path()).output()?;
    ensure!(output.status.code() == Some(1), "{}: {}", output.status, text(&output));
    ensure!(text(&output).contains("the same command goes on where it stopped"), "{}", text(&output));
    is_unfinished(&target)?;
    let said = copied(&file, &sqlite(&file), &sqlite(&target))?;
    ensure!(said.contains("200 threads, 400 members, 4000 messages"), "{said}");
    Server::start(&target)?;
    Ok(())
}

#[test]
fn what_cannot_be_copied_is_said() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let file = filled(&users, 1, 1)?;
    let source = sqlite(&file);
    refused(&file, &source, "mysql://root:hunter2@here/x", "--to: expected sqlite:PATH or postgres://")?;
    let output = copy(file.path(), &source, "mysql://root:hunter2@here/x")?.output()?;
    ensure!(!text(&output).contains("hunter2"), "{}", text(&output));
    refused(&file, "memory:", &source, "--from: memory: is empty")?;
    refused(&file, &source, "memory:", "--to: memory: is empty")?;
    refused(&file, &source, &source, "the same file")?;
    refused(&file, "sqlite:nowhere.db", "sqlite:target.db", "there is no database at nowhere.db")?;
    ensure!(!file.path().join("nowhere.db").exists() && !file.path().join("target.db").exists());
    std::fs::write(file.path().join("empty.db"), "")?;
    refused(&file, "sqlite:empty.db", "sqlite:target.db", "migrate the database first")?;
    ensure!(std::fs::read(file.path().join("empty.db"))?.is_empty(), "what is not ours is not touched");
    let nobody = "postgres://someone:hunter2@127.0.0.1:1/there";
    refused(&file, &source, nobody, "--to: postgres://127.0.0.1:1/there: cannot connect")?;
    let output = copy(file.path(), &source, nobody)?.output()?;
    ensure!(!text(&output).contains("hunter2"), "{}", text(&output));
    let used = filled(&users, 1, 1)?;
    refused(&file, &source, &sqlite(&used), "the target is not empty")?;
    let other = Data::new(Store::Postgres)?;
    refused(&file, other.url(), "sqlite:target.db", "migrate the database first")?;
    // After all that, the source is what it was.
    copied(&file, &source, "sqlite:folder/target.db").map(drop)
}
