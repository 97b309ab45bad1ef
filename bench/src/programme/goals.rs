//! What the figures are held against.

use serde::Serialize;

use super::results::Figure;
use super::{Results, names};

/// Whether more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    AtLeast,
    Over,
    AtMost,
    Below,
}

impl Sense {
    const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Over => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        }
    }

    fn holds(self, measured: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => measured >= bound,
            Self::Over => measured > bound,
            Self::AtMost => measured <= bound,
            Self::Below => measured < bound,
        }
    }
}

/// A figure of Tidings, alone or as a multiple of somebody else's in the same run.
#[derive(Debug)]
pub struct Goal {
    what: Figure,
    /// One of these; the best of them.
    against: &'static [Figure],
    sense: Sense,
    bound: f64,
}

/// How a goal was met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The goal in words.
    pub goal: String,
    /// What was measured: the figure, or the ratio of medians; nothing if one of them was not.
    pub measured: Option<f64>,
    /// Whether it is within the bound.
    pub met: bool,
}

const fn figure(workload: &'static str, contestant: &'static str, name: &'static str) -> Figure {
    Figure { workload, contestant, name }
}

const fn at_least(bound: f64, what: Figure, against: &'static [Figure]) -> Goal {
    Goal { what, against, sense: Sense::AtLeast, bound }
}

const fn over(bound: f64, what: Figure, against: &'static [Figure]) -> Goal {
    Goal { what, against, sense: Sense::Over, bound }
}

const fn below(bound: f64, what: Figure, against: &'static [Figure]) -> Goal {
    Goal { what, against, sense: Sense::Below, bound }
}

const fn at_most(bound: f64, what: Figure, against: &'static [Figure]) -> Goal {
    Goal { what, against, sense: Sense::AtMost, bound }
}

const DELIVERED: &str = "delivered_per_s";
const ACKED: &str = "acked_per_s";
const P99: &str = "p99_ms";
const BYTES: &str = "bytes_per_connection";
const CONNECTS: &str = "connects_per_s";
const W1: Figure = figure("W1", names::TIDINGS, DELIVERED);
const W2: Figure = figure("W2", names::TIDINGS_GROUPS, DELIVERED);
const W4_NEST: Figure = figure("W4", names::NEST, ACKED);
const W8: Figure = figure("W8", names::TIDINGS_LARGE, P99);

/// All of them.
pub const GOALS: &[Goal] = &[
    at_least(3.0, W1, &[figure("W1", names::NODE_WS, DELIVERED)]),
    at_least(2.0, W1, &[figure("W1", names::NODE_UWS, DELIVERED)]),
    at_least(0.55, W1, &[figure("W1", names::RAW, DELIVERED), figure("W1", names::RAW_COALESCED, DELIVERED)]),
    at_least(8.0, W2, &[figure("W2", names::NODE_WS, DELIVERED)]),
    at_least(0.5, W2, &[figure("W2", names::NODE_UWS, DELIVERED)]),
    at_most(6_000.0, figure("W3", names::TIDINGS, BYTES), &[]),
    at_most(0.6, figure("W3", names::TIDINGS, BYTES), &[figure("W3", names::NODE_UWS, BYTES)]),
    at_least(4.0, figure("W3", names::TIDINGS, CONNECTS), &[figure("W3", names::NODE_WS, CONNECTS)]),
    at_least(20.0, figure("W4", names::TIDINGS_POSTGRES, ACKED), &[W4_NEST]),
    at_least(
        1.0,
        figure("W4", names::TIDINGS_POSTGRES, ACKED),
        &[figure("W4", names::PGBENCH_ROW_LOCK, ACKED)],
    ),
    at_least(20.0, figure("W4-200", names::TIDINGS_POSTGRES, ACKED), &[figure("W4-200", names::NEST, ACKED)]),
    over(
        1.0,
        figure("W4-200", names::TIDINGS_POSTGRES, ACKED),
        &[figure("W4-200", names::PGBENCH_ROW_LOCK, ACKED)],
    ),
    at_least(
        12.0,
        figure("W4-slow", names::TIDINGS_POSTGRES, ACKED),
        &[figure("W4-slow", names::NEST, ACKED)],
    ),
    at_least(8.0, figure("W5", names::TIDINGS_SQLITE, ACKED), &[W4_NEST]),
    at_least(0.6, figure("W5", names::TIDINGS_LARGE, ACKED), &[figure("W5", names::TIDINGS_SQLITE, ACKED)]),
    at_most(1.0 / 3.0, figure("W6", names::TIDINGS_POSTGRES, P99), &[figure("W6", names::NEST, P99)]),
    at_least(
        3.0,
        figure("W7", names::TIDINGS_POSTGRES, ACKED),
        &[figure("W7", names::PGBENCH_ROW_LOCK, ACKED)],
    ),
    at_least(15.0, figure("W7", names::TIDINGS_POSTGRES, ACKED), &[figure("W7", names::NEST, ACKED)]),
    at_most(1.0 / 40.0, W8, &[figure("W8", names::NEST, P99)]),
    below(1.3, W8, &[figure("W8", names::TIDINGS_POSTGRES, P99)]),
    at_most(5_000.0, figure("W9", names::TIDINGS_SQLITE, "all_served_ms"), &[]),
    below(100.0, figure("W9", names::TIDINGS_SQLITE, "rest_p99_ms"), &[]),
    below(300.0, figure("W10", names::TIDINGS_SQLITE, "ready_ms"), &[]),
];

