//! W8: the first page of a member's threads, over REST, one request after the other.

use std::time::Instant;

use anyhow::{Context, bail};

use super::Server;
use super::http::HttpClient;
use super::meter::{Latencies, Meter, count};
use crate::generator::Tokens;
use crate::measured::Measured;

/// What is asked for.
pub(super) const PATH: &str = "/messaging/threads?limit=20";
/// How many threads a page has.
const THREADS: usize = 20;
/// Of how many requests one is a warm-up.
const WARM_UP_SHARE: usize = 5;

/// Runs it with as many requests of this user on one connection, after a fifth as many that do not count. Figures:
/// `p50_ms`, `p99_ms`, `per_s`, and `body_bytes`.
///
/// # Errors
/// An answer is not 200, or the first one does not hold 20 threads, or the server does not answer in time.
pub fn run(server: &Server, user: &str, requests: usize) -> anyhow::Result<Measured> {
    let token = Tokens::new(&server.secret).of(user)?;
    let mut client = HttpClient::connect(server.address)?;
    let body = client.get(PATH, &token)?;
    let length = body.len();
    let page: Vec<serde_json::Value> = serde_json::from_slice(body).context("the page of threads")?;
    if page.len() != THREADS {
        bail!("the page holds {} threads instead of {THREADS}", page.len());
    }
    for _ in 0..requests.div_ceil(WARM_UP_SHARE) {
        client.get(PATH, &token)?;
    }
    let mut latencies = Latencies::new()?;
    let meter = Meter::start(server)?;
    for _ in 0..requests {
        let asked = Instant::now();
        client.get(PATH, &token)?;
        latencies.record(asked.elapsed());
    }
    let (mut measured, took) = meter.stop(server)?;
    measured.figures.insert("per_s", count(latencies.count()) / took.as_secs_f64());
    measured.figures.insert("p50_ms", latencies.quantile_ms(0.5));
    measured.figures.insert("p99_ms", latencies.quantile_ms(0.99));
    measured.figures.insert("body_bytes", count(u64::try_from(length).unwrap_or(u64::MAX)));
    Ok(measured)
}
