//! Many users of one address come back at once: an office behind one router, after a restart.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jsonwebtoken::{EncodingKey, Header};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tidings_tests::{DEADLINE, SECRET, Socket, User};

use crate::beside::Beside;
use crate::flood::{Flood, PING, Script, frame, websocket};

const USERS: usize = 900;
/// Fewer, where strangers use up what they share with them.
const USERS_BESIDE_STRANGERS: usize = 300;
/// How long it may take until all are in; a machine that also runs the strangers is slow.
const BACK_WITHIN: Duration = Duration::from_secs(120);
/// How often there is a look at what is counted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many of them connect at the same moment.
const AT_ONCE: usize = 100;
/// How long a client that was refused waits before it tries again, as stock clients do.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Counts new sockets that find no handshake left.
const WAITS: &str = "tidings_budget_waits_total{budget=\"handshakes\"}";
/// More than all sockets of a test need, on either side.
const OPEN_FILES: u64 = 4096;

fn world() -> anyhow::Result<Beside> {
    raise_open_files()?;
    Beside::new()
}

#[test]
fn none_of_them_is_refused() -> anyhow::Result<()> {
    let beside = world()?;
    let users = users(USERS)?;
    // Twice, so that what the first time took from a budget would be missed the second time.
    for _ in 0..2 {
        let refused = come_back(beside.server.address(), &users)?;
        ensure!(refused == 0, "{refused} connections of valid users were refused");
    }
    beside.server.unshaken()
}

#[test]
fn strangers_at_the_same_address_do_not_lock_them_out() -> anyhow::Result<()> {
    let beside = world()?;
    let users = users(USERS_BESIDE_STRANGERS)?;
    let strangers = Script { opening: vec![websocket()], once: Vec::new(), then: frame(PING, "") };
    let flood = Flood::begin(beside.server.address(), 200, strangers)?;
    let began = Instant::now();
    while beside.counted(WAITS)? < 1.0 {
        ensure!(began.elapsed() < DEADLINE, "the strangers do not use up the handshakes");
        std::thread::park_timeout(LOOK_EVERY);
    }
    let refused = come_back(beside.server.address(), &users)?;
    flood.end()?;
    println!("{refused} connections were refused meanwhile");
    beside.server.unshaken()
}

/// Connects them all, each until it is in; says how many attempts failed.
fn come_back(address: SocketAddr, users: &[User]) -> anyhow::Result<usize> {
    let (began, refused) = (Instant::now(), AtomicUsize::new(0));
    let waiting: Mutex<VecDeque<&User>> = Mutex::new(users.iter().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let connect_some = || -> anyhow::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        while let Some(user) = next() {
            loop {
                match Socket::connect(address, user) {
                    Ok(socket) => break sockets.push(socket),
                    Err(error) => {
                        ensure!(began.elapsed() < BACK_WITHIN, "{} is still outside: {error:#}", user.id);
                        refused.fetch_add(1, Ordering::Relaxed);
                        std::thread::park_timeout(AGAIN_AFTER);
                    }
                }
            }
        }
        Ok(sockets)
    };
    let sockets = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(connect_some)).collect();
        let joined = clients.into_iter().map(|client| client.join().ok().context("a client panicked")?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let connected: usize = sockets.iter().map(Vec::len).sum();
    ensure!(connected == users.len(), "{connected} of {} came back", users.len());
    Ok(refused.into_inner())
}

fn users(count: usize) -> anyhow::Result<Vec<User>> {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let user = |number: usize| -> anyhow::Result<User> {
        let id: &'static str = format!("user-{number}").leak();
        // Until the year 2100.
        let claims = json!({ "sub": id, "role": "PROMOTER", "name": id, "exp": 4_102_444_800_u64 });
        Ok(User {
            id,
            role: "PROMOTER",
            name: id,
            token: jsonwebtoken::encode(&Header::default(), &claims, &key)?,
        })
    };
    (0..count).map(user).collect()
}

/// For this process and for the servers that it starts.
fn raise_open_files() -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < OPEN_FILES) {
        let raised = Rlimit { current: Some(maximum.map_or(OPEN_FILES, |max| max.min(OPEN_FILES))), maximum };
        setrlimit(Resource::Nofile, raised).context("raising the limit of open files")?;
    }
    Ok(())
}
