//! W2: one thread of many members; the first sends, a fixed number in flight, and everybody hears it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::meter::{Latencies, Meter, count};
use super::sends::{CONTENT, Keys, Send};
use super::{Server, Window, clients};
use crate::fixture::Thread;
use crate::generator::{Listener, Post};
use crate::measured::Measured;

/// How long the last messages may take to arrive everywhere once nothing more is sent.
const LAST_MESSAGES_DEADLINE: Duration = Duration::from_secs(30);

/// Runs it. Figures: `delivered_per_s`, the `newMessage` events at all members, the sender included where the server
/// tells it; `acked_per_s` and `p99_ms` of acknowledgements.
///
/// # Errors
/// A client is not let in, a send is refused, a connection is lost, or a member did not hear what was acknowledged.
pub fn run(server: &Server, thread: &Thread, in_flight: usize, window: &Window) -> anyhow::Result<Measured> {
    let mut fleet = clients::members(server, std::slice::from_ref(thread))?;
    let mut group = Group {
        thread: thread.id.clone(),
        slots: vec![None; in_flight],
        heard: vec![0; thread.members.len()],
        delivered: 0,
        acked: 0,
        keys: Keys::new(),
        goes_on: true,
        latencies: Latencies::new()?,
    };
    for slot in 0..in_flight {
        group.send(slot, fleet.post())?;
    }
    fleet.turn_until(Instant::now() + window.warm_up, &mut group)?;
    group.latencies = Latencies::new()?;
    let delivered = group.delivered;
    let meter = Meter::start(server)?;
    fleet.turn_until(Instant::now() + window.measure, &mut group)?;
    let (mut measured, took) = meter.stop(server)?;
    let latencies = std::mem::replace(&mut group.latencies, Latencies::new()?);
    let delivered = group.delivered - delivered;

    group.goes_on = false;
    fleet.turn_while(&mut group, LAST_MESSAGES_DEADLINE, |group| !group.is_settled(), Group::missing)?;
    measured.figures.insert("delivered_per_s", count(delivered) / took.as_secs_f64());
    measured.figures.insert("acked_per_s", count(latencies.count()) / took.as_secs_f64());
    measured.figures.insert("p99_ms", latencies.quantile_ms(0.99));
    Ok(measured)
}

struct Group {
    thread: String,
    /// Since when what is in flight is, by the id of its acknowledgement.
    slots: Vec<Option<Instant>>,
    /// How many messages each member has heard.
    heard: Vec<u64>,
    /// The sum of them.
    delivered: u64,
    acked: u64,
    keys: Keys,
    goes_on: bool,
    latencies: Latencies,
}

impl Group {
    fn send(&mut self, slot: usize, post: &mut Post) -> anyhow::Result<()> {
        let key = self.keys.next();
        Send { ack: slot, thread: &self.thread, content: CONTENT, key: &key }.say(0, post);
        *self.slots.get_mut(slot).context("a slot too many")? = Some(Instant::now());
        Ok(())
    }

    /// Members besides the sender who have not heard everything that was acknowledged.
    fn behind(&self) -> usize {
        self.heard.iter().skip(1).filter(|heard| **heard < self.acked).count()
    }

    fn is_settled(&self) -> bool {
        self.slots.iter().all(Option::is_none) && self.behind() == 0
    }

    fn missing(&self) -> String {
        let unacked = self.slots.iter().filter(|slot| slot.is_some()).count();
        format!(
            "{unacked} sends were not acknowledged, {} members did not hear all {} messages",
            self.behind(),
            self.acked
        )
    }
}

impl Listener for Group {
    fn event(&mut self, client: usize, name: &[u8], _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        if name == b"newMessage" {
            *self.heard.get_mut(client).context("a client too many")? += 1;
            self.delivered += 1;
        }
        Ok(())
    }

    fn ack(&mut self, client: usize, id: u64, _: &[u8], post: &mut Post) -> anyhow::Result<()> {
        let slot = usize::try_from(id).unwrap_or(usize::MAX);
        let Some(since) = self.slots.get_mut(slot).and_then(Option::take) else {
            bail!("client {client} was told of {id}, which it did not send");
        };
        self.latencies.record(since.elapsed());
        self.acked += 1;
        if self.goes_on { self.send(slot, post) } else { Ok(()) }
    }
}
