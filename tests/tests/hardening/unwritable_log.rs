//! A log that cannot be written costs its lines and nothing else.

use std::ffi::OsString;
use std::fs::File;
use std::io::PipeReader;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_tests::{DEADLINE, Data, Heard, Rest, Server, Socket, Store, Users, eventually};

use crate::observed::samples;

/// What is wrong with standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stderr {
    /// A file system without room.
    Full,
    /// A pipe that nobody reads any more.
    Broken,
    /// A pipe whose reader is there and reads nothing.
    Stalled,
}

/// The write side for the server, and what must live as long as the server does.
fn stderr(wrong: Stderr) -> anyhow::Result<(Stdio, Option<PipeReader>)> {
    if wrong == Stderr::Full {
        return Ok((File::options().write(true).open("/dev/full")?.into(), None));
    }
    let (reader, writer) = std::io::pipe()?;
    let reader = if wrong == Stderr::Broken { None } else { Some(reader) };
    Ok((writer.into(), reader))
}

/// A server that logs every request.
fn serve(wrapper: &[&str], data: &Data) -> anyhow::Result<Command> {
    let wrapper: Vec<OsString> = wrapper.iter().map(OsString::from).collect();
    let mut command = Server::command(&wrapper, data)?;
    command.envs([("TIDINGS_LOG", "debug"), ("TIDINGS_NOTICES_AFTER", "1s")]);
    Ok(command)
}

/// REST answers, sockets hear, notices go out, metrics count, and the server ends well.
fn goes_on(wrong: Stderr) -> anyhow::Result<()> {
    let (users, data) = (Users::mint()?, Data::new(Store::Memory)?);
    let (stderr, _reader) = stderr(wrong)?;
    let server = Server::run_with_stderr(serve(&[], &data)?, stderr)?;
    let alice = Rest::of(server.address(), &users.alice);
    let asked = json!({ "campaignId": "log", "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let thread = alice.post("/messaging/threads", &asked)?.json()?;
    let thread = thread.get("id").and_then(serde_json::Value::as_str).context("no thread")?.to_owned();
    let path = format!("/messaging/threads/{thread}/messages");
    // Each request is a line of some hundred bytes: more than a pipe takes.
    for number in 0..600 {
        let sent = alice.post(&path, &json!({ "content": format!("message {number}") }))?;
        ensure!(sent.status == 201, "{sent:?}");
    }
    // Bob is away. His notice is a line of the log: one that cannot be written is not delivered, and is tried again.
    eventually("notices are worked on", || {
        let page = Rest::anonymous(server.address()).get("/metrics")?;
        let samples = samples(&page.text);
        let count = |outcome| {
            let name = format!(r#"tidings_notices_total{{outcome="{outcome}"}}"#);
            samples.get(name.as_str()).copied().unwrap_or_default()
        };
        // A pipe that is not full yet takes the line.
        let delivered = if wrong == Stderr::Stalled { count("delivered") } else { 0.0 };
        Ok(delivered + count("failed") >= 1.0)
    })?;
    let mut bob = Socket::connect(server.address(), &users.bob)?;
    ensure!(alice.post(&path, &json!({ "content": "heard" }))?.status == 201);
    bob.until(|heard| matches!(heard, Heard::Event(name, _) if name == "newMessage"))?;
    drop(bob);
    ensure!(Rest::anonymous(server.address()).get("/readyz")?.status == 200);
    eventually("lost lines are counted", || {
        let page = Rest::anonymous(server.address()).get("/metrics")?;
        Ok(samples(&page.text).get("tidings_log_lines_lost_total").is_some_and(|lost| *lost >= 1.0)
            || wrong == Stderr::Stalled)
    })?;
    let status = server.stop(DEADLINE)?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() -> anyhow::Result<()> {
    goes_on(Stderr::Full)
}

#[test]
fn a_log_whose_reader_died_stops_nothing() -> anyhow::Result<()> {
    goes_on(Stderr::Broken)
}

#[test]
fn a_log_whose_reader_reads_nothing_stops_nothing() -> anyhow::Result<()> {
    goes_on(Stderr::Stalled)
}

/// What was lost is said once there is room again.
#[test]
fn lost_lines_are_told_once_the_log_can_be_written_again() -> anyhow::Result<()> {
    let data = Data::new(Store::Memory)?;
    let log = data.path().join("log");
    let limit = 4096;
    // A write beyond the limit fails, and does not kill.
    let command = serve(&["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""], &data)?;
    let stderr = File::options().create(true).append(true).open(&log)?;
    let server = Server::run_with_stderr(command, stderr.into())?;
    server.limit_files(Some(limit))?;
    let rest = Rest::anonymous(server.address());
    let lost = || -> anyhow::Result<f64> {
        Ok(samples(&rest.get("/metrics")?.text).get("tidings_log_lines_lost_total").copied().unwrap_or(0.0))
    };
    eventually("lines are lost", || Ok(lost()? >= 10.0))?;
    server.limit_files(None)?;
    eventually("what was lost is told", || {
        rest.get("/healthz")?;
        Ok(std::fs::read_to_string(&log)?.contains("lines of this log were lost"))
    })?;
    Ok(())
}

/// The lines for the operator are on standard output; without one, the log has the address as well.
#[test]
fn a_standard_output_that_cannot_be_written_stops_nothing() -> anyhow::Result<()> {
    let data = Data::new(Store::Memory)?;
    let mut command = serve(&[], &data)?;
    command.env("TIDINGS_LOG", "info");
    let server = Server::run_with_stdout(command, File::options().write(true).open("/dev/full")?.into())?;
    ensure!(server.stop(DEADLINE)?.success());
    Ok(())
}
