//! What a run leaves: tables for people, and everything as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use crate::contestant::CONFIG;
use crate::machine::Machine;
use crate::measured::Rounded;
use crate::programme::{GOALS, Outcome, Results, WORKLOADS};
use crate::stage::{POSTGRES_SETTINGS, Scale};

/// From here on the generator, or what shares its core, may be what limits a figure.
const LIMITS: f64 = 0.9;

/// A run: what was measured, where, and what went wrong.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// `full` or `quick`.
    pub kind: &'static str,
    /// Where.
    pub machine: &'a Machine,
    /// Every round of everybody.
    pub results: &'a Results,
    /// Workloads that could not be measured, and why.
    pub failures: &'a [String],
    /// How the goals were met.
    pub goals: Vec<Outcome>,
}

impl<'a> Report<'a> {
    /// Of these results.
    #[must_use]
    pub fn new(
        kind: &'static str,
        machine: &'a Machine,
        results: &'a Results,
        failures: &'a [String],
    ) -> Self {
        let goals = GOALS.iter().map(|goal| goal.outcome(results)).collect();
        Self { kind, machine, results, failures, goals }
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self, scale: &Scale) -> String {
        let mut text = self.setting(scale);
        for workload in WORKLOADS {
            if let Some(table) = self.table(workload.id) {
                write!(text, "\n### {}: {}\n\n{table}", workload.id, workload.title).ok();
            }
        }
        if self.goals.iter().any(|goal| goal.measured.is_some()) {
            text.push_str("\n### Goals\n\n");
            if self.kind != "full" {
                text.push_str("They are meant for the full run; this one loaded less and measured for a shorter time.\n\n");
            }
            text.push_str("| goal | measured | met |\n|---|---|---|\n");
            for Outcome { goal, measured, met } in &self.goals {
                let met = match (measured, met) {
                    (None, _) => "not measured",
                    (_, true) => "yes",
                    (_, false) => "**no**",
                };
                let measured = measured.map_or_else(String::new, |measured| Rounded(measured).to_string());
                writeln!(text, "| {goal} | {measured} | {met} |").ok();
            }
        }
        for failure in self.failures {
            writeln!(text, "\nNot measured: {failure}").ok();
        }
        text
    }

    fn setting(&self, scale: &Scale) -> String {
        let Machine { processor, cores, memory_mib, kernel, congestion, programs, fdatasync_us } =
            self.machine;
        let settings = POSTGRES_SETTINGS.join(", ");
        let [few, many] = scale.listed_messages;
        let sizes = format!(
            "{} idle connections, {} returning clients, lists of a member of {} threads with {few} and {many} messages \
             in each, asked for {} times, {} messages in the SQLite file.",
            scale.idle, scale.returning, scale.listed_threads, scale.lists, scale.stored
        );
        format!(
            "{processor}, {cores} cores, {memory_mib} MiB, {kernel}, {congestion}; {}; an fdatasync takes {fdatasync_us} µs.\n\
             The {} run: {} rounds in turns, {:?} of measuring after {:?} of warming up. {sizes} Servers on one core; \
             the generator, and PostgreSQL, on the other.\nMedians of the rounds, the lowest and highest in \
             brackets; how busy, the highest.\n\n\
             PostgreSQL: {settings}.\n\nTidings: defaults but for this configuration:\n\n```toml\n{CONFIG}```\n",
            programs.join("; "),
            self.kind,
            scale.rounds,
            scale.measure,
            scale.warm_up,
        )
    }

    fn table(&self, workload: &str) -> Option<String> {
        let names: BTreeSet<&str> = self
            .results
            .of(workload)
            .flat_map(|of| of.rounds.iter().flat_map(|round| round.figures.keys().copied()))
            .collect();
        if names.is_empty() {
            return None;
        }
        let mut table = String::from("| |");
        let mut line = String::from("|---|");
        for name in &names {
            write!(table, " {} |", name.replace('_', " ")).ok();
            line.push_str("---|");
        }
        writeln!(table, " server busy | generator busy | its core |\n{line}---|---|---|").ok()?;
        for of in self.results.of(workload) {
            write!(table, "| {} |", of.contestant).ok()?;
            for name in &names {
                match of.spread(name) {
                    Some(spread) => {
                        let [median, min, max] = [spread.median, spread.min, spread.max].map(Rounded);
                        write!(table, " {median} ({min}..{max}) |").ok()?;
                    }
                    None => table.push_str(" |"),
                }
            }
            let limits = |busy: f64| if busy >= LIMITS { ", **may be the limit**" } else { "" };
            let [server, generator, core] = [of.server_busy(), of.generator_busy(), of.generator_core_busy()];
            let shares = [server, generator, core].map(|share| share * 100.0);
            let (by_generator, by_core) = (limits(generator), limits(core));
            let [server, generator, core] = shares;
            writeln!(table, " {server:.0} % | {generator:.0} %{by_generator} | {core:.0} %{by_core} |")
                .ok()?;
        }
        Some(table)
    }
}