impl Goal {
    /// How it was met in this run.
    #[must_use]
    pub fn outcome(&self, results: &Results) -> Outcome {
        let measured = self.measured(results);
        let met = measured.is_some_and(|measured| self.sense.holds(measured, self.bound));
        Outcome { goal: self.words(), measured, met }
    }

    fn measured(&self, results: &Results) -> Option<f64> {
        let own = results.spread(self.what)?.median;
        let others: Option<Vec<f64>> =
            self.against.iter().map(|figure| Some(results.spread(*figure)?.median)).collect();
        Some(match others?.into_iter().reduce(f64::max) {
            Some(other) => own / other,
            None => own,
        })
    }

    fn words(&self) -> String {
        let Figure { workload, name, .. } = self.what;
        let sense = self.sense.sign();
        let bound = format!("{:.3}", self.bound);
        let bound = bound.trim_end_matches('0').trim_end_matches('.');
        let of: Vec<&str> = self.against.iter().map(|figure| figure.contestant).collect();
        if of.is_empty() {
            return format!("{workload} {name} {sense} {bound}");
        }
        let elsewhere = self.against.iter().find(|figure| figure.workload != workload);
        let place = elsewhere.map_or_else(String::new, |figure| format!(" in {}", figure.workload));
        format!("{workload} {name} of {}: {sense} {bound} x {}{place}", self.what.contestant, of.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{DELIVERED, GOALS, Results, names};
    use crate::measured::Measured;
    use crate::programme::WORKLOADS;

    fn measured(value: f64) -> Measured {
        Measured { figures: BTreeMap::from([(DELIVERED, value)]), ..Measured::default() }
    }

    #[test]
    fn a_ratio_is_of_medians_and_of_the_best_of_others() {
        let mut results = Results::default();
        for value in [50.0, 60.0, 1.0] {
            results.put("W1", names::TIDINGS, measured(value));
        }
        let nobody = GOALS[2].outcome(&results);
        assert!(nobody.measured.is_none() && !nobody.met, "nobody to hold it against");
        results.put("W1", names::RAW, measured(80.0));
        results.put("W1", names::RAW_COALESCED, measured(100.0));
        let outcome = GOALS[2].outcome(&results);
        assert!((outcome.measured.unwrap() - 0.5).abs() < 1e-9 && !outcome.met, "{outcome:?}");
        assert_eq!(
            outcome.goal,
            "W1 delivered_per_s of tidings: >= 0.55 x raw, a write per frame or raw, coalesced"
        );
    }

    #[test]
    fn goals_are_about_workloads_that_there_are() {
        for goal in GOALS {
            for figure in goal.against.iter().chain([&goal.what]) {
                assert!(WORKLOADS.iter().any(|workload| workload.id == figure.workload), "{figure:?}");
            }
        }
    }
}
