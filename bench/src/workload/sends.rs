//! W4, W5 and W7: sends with an acknowledgement, a fixed number in flight, spread over threads of two.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::meter::{Latencies, Meter, count};
use super::{Server, Window, clients};
use crate::fixture::Thread;
use crate::generator::{Listener, Post};
use crate::measured::Measured;

/// How long the last acknowledgements and messages may take once nobody sends any more.
const LAST_MESSAGES_DEADLINE: Duration = Duration::from_secs(30);
/// How long a message is, in characters.
pub const CONTENT_CHARS: usize = 180;

/// Runs it: the threads' first members send, `in_flight` at once over all threads, each next send in the next thread.
///
/// With one thread all of them are in flight on its one socket. Every send has a `clientMsgId` of its own, never used
/// by another run. Figures: `acked_per_s`, `p50_ms` and `p99_ms` of acknowledgements; `delivered_per_s`, the
/// `newMessage` events at the second members.
///
/// # Errors
/// A client is not let in, a send is refused, a connection is lost, or the second members did not hear exactly the
/// messages that were acknowledged.
pub fn run(
    server: &Server,
    threads: &[Thread],
    in_flight: usize,
    window: &Window,
) -> anyhow::Result<Measured> {
    if let Some(other) = threads.iter().find(|thread| thread.members.len() != 2) {
        bail!("thread {} has {} members: this workload is for threads of two", other.id, other.members.len());
    }
    let mut fleet = clients::members(server, threads)?;
    let mut sends = Sends::new(threads, in_flight)?;
    for slot in 0..in_flight {
        sends.send(slot, fleet.post())?;
    }
    fleet.turn_until(Instant::now() + window.warm_up, &mut sends)?;
    sends.latencies = Latencies::new()?;
    let delivered = sends.delivered();
    let meter = Meter::start(server)?;
    fleet.turn_until(Instant::now() + window.measure, &mut sends)?;
    let (mut measured, took) = meter.stop(server)?;
    let latencies = std::mem::replace(&mut sends.latencies, Latencies::new()?);
    let delivered = sends.delivered() - delivered;

    sends.goes_on = false;
    fleet.turn_while(&mut sends, LAST_MESSAGES_DEADLINE, |sends| !sends.is_settled(), Sends::missing)?;
    measured.figures.insert("acked_per_s", count(latencies.count()) / took.as_secs_f64());
    measured.figures.insert("delivered_per_s", count(delivered) / took.as_secs_f64());
    measured.figures.insert("p50_ms", latencies.quantile_ms(0.5));
    measured.figures.insert("p99_ms", latencies.quantile_ms(0.99));
    Ok(measured)
}

struct Sends {
    threads: Vec<Sending>,
    /// What is in flight, by the id of its acknowledgement.
    slots: Vec<Option<InFlight>>,
    /// The thread of the next send.
    next: usize,
    keys: Keys,
    goes_on: bool,
    latencies: Latencies,
}

struct Sending {
    id: String,
    acked: u64,
    heard: u64,
}

#[derive(Clone, Copy)]
struct InFlight {
    thread: usize,
    since: Instant,
}

impl Sends {
    fn new(threads: &[Thread], in_flight: usize) -> anyhow::Result<Self> {
        let threads: Vec<_> =
            threads.iter().map(|thread| Sending { id: thread.id.clone(), acked: 0, heard: 0 }).collect();
        Ok(Self {
            threads,
            slots: vec![None; in_flight],
            next: 0,
            keys: Keys::new(),
            goes_on: true,
            latencies: Latencies::new()?,
        })
    }

    fn delivered(&self) -> u64 {
        self.threads.iter().map(|thread| thread.heard).sum()
    }

