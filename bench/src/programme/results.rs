//! What was measured so far.

use serde::Serialize;

use crate::measured::Measured;

/// A figure of a contestant in a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// The workload's id.
    pub workload: &'static str,
    /// The contestant's name.
    pub contestant: &'static str,
    /// The figure's name.
    pub name: &'static str,
}

/// All rounds of one contestant in one workload.
#[derive(Debug, Serialize)]
pub struct Rounds {
    /// The workload's id.
    pub workload: &'static str,
    /// The contestant's name.
    pub contestant: &'static str,
    /// Each round's figures, in order.
    pub rounds: Vec<Measured>,
}

/// The lowest, middle and highest of a few values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The lowest.
    pub min: f64,
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// Of these values; nothing of none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
        let median = f64::midpoint(*values.get(low)?, *values.get(high)?);
        Some(Self { min, median, max })
    }
}

/// Everything measured, in the order in which it was first measured.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Results {
    all: Vec<Rounds>,
}

impl Results {
    /// Adds a round.
    pub fn put(&mut self, workload: &'static str, contestant: &'static str, measured: Measured) {
        let known = self.all.iter_mut().find(|of| of.workload == workload && of.contestant == contestant);
        match known {
            Some(of) => of.rounds.push(measured),
            None => self.all.push(Rounds { workload, contestant, rounds: vec![measured] }),
        }
    }

    /// Takes a workload out that not everybody got through.
    pub fn forget(&mut self, workload: &str) {
        self.all.retain(|of| of.workload != workload);
    }

    /// Those of a workload.
    pub fn of(&self, workload: &str) -> impl Iterator<Item = &Rounds> {
        self.all.iter().filter(move |rounds| rounds.workload == workload)
    }

    /// A figure over the rounds; nothing when it was not measured.
    #[must_use]
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        let rounds = self.of(figure.workload).find(|rounds| rounds.contestant == figure.contestant)?;
        rounds.spread(figure.name)
    }
}

impl Rounds {
    /// A figure over the rounds; nothing when it was not measured.
    #[must_use]
    pub fn spread(&self, figure: &str) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| round.figures.get(figure).copied()).collect())
    }

    /// The busiest that the server was.
    #[must_use]
    pub fn server_busy(&self) -> f64 {
        self.rounds.iter().map(|round| round.server_busy).fold(0.0, f64::max)
    }

    /// The busiest that the generator was.
    #[must_use]
    pub fn generator_busy(&self) -> f64 {
        self.rounds.iter().map(|round| round.generator_busy).fold(0.0, f64::max)
    }

    /// The busiest that the generator's core was.
    #[must_use]
    pub fn generator_core_busy(&self) -> f64 {
        self.rounds.iter().map(|round| round.generator_core_busy).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_middle_is_not_moved_by_an_outlier() {
        let of = |values: &[f64]| Spread::of(values.to_vec()).map(|spread| spread.median);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some(2.0));
        assert_eq!(of(&[900.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(of(&[4.0, 1.0, 3.0, 900.0]), Some(3.5));
    }
}
