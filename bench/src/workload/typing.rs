//! W1: typing events in threads of two, one in flight per thread, as fast as they go.
//!
//! A member who hears that the other one types, or no longer does, says at once that they begin or end typing
//! themselves. So every thread always has one event in flight, and each member's events alternate between true and
//! false.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::meter::{Latencies, Meter, count};
use super::{Server, Window, clients};
use crate::fixture::Thread;
use crate::generator::{Listener, Post};
use crate::measured::Measured;

/// How long the last events may take to arrive once nobody answers any more.
const LAST_EVENTS_DEADLINE: Duration = Duration::from_secs(10);

/// Runs it. Figures: `delivered_per_s`, the `userTyping` events that arrived; `p50_ms` and `p99_ms`, from a member's
/// `typing` to the other's `userTyping`.
///
/// # Errors
/// A client is not let in or is refused something, a connection is lost, or an event does not arrive.
pub fn run(server: &Server, threads: &[Thread], window: &Window) -> anyhow::Result<Measured> {
    let mut fleet = clients::members(server, threads)?;
    let mut typing = Typing::new(threads)?;
    for thread in 0..threads.len() {
        typing.say(2 * thread, fleet.post());
    }
    fleet.turn_until(Instant::now() + window.warm_up, &mut typing)?;
    typing.latencies = Latencies::new()?;
    let meter = Meter::start(server)?;
    fleet.turn_until(Instant::now() + window.measure, &mut typing)?;
    let (mut measured, took) = meter.stop(server)?;
    let latencies = std::mem::replace(&mut typing.latencies, Latencies::new()?);

    typing.answers = false;
    fleet.turn_while(
        &mut typing,
        LAST_EVENTS_DEADLINE,
        |typing| typing.in_flight() > 0,
        |typing| format!("{} of {} threads lost their event", typing.in_flight(), threads.len()),
    )?;
    measured.figures.insert("delivered_per_s", count(latencies.count()) / took.as_secs_f64());
    measured.figures.insert("p50_ms", latencies.quantile_ms(0.5));
    measured.figures.insert("p99_ms", latencies.quantile_ms(0.99));
    Ok(measured)
}

struct Typing {
    members: Vec<Member>,
    answers: bool,
    latencies: Latencies,
}

struct Member {
    /// What it says when it ends typing and when it begins.
    frames: [Vec<u8>; 2],
    types: bool,
    /// When it said what the other has not heard yet.
    said: Option<Instant>,
}

impl Typing {
    fn new(threads: &[Thread]) -> anyhow::Result<Self> {
        let mut members = Vec::with_capacity(2 * threads.len());
        for Thread { id, members: of, .. } in threads {
            if of.len() != 2 {
                bail!("thread {id} has {} members: this workload is for threads of two", of.len());
            }
            let frame = |types: bool| {
                let text =
                    format!("42/messaging,[\"typing\",{{\"threadId\":\"{id}\",\"isTyping\":{types}}}]");
                Post::encoded(text.as_bytes())
            };
            members.extend([0, 1].map(|_| Member {
                frames: [frame(false), frame(true)],
                types: false,
                said: None,
            }));
        }
        Ok(Self { members, answers: true, latencies: Latencies::new()? })
    }

    fn in_flight(&self) -> usize {
        self.members.iter().filter(|member| member.said.is_some()).count()
    }

    fn say(&mut self, member: usize, post: &mut Post) {
        let Some(who) = self.members.get_mut(member) else { return };
        who.types = !who.types;
        let [ends, begins] = &who.frames;
        post.say_encoded(member, if who.types { begins } else { ends });
        who.said = Some(Instant::now());
    }
}

impl Listener for Typing {
    fn event(&mut self, client: usize, name: &[u8], arguments: &[u8], post: &mut Post) -> anyhow::Result<()> {
        if name != b"userTyping" {
            return Ok(());
        }
        let other = self.members.get_mut(client ^ 1).context("a client too many")?;
        let Some(said) = other.said.take() else { bail!("client {client} heard typing that nobody said") };
        let types = is_typing(arguments).context("userTyping without isTyping")?;
        if types != other.types {
            bail!("client {client} heard the opposite of what was said");
        }
        self.latencies.record(said.elapsed());
        if self.answers {
            self.say(client, post);
        }
        Ok(())
    }

    fn ack(&mut self, client: usize, id: u64, _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        bail!("client {client} did not ask for an acknowledgement {id}")
    }
}

/// What an event's arguments tell: last, as all contestants write it, or anywhere.
fn is_typing(arguments: &[u8]) -> Option<bool> {
    let told = |text: &[u8]| arguments.windows(text.len()).any(|at| at == text);
    match arguments {
        [.., b't', b'r', b'u', b'e', b'}', b']'] => Some(true),
        [.., b'f', b'a', b'l', b's', b'e', b'}', b']'] => Some(false),
        _ if told(b"\"isTyping\":true") => Some(true),
        _ if told(b"\"isTyping\":false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_told_wherever_it_stands() {
        assert_eq!(is_typing(br#"",{"userId":"a","isTyping":true}]"#), Some(true));
        assert_eq!(is_typing(br#"",{"userId":"a","isTyping":false}]"#), Some(false));
        assert_eq!(is_typing(br#"",{"isTyping":true,"userId":"a"}]"#), Some(true));
        assert_eq!(is_typing(br#"",{"isTyping":false,"userId":"a"}]"#), Some(false));
        assert_eq!(is_typing(br#"",{"userId":"a"}]"#), None);
    }
}
