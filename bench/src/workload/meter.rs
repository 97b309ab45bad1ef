//! What a measurement costs whom: CPU time of the generator's thread and of the server's processes, their memory, and
//! latencies.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use super::Server;
use crate::contestant::GENERATOR_CORE;
use crate::measured::Measured;

/// The longest latency that is told apart, in nanoseconds: two minutes.
const LATENCY_NS_MAX: u64 = 120_000_000_000;

/// Begins with the measurement.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    generator: Duration,
    server: Duration,
    core: CoreTime,
}

impl Meter {
    /// Begins to count.
    pub(super) fn start(server: &Server) -> anyhow::Result<Self> {
        let used = cpu_time(&server.pids)?;
        Ok(Self { generator: own_cpu_time(), server: used, core: CoreTime::now()?, began: Instant::now() })
    }

    /// What has been used since: the shares of [`Measured`], without figures, and how long it was.
    pub(super) fn stop(&self, server: &Server) -> anyhow::Result<(Measured, Duration)> {
        let took = self.began.elapsed();
        let generator = own_cpu_time().saturating_sub(self.generator);
        let used = cpu_time(&server.pids)?.saturating_sub(self.server);
        let share = |used: Duration| used.as_secs_f64() / took.as_secs_f64();
        let measured = Measured {
            generator_busy: share(generator),
            generator_core_busy: CoreTime::now()?.busy_since(self.core),
            server_busy: share(used),
            ..Measured::default()
        };
        Ok((measured, took))
    }
}

/// What the generator's core has done since the system started, in clock ticks.
#[derive(Debug, Clone, Copy)]
struct CoreTime {
    idle: u64,
    all: u64,
}

impl CoreTime {
    fn now() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        Self::of(&stat, GENERATOR_CORE).context("the generator's core in /proc/stat")
    }

    /// Its line: user, nice, system, idle, iowait, irq, softirq, steal, and guests, who are in user already.
    fn of(stat: &str, core: usize) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")))?;
        let ticks: Vec<u64> =
            line.split_ascii_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
        Some(Self { idle, all: ticks.iter().sum() })
    }

    fn busy_since(self, before: Self) -> f64 {
        let idle = count(self.idle.saturating_sub(before.idle));
        1.0 - idle / count(self.all.saturating_sub(before.all)).max(1.0)
    }
}

/// The CPU time of the calling thread.
fn own_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The CPU time of these processes, all of their threads, as exact as the system's clock tick (10 ms).
pub(super) fn cpu_time(pids: &[u32]) -> anyhow::Result<Duration> {
    let ticks = pids.iter().map(|pid| ticks(*pid)).sum::<anyhow::Result<u64>>()?;
    Ok(Duration::from_millis(ticks.saturating_mul(1_000) / clock_ticks_per_second().max(1)))
}

fn ticks(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} of the server"))?;
    ticks_of(&stat).with_context(|| format!("the CPU time of process {pid}"))
}

/// utime and stime, which are the 14th and 15th field; the 2nd, the name, may hold spaces and ends with the last `)`.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

/// The resident memory of these processes, in bytes.
pub(super) fn resident_bytes(pids: &[u32]) -> anyhow::Result<u64> {
    pids.iter().map(|pid| resident_of(*pid)).sum()
}

/// Of the process's own page tables: the sum that `statm` tells is off by some dozens of pages per core.
fn resident_of(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid} of the server"))?;
    let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = rss.and_then(|rss| rss.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("the memory of process {pid}"))? * 1024)
}

/// Latencies, to three digits.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_max(LATENCY_NS_MAX, 3).context("making a histogram")?))
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    /// The latency that this share of all does not exceed, in milliseconds; 0 of none.
    pub(super) fn quantile_ms(&self, share: f64) -> f64 {
        milliseconds(self.0.value_at_quantile(share))
    }

    pub(super) fn max_ms(&self) -> f64 {
        milliseconds(self.0.max())
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    count(nanoseconds) / 1e6
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(super) const fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 3 0 5000 1 2";
        assert_eq!(ticks_of(stat), Some(42));
        assert_eq!(ticks_of("7 (a"), None);
    }

    #[test]
    fn a_core_is_busy_when_it_is_not_idle() {
        let stat = |idle: u64, user: u64| format!("cpu 9 9 9\ncpu1 {user} 0 0 {idle} 5 0 0 0 0 0\nintr 1\n");
        let [before, after] = [stat(100, 10), stat(125, 85)].map(|stat| CoreTime::of(&stat, 1).unwrap());
        assert!((after.busy_since(before) - 0.75).abs() < 1e-9);
        assert!(CoreTime::of("cpu0 1 2 3 4 5 6 7 8", 1).is_none());
    }

    #[test]
    fn of_this_process_there_is_time_and_memory() {
        let pids = [std::process::id()];
        assert!(cpu_time(&pids).is_ok());
        assert!(resident_bytes(&pids).unwrap() > 100_000);
    }

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut latencies = Latencies::new().unwrap();
        for ms in 1..=1_000 {
            latencies.record(Duration::from_millis(ms));
        }
        assert!((latencies.quantile_ms(0.5) - 500.0).abs() < 1.0);
        assert!((latencies.quantile_ms(0.99) - 990.0).abs() < 2.0);
        assert!((latencies.max_ms() - 1_000.0).abs() < 2.0);
        assert_eq!(latencies.count(), 1_000);
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(Duration::from_secs(1_000));
        assert!((latencies.max_ms() - 120_000.0).abs() < 200.0);
    }
}
