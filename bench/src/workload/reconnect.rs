//! W9: everybody loses their connection and comes back at once, while somebody else uses REST.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::http::HttpClient;
use super::meter::{Latencies, Meter, count};
use super::{Server, clients, list};
use crate::fixture::Thread;
use crate::generator::{Connecting, Tokens};
use crate::measured::Measured;

/// How long everybody may take to be back.
const BACK_DEADLINE: Duration = Duration::from_secs(60);
/// How often REST is asked.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// Runs it with all members of these threads, connected and joined.
///
/// Figures: `all_served_ms`, from the moment they begin to lose their connections until each is connected and joined again; `tried_again`, how many connections
/// failed on the way; and of thread lists asked for meanwhile, one every 20 ms, counted from when each was due:
/// `rest_p99_ms`, `rest_max_ms`, `rest_requests`.
///
/// # Errors
/// A client is refused, not all are back in time, or REST does not answer with 200.
pub fn run(server: &Server, threads: &[Thread]) -> anyhow::Result<Measured> {
    let asker = threads.first().and_then(|thread| thread.members.first()).context("no threads")?;
    let token = Tokens::new(&server.secret).of(asker)?;
    let mut fleet = clients::members(server, threads)?;
    let mut rest = HttpClient::connect(server.address)?;
    rest.get(list::PATH, &token)?;

    let meter = Meter::start(server)?;
    let (all_back, until) = channel();
    let began = Instant::now();
    let asking = thread::spawn(move || ask(rest, &token, began, &until));
    fleet.drop_connections();
    let how = Connecting { at_once: usize::MAX, again: true, within: BACK_DEADLINE };
    let connected = fleet.connect(how).context("coming back");
    let all_served = began.elapsed();
    let measured = meter.stop(server);
    if connected.is_ok() {
        all_back.send(began + all_served).ok();
    }
    drop(all_back);
    let asked = asking.join().map_err(|_| anyhow!("the thread that asks over REST panicked"))?;

    let (connected, asked, (mut measured, _)) = (connected?, asked?, measured?);
    let tried_again = u64::try_from(connected.tried_again).unwrap_or(u64::MAX);
    measured.figures.insert("all_served_ms", all_served.as_secs_f64() * 1_000.0);
    measured.figures.insert("tried_again", count(tried_again));
    measured.figures.insert("rest_p99_ms", asked.quantile_ms(0.99));
    measured.figures.insert("rest_max_ms", asked.max_ms());
    measured.figures.insert("rest_requests", count(asked.count()));
    Ok(measured)
}

/// Asks for the list at every time it is due, until the end that `until` tells of. What was due before the end is asked
/// even when it is late: a server that answers only one long request has not answered the others quickly.
fn ask(
    mut rest: HttpClient,
    token: &str,
    began: Instant,
    until: &Receiver<Instant>,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    let (mut due, mut end) = (began, None);
    loop {
        if end.is_none() {
            match until.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(at) => end = Some(at),
                Err(RecvTimeoutError::Timeout) => {}
                // It has failed, and nobody asks for this any more.
                Err(RecvTimeoutError::Disconnected) => return Ok(latencies),
            }
        }
        if end.is_some_and(|end| due > end) {
            return Ok(latencies);
        }
        rest.get(list::PATH, token)?;
        latencies.record(due.elapsed());
        due += ASKED_EVERY;
    }
}