    fn send(&mut self, slot: usize, post: &mut Post) -> anyhow::Result<()> {
        let thread = self.next;
        self.next = (thread + 1) % self.threads.len();
        let sending = self.threads.get(thread).context("no thread")?;
        let key = self.keys.next();
        let words = Send { ack: slot, thread: &sending.id, content: CONTENT, key: &key };
        words.say(2 * thread, post);
        let in_flight = InFlight { thread, since: Instant::now() };
        *self.slots.get_mut(slot).context("a slot too many")? = Some(in_flight);
        Ok(())
    }

    /// Everything is acknowledged, and what was has been heard.
    fn is_settled(&self) -> bool {
        self.slots.iter().all(Option::is_none) && self.threads.iter().all(|of| of.acked <= of.heard)
    }

    fn missing(&self) -> String {
        let unacked = self.slots.iter().filter(|slot| slot.is_some()).count();
        let unheard: u64 = self.threads.iter().map(|of| of.acked.saturating_sub(of.heard)).sum();
        format!("{unacked} sends were not acknowledged, {unheard} acknowledged messages not delivered")
    }
}

impl Listener for Sends {
    fn event(&mut self, client: usize, name: &[u8], _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        // The senders hear their own messages too.
        if name == b"newMessage" && client % 2 == 1 {
            let thread = self.threads.get_mut(client / 2).context("a client too many")?;
            thread.heard += 1;
            let in_flight = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
            if thread.heard > thread.acked.saturating_add(in_flight) {
                bail!("client {client} heard more messages than were sent: some came twice");
            }
        }
        Ok(())
    }

    fn ack(&mut self, client: usize, id: u64, _: &[u8], post: &mut Post) -> anyhow::Result<()> {
        let slot = usize::try_from(id).unwrap_or(usize::MAX);
        let in_flight = self.slots.get_mut(slot).and_then(Option::take);
        let Some(InFlight { thread, since }) = in_flight else {
            bail!("client {client} was told of {id}, which it did not send");
        };
        self.latencies.record(since.elapsed());
        self.threads.get_mut(thread).context("no thread")?.acked += 1;
        if self.goes_on { self.send(slot, post) } else { Ok(()) }
    }
}

/// The same words in every message, 180 characters long.
pub(super) const CONTENT: &[u8] =
    b"Hello, thank you for the draft of the video. The second half is very good; could you \
show the product a little earlier, and name the code in the description? We could post it today";

/// One `sendMessage`.
pub(super) struct Send<'a> {
    pub(super) ack: usize,
    pub(super) thread: &'a str,
    pub(super) content: &'a [u8],
    pub(super) key: &'a str,
}

impl Send<'_> {
    pub(super) fn say(&self, over: usize, post: &mut Post) {
        post.say(
            over,
            &[
                b"42/messaging,",
                self.ack.to_string().as_bytes(),
                b"[\"sendMessage\",{\"threadId\":\"",
                self.thread.as_bytes(),
                b"\",\"content\":\"",
                self.content,
                b"\",\"clientMsgId\":\"",
                self.key.as_bytes(),
                b"\"}]",
            ],
        );
    }
}

/// Values for `clientMsgId`, in the form of a UUID of version 4: 64 bits that differ from run to run, and a count.
pub(super) struct Keys {
    run: u64,
    count: u64,
}

impl Keys {
    pub(super) fn new() -> Self {
        // The standard library's seed for hash maps comes from the system's random numbers.
        Self { run: RandomState::new().build_hasher().finish(), count: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        let run = self.run;
        let (first, second, third, fourth) =
            (run >> 32, (run >> 16) & 0xffff, (run >> 4) & 0xfff, 0x800 | (run & 0xf));
        format!("{first:08x}-{second:04x}-4{third:03x}-{:x}{:03x}-{:012x}", 8, fourth & 0xfff, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_said() {
        assert_eq!(CONTENT.len(), CONTENT_CHARS);
    }

    #[test]
    fn keys_look_like_uuids_and_differ() {
        let (mut one, mut other) = (Keys::new(), Keys::new());
        let keys = [one.next(), one.next(), other.next()];
        for key in &keys {
            let lengths: Vec<usize> = key.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{key}");
        }
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
    }
}
