//! W6: sends at a fixed rate, whatever the server does, and how long they take to the other member.
//!
//! Every send has a time at which it is due, and its latency counts from then. A server that falls behind, or a
//! generator that does, shows in all that are late because of it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::meter::{Latencies, Meter, count};
use super::sends::{CONTENT, CONTENT_CHARS, Keys, Send};
use super::{Server, Window, clients};
use crate::fixture::Thread;
use crate::generator::{Fleet, Listener, Post};
use crate::measured::Measured;

/// How long the last messages may take.
const LAST_MESSAGES_DEADLINE: Duration = Duration::from_secs(60);
/// The longest turn.
const TURN: Duration = Duration::from_millis(100);
/// What the number of a send stands behind in its content.
const MARK: &[u8] = b"\"content\":\"#";
/// How many digits that number has.
const DIGITS: usize = 10;

/// Runs it: `rate` sends per second, each next one in the next of the threads of two, from its first member.
///
/// Figures:
/// `p50_ms`, `p99_ms` and `max_ms` from the time a send was due to the `newMessage` at the second member;
/// `acked_p99_ms`, to its acknowledgement; `rate_per_s`, as asked for; `delivered_per_s`, as came out.
///
/// # Errors
/// A client is not let in, a send is refused, a connection is lost, or a message does not arrive or arrives twice.
pub fn run(server: &Server, threads: &[Thread], rate: f64, window: &Window) -> anyhow::Result<Measured> {
    if !(rate.is_finite() && rate > 0.0) {
        bail!("{rate} sends per second are no rate");
    }
    let mut fleet = clients::members(server, threads)?;
    let began = Instant::now();
    let counts_from = began + window.warm_up;
    let mut latency = Latency {
        threads: threads.iter().map(|thread| thread.id.clone()).collect(),
        began,
        counts_from,
        rate,
        heard: Vec::new(),
        acked: Vec::new(),
        arrivals: 0,
        keys: Keys::new(),
        latencies: Latencies::new()?,
        acks: Latencies::new()?,
    };
    latency.send_until(counts_from, &mut fleet)?;
    let (meter, arrivals) = (Meter::start(server)?, latency.arrivals);
    latency.send_until(counts_from + window.measure, &mut fleet)?;
    let (mut measured, took) = meter.stop(server)?;
    let arrivals = latency.arrivals - arrivals;

    fleet.turn_while(
        &mut latency,
        LAST_MESSAGES_DEADLINE,
        |latency| !latency.is_settled(),
        Latency::missing,
    )?;
    measured.figures.insert("rate_per_s", rate);
    measured.figures.insert("delivered_per_s", count(arrivals) / took.as_secs_f64());
    measured.figures.insert("p50_ms", latency.latencies.quantile_ms(0.5));
    measured.figures.insert("p99_ms", latency.latencies.quantile_ms(0.99));
    measured.figures.insert("max_ms", latency.latencies.max_ms());
    measured.figures.insert("acked_p99_ms", latency.acks.quantile_ms(0.99));
    Ok(measured)
}

struct Latency {
    threads: Vec<String>,
    began: Instant,
    /// Sends that are due from then on count.
    counts_from: Instant,
    rate: f64,
    /// Of each send, by its number: whether the other member has heard it.
    heard: Vec<bool>,
    /// The same of its acknowledgement.
    acked: Vec<bool>,
    /// How many have been heard.
    arrivals: u64,
    keys: Keys,
    latencies: Latencies,
    acks: Latencies,
}

impl Latency {
    /// When this send is due.
    fn due(&self, number: usize) -> Instant {
        let number = count(u64::try_from(number).unwrap_or(u64::MAX));
        self.began + Duration::from_secs_f64(number / self.rate)
    }

    fn send_until(&mut self, end: Instant, fleet: &mut Fleet) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            while self.due(self.heard.len()) <= now {
                self.send(fleet.post())?;
            }
            let next = self.due(self.heard.len()).min(end);
            fleet.turn(next.saturating_duration_since(Instant::now()).min(TURN), self)?;
        }
    }

    fn send(&mut self, post: &mut Post) -> anyhow::Result<()> {
        let number = self.heard.len();
        let at = number % self.threads.len();
        let thread = self.threads.get(at).context("no thread")?;
        let mut content = format!("#{number:0DIGITS$} ").into_bytes();
        content.extend_from_slice(CONTENT);
        content.truncate(CONTENT_CHARS);
        let key = self.keys.next();
        Send { ack: number, thread, content: &content, key: &key }.say(2 * at, post);
        self.heard.push(false);
        self.acked.push(false);
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.arrivals == u64::try_from(self.heard.len()).unwrap_or(u64::MAX)
            && self.acked.iter().all(|acked| *acked)
    }

    fn missing(&self) -> String {
        let missing = |these: &[bool]| these.iter().filter(|done| !**done).count();
        format!(
            "of {} sends {} were not acknowledged and {} not delivered",
            self.heard.len(),
            missing(&self.acked),
            missing(&self.heard)
        )
    }

    fn note(&mut self, number: usize, into: fn(&mut Self) -> &mut Latencies) {
        let due = self.due(number);
        if due >= self.counts_from {
            into(self).record(due.elapsed());
        }
    }
}

impl Listener for Latency {
    fn event(&mut self, client: usize, name: &[u8], arguments: &[u8], _: &mut Post) -> anyhow::Result<()> {
        // The senders hear their own messages too.
        if name != b"newMessage" || client.is_multiple_of(2) {
            return Ok(());
        }
        let number = number_in(arguments).context("a message that was not sent here")?;
        let heard = self.heard.get_mut(number).context("a message that was not sent yet")?;
        if std::mem::replace(heard, true) {
            bail!("client {client} heard message {number} twice");
        }
        self.arrivals += 1;
        self.note(number, |of| &mut of.latencies);
        Ok(())
    }

    fn ack(&mut self, client: usize, id: u64, _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        let number = usize::try_from(id).unwrap_or(usize::MAX);
        let acked = self.acked.get_mut(number).context("an acknowledgement of nothing")?;
        if std::mem::replace(acked, true) {
            bail!("client {client} was told of {id} twice");
        }
        self.note(number, |of| &mut of.acks);
        Ok(())
    }
}

/// The number that a send wrote into its content.
fn number_in(arguments: &[u8]) -> Option<usize> {
    let at = arguments.windows(MARK.len()).position(|at| at == MARK)? + MARK.len();
    std::str::from_utf8(arguments.get(at..at + DIGITS)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_number() {
        let heard = br##"",{"id":"x","content":"#0000000207 Hello","isRead":false}]"##;
        assert_eq!(number_in(heard), Some(207));
        assert_eq!(number_in(br##"",{"content":"Hello #0000000207"}]"##), None);
        assert_eq!(number_in(br##"",{"content":"#000"##), None);
    }
}
