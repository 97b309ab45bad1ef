//! What a run measures: workloads in order, in each of them contestants that take turns.

mod durable;
mod goals;
mod lists;
mod live;
mod results;

use anyhow::Context;

pub use goals::{GOALS, Goal, Outcome};
pub use results::{Figure, Results};

use crate::contestant::Running;
use crate::measured::Measured;
use crate::stage::Stage;

/// The names of the contestants, as the tables have them.
pub mod names {
    /// The `tidings` binary; on the memory store, unless the name says more.
    pub const TIDINGS: &str = "tidings";
    /// On PostgreSQL.
    pub const TIDINGS_POSTGRES: &str = "tidings, postgres";
    /// On SQLite.
    pub const TIDINGS_SQLITE: &str = "tidings, sqlite";
    /// On SQLite, in a file with many messages; on PostgreSQL for lists.
    pub const TIDINGS_LARGE: &str = "tidings, many messages";
    /// Embedded, with threads of any size.
    pub const TIDINGS_GROUPS: &str = "tidings, embedded";
    /// Socket.IO on Node.js, with its default engine.
    pub const NODE_WS: &str = "node, ws";
    /// Socket.IO on `uWebSockets.js`.
    pub const NODE_UWS: &str = "node, uws";
    /// What the campaign marketplace runs.
    pub const NEST: &str = "nest, typeorm, postgres";
    /// Frames encoded beforehand, one write a frame.
    pub const RAW: &str = "raw, a write per frame";
    /// Frames encoded beforehand, those for one socket in one write.
    pub const RAW_COALESCED: &str = "raw, coalesced";
    /// The minimal insert.
    pub const PGBENCH_INSERT: &str = "pgbench, insert";
    /// Lock, number, insert, update: one function call.
    pub const PGBENCH_ROW_LOCK: &str = "pgbench, row lock";
}

/// What one contestant does when it is their turn: start, be measured, stop.
pub struct Turn<'a> {
    /// Whose turn.
    pub contestant: &'static str,
    /// What is done.
    pub take: Box<dyn FnMut() -> anyhow::Result<Measured> + 'a>,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("contestant", &self.contestant).finish_non_exhaustive()
    }
}

impl<'a> Turn<'a> {
    fn new(contestant: &'static str, take: impl FnMut() -> anyhow::Result<Measured> + 'a) -> Self {
        Self { contestant, take: Box::new(take) }
    }
}

/// One start, one measurement, one stop.
fn during(
    running: Running,
    measure: impl FnOnce(&Running) -> anyhow::Result<Measured>,
) -> anyhow::Result<Measured> {
    let measured = measure(&running)?;
    running.stop()?;
    Ok(measured)
}

/// A workload: its name, what it is, and how its contestants are got ready for it.
#[derive(Debug)]
pub struct Workload {
    /// `W1` and so on.
    pub id: &'static str,
    /// What is done, in a line.
    pub title: &'static str,
    /// Workloads whose results this one goes by.
    pub after: &'static [&'static str],
    turns: for<'a> fn(&'a Stage, &Results) -> anyhow::Result<Vec<Turn<'a>>>,
}

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        id: "W1",
        title: "500 threads of two, typing to and fro, saturated",
        after: &[],
        turns: live::typing,
    },
    Workload {
        id: "W2",
        title: "one thread of 1,000 members, one sender, 16 in flight, saturated",
        after: &[],
        turns: live::group,
    },
    Workload { id: "W3", title: "idle connections, authenticated", after: &[], turns: live::idle },
    Workload {
        id: "W4",
        title: "durable sends with ack, 200 threads, 64 in flight",
        after: &[],
        turns: durable::sends_64,
    },
    Workload {
        id: "W4-200",
        title: "durable sends with ack, 200 threads, 200 in flight",
        after: &[],
        turns: durable::sends_200,
    },
    Workload {
        id: "W4-slow",
        title: "durable sends with ack, 200 threads, 64 in flight, each fsync 2 ms longer",
        after: &[],
        turns: durable::sends_slow,
    },
    Workload {
        id: "W5",
        title: "durable sends with ack on SQLite, 200 threads, 64 in flight",
        after: &["W4"],
        turns: durable::sqlite,
    },
    Workload {
        id: "W6",
        title: "send to receive at half of the most that nest does",
        after: &["W4"],
        turns: durable::latency,
    },
    Workload {
        id: "W7",
        title: "durable sends with ack, one thread, 64 in flight",
        after: &[],
        turns: durable::hot_thread,
    },
    Workload {
        id: "W8",
        title: "a page of 20 of the thread list of a member of many threads",
        after: &[],
        turns: lists::lists,
    },
    Workload { id: "W9", title: "everybody comes back at once", after: &[], turns: live::reconnect },
    Workload { id: "W10", title: "from start to ready on an empty folder", after: &[], turns: live::boot },
];

impl Workload {
    /// Gives everybody their turn, as many times as the scale says: A B C A B C. `say` hears of each.
    ///
    /// # Errors
    /// Who failed, and why.
    pub fn run(&self, stage: &Stage, results: &mut Results, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let mut turns =
            (self.turns)(stage, results).with_context(|| format!("{}: getting ready", self.id))?;
        for round in 1..=stage.scale().rounds {
            for turn in &mut turns {
                let measured = (turn.take)()
                    .with_context(|| format!("{}, round {round}: {}", self.id, turn.contestant))?;
                say(&format!("  {} round {round}: {}: {measured}", self.id, turn.contestant));
                results.put(self.id, turn.contestant, measured);
            }
        }
        Ok(())
    }
}
