//! W3: users connect, and then nothing happens.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::meter::{Meter, count, cpu_time, resident_bytes};
use super::{Server, clients};
use crate::fixture::advertiser;
use crate::generator::{Connecting, Fleet};
use crate::measured::Measured;

/// Most handshakes in flight.
const AT_ONCE: usize = 200;
/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(120);
/// How long a server must have used no CPU time to count as quiet.
const QUIET: Duration = Duration::from_secs(2);
/// How long to wait for that.
const QUIET_DEADLINE: Duration = Duration::from_secs(15);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs it with as many users, who are let in and join nothing.
///
/// Figures: `connects_per_s`; `cpu_us_per_connect`, of the server; `bytes_per_connection`, by how much the server's resident memory has grown once it is quiet.
///
/// # Errors
/// A client is not let in, or a connection is lost at any time.
pub fn run(server: &Server, users: usize) -> anyhow::Result<Measured> {
    let names: Vec<String> = (0..users).map(advertiser).collect();
    let mut fleet = clients::fleet(server, names.iter().map(|name| (name.as_str(), None)))?;
    let before = resident_bytes(&server.pids)?;
    let used = cpu_time(&server.pids)?;
    let meter = Meter::start(server)?;
    let how = Connecting { at_once: AT_ONCE, again: false, within: CONNECT_DEADLINE };
    let connected = fleet.connect(how).context("connecting")?;
    let (mut measured, _) = meter.stop(server)?;
    let used = cpu_time(&server.pids)?.saturating_sub(used);

    wait_until_quiet(server, &mut fleet)?;
    let grown = resident_bytes(&server.pids)?.saturating_sub(before);
    // A turn more tells of connections that were closed meanwhile.
    fleet.turn(Duration::ZERO, &mut ())?;
    if fleet.ready() != users {
        bail!("{} of {users} clients are left", fleet.ready());
    }
    let users = count(u64::try_from(users).unwrap_or(u64::MAX));
    measured.figures.insert("connects_per_s", users / connected.took.as_secs_f64());
    measured.figures.insert("cpu_us_per_connect", used.as_secs_f64() * 1e6 / users);
    measured.figures.insert("bytes_per_connection", count(grown) / users);
    Ok(measured)
}

/// The clients go on to answer pings. A server that never is quiet is measured after the deadline.
fn wait_until_quiet(server: &Server, fleet: &mut Fleet) -> anyhow::Result<()> {
    let deadline = Instant::now() + QUIET_DEADLINE;
    let (mut used, mut since) = (cpu_time(&server.pids)?, Instant::now());
    while since.elapsed() < QUIET && Instant::now() < deadline {
        fleet.turn_until(Instant::now() + LOOK, &mut ())?;
        let now = cpu_time(&server.pids)?;
        if now != used {
            (used, since) = (now, Instant::now());
        }
    }
    Ok(())
}
