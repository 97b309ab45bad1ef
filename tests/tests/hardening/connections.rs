//! Connections that do not behave. The waits themselves are tested in the server's own tests, with shorter ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::ensure;
use tidings_tests::DEADLINE;

use crate::world::{Answer, World};

/// Much less than the waits for heads and bodies.
const AT_ONCE: Duration = Duration::from_secs(8);
/// A connection that is left alone for so long was let in.
const LEFT_ALONE: Duration = Duration::from_secs(1);

fn connect(world: &World) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&world.server.address(), DEADLINE)?;
    stream.set_read_timeout(Some(AT_ONCE))?;
    Ok(stream)
}

#[test]
fn a_strangers_body_is_not_waited_for() -> anyhow::Result<()> {
    let world = World::with(&[])?;
    for head in ["POST /messaging/threads", "POST /v1/import/threads"] {
        let mut stream = connect(&world)?;
        write!(stream, "{head} HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n{{")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(Answer::parse(&answer)?.status == 401);
    }
    Ok(())
}

#[test]
fn one_address_does_not_take_every_connection() -> anyhow::Result<()> {
    let world = World::with(&[("TIDINGS_LIMITS_HTTP_CONNECTIONS_PER_ADDRESS", "3")])?;
    // Connections that have asked nothing yet keep their places; those that rest after an answer make room.
    let mut held = Vec::new();
    loop {
        let mut one = connect(&world)?;
        one.set_read_timeout(Some(LEFT_ALONE))?;
        let read = one.read(&mut [0]);
        if !is_timeout(&read) {
            ensure!(matches!(read, Ok(0) | Err(_)), "one more is closed without a word: {read:?}");
            break;
        }
        held.push(one);
        ensure!(held.len() <= 3, "there are more than there may be");
    }
    ensure!(held.len() >= 2, "only {} found a place", held.len());
    // A place that becomes free can be had.
    drop(held);
    answered(&world)?;
    Ok(())
}

/// A connection that has a place, which its answer proves: the connection that asked whether the server is ready may
/// still hold one.
fn answered(world: &World) -> anyhow::Result<TcpStream> {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let mut stream = connect(world)?;
        let mut start = [0; 12];
        let asked = write!(stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        if asked.is_ok() && stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 200" {
            return Ok(stream);
        }
        ensure!(std::time::Instant::now() < deadline, "no place became free");
    }
}

fn is_timeout(read: &std::io::Result<usize>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_trusted_proxys_connections_are_not_counted() -> anyhow::Result<()> {
    let world = World::with(&[
        ("TIDINGS_LIMITS_HTTP_CONNECTIONS_PER_ADDRESS", "3"),
        ("TIDINGS_SERVER_TRUSTED_PROXIES", "127.0.0.1"),
    ])?;
    let held: Vec<TcpStream> = (0..20).map(|_| connect(&world)).collect::<Result<_, _>>()?;
    ensure!(world.asks("GET /healthz", &[], "")?.status == 200);
    drop(held);
    Ok(())
}

#[test]
fn the_server_stops_without_waiting_for_the_silent() -> anyhow::Result<()> {
    let world = World::with(&[])?;
    let held: Vec<TcpStream> = (0..20).map(|_| connect(&world)).collect::<Result<_, _>>()?;
    ensure!(world.asks("GET /healthz", &[], "")?.status == 200);
    let ended = world.server.stop(AT_ONCE)?;
    ensure!(ended.success(), "{ended}");
    drop(held);
    Ok(())
}
