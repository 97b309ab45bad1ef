//! Large pages that are read at a trickle.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::ensure;
use tidings_tests::{DEADLINE, Rest, User};

use crate::world::{World, id};

const MESSAGES: usize = 500;
/// Each of it takes six bytes as JSON, so that a page of them is 30 MB.
const TEXT: &str = "\u{1}";
const READERS: usize = 60;
/// What answers in flight may take in all by default, and as much again for what else goes on.
const MORE_MEMORY_MAX: u64 = 2 * 64 * 1024 * 1024;

/// Somebody who takes next to nothing of the answer that they asked for.
struct Trickle {
    stream: TcpStream,
    has_begun: bool,
}

impl Trickle {
    fn begin(world: &World, user: &User, path: &str) -> anyhow::Result<Self> {
        let address = world.server.address();
        let mut stream = TcpStream::connect(address)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", user.token);
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, has_begun: false })
    }

    /// Takes a little, if there is something.
    fn read(&mut self) -> anyhow::Result<()> {
        match self.stream.read(&mut [0; 64]) {
            // Also when it was closed: it was answered in some way.
            Ok(_) => self.has_begun = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[test]
#[cfg(target_os = "linux")]
fn pages_read_at_a_trickle_do_not_fill_memory() -> anyhow::Result<()> {
    let world = World::new()?;
    let thread = id(1);
    let texts: Vec<_> =
        (0..MESSAGES).map(|number| world.message(1_000 + number, &TEXT.repeat(10_000))).collect();
    for chunk in texts.chunks(100) {
        world.imports(&[world.thread(&thread, "spring", chunk)])?;
    }
    let path = format!("/messaging/threads/{thread}/messages");
    let whole = Rest::of(world.server.address(), &world.users.bob).get(&path)?;
    ensure!(whole.status == 200 && whole.text.len() > MESSAGES * 60_000, "{} bytes", whole.text.len());
    ensure!(whole.json()?.as_array().is_some_and(|page| page.len() == MESSAGES), "the page is not whole");
    world.carol_waits()?;
    let quiet = world.server.memory()?;

    let mut readers = Vec::new();
    for reader in 0..READERS {
        let user = if reader % 2 == 0 { &world.users.alice } else { &world.users.bob };
        readers.push(Trickle::begin(&world, user, &path)?);
    }
    // Until everybody has an answer, or the beginning of one.
    let (mut most, began) = (quiet, Instant::now());
    while readers.iter().any(|reader| !reader.has_begun) {
        ensure!(began.elapsed() < 4 * DEADLINE, "the answers do not begin");
        for reader in &mut readers {
            reader.read()?;
        }
        world.carol_waits()?;
        most = most.max(world.server.memory()?);
    }
    let more = most.saturating_sub(quiet);
    ensure!(more < MORE_MEMORY_MAX, "{READERS} readers made {quiet} bytes of memory {more} more");
    world.server.unshaken()
}
