//! Many runs of one scenario.

use crate::verdict::{Outcome, Verdict};

/// What many runs of one scenario showed.
#[derive(Debug, Clone, Default)]
#[must_use = "the verdicts are in it"]
pub struct Explored {
    /// How many runs there were.
    pub runs: u64,
    /// How many were struck as planned and left nothing.
    pub clean: u64,
    /// The runs that left something.
    pub left: Vec<Outcome>,
    /// The runs whose plan met nothing.
    pub not_struck: Vec<Outcome>,
}

impl Explored {
    /// Counts one run.
    pub fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        match outcome.verdict {
            Verdict::Clean => self.clean += 1,
            Verdict::Left(_) => self.left.push(outcome),
            Verdict::NotStruck(_) => self.not_struck.push(outcome),
        }
    }
}

/// Runs `seeds` one after the other. `one` makes a world for a seed and runs the scenario in it; `progress` is
/// told after each.
///
/// # Errors
/// The first error of `one`: a world that failed says nothing about the pipeline.
pub fn explore<E>(
    seeds: impl IntoIterator<Item = u64>,
    mut one: impl FnMut(u64) -> Result<Outcome, E>,
    mut progress: impl FnMut(&Outcome),
) -> Result<Explored, E> {
    let mut explored = Explored::default();
    for seed in seeds {
        let outcome = one(seed)?;
        progress(&outcome);
        explored.add(outcome);
    }
    Ok(explored)
}
