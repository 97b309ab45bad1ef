//! What a run leaves: tables for people, and everything as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use crate::contestant::CONFIG;
use crate::machine::Machine;
use crate::measured::Rounded;
use crate::programme::{GOALS, Outcome, Results, WORKLOADS};
use crate::stage::{POSTGRES_SETTINGS, Scale};

/// From here on the generator may be what limits a figure.
const GENERATOR_LIMITS: f64 = 0.9;

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
        let goals = GOALS.iter().filter_map(|goal| goal.outcome(results)).collect();
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
        if !self.goals.is_empty() {
            text.push_str("\n### Goals\n\n| goal | measured | met |\n|---|---|---|\n");
            for Outcome { goal, measured, met } in &self.goals {
                let met = if *met { "yes" } else { "**no**" };
                write!(text, "| {goal} | {} | {met} |\n", Rounded(*measured)).ok();
            }
        }
        for failure in self.failures {
            write!(text, "\nNot measured: {failure}\n").ok();
        }
        text
    }

    fn setting(&self, scale: &Scale) -> String {
        let Machine { processor, cores, memory_mib, kernel, programs, fdatasync_us } = self.machine;
        let settings = POSTGRES_SETTINGS.join(", ");
        format!(
            "{processor}, {cores} cores, {memory_mib} MiB, {kernel}; {}; an fdatasync takes {fdatasync_us} µs.\n\
             The {} run: {} rounds in turns, {:?} of measuring after {:?} of warming up. Servers on one core; the \
             generator, and PostgreSQL, on the other.\nMedians of the rounds, the lowest and highest in brackets.\n\n\
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
        writeln!(table, " server busy | generator busy |\n{line}---|---|").ok()?;
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
            let generator = of.generator_busy();
            let limits = if generator >= GENERATOR_LIMITS { ", **may be the limit**" } else { "" };
            let server = of.server_busy() * 100.0;
            writeln!(table, " {server:.0} % | {:.0} %{limits} |", generator * 100.0).ok()?;
        }
        Some(table)
    }
}
