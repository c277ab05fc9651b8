//! Runs rows against servers, and says what came of it.

use std::collections::BTreeMap;

use super::real::Real;
use super::row::{Check, Checked, Problem, Row};
use super::simulated::simulate;

/// What a server showed of a row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does what the row says.
    Agrees {
        /// Of a race: how often each outcome came up.
        outcomes: BTreeMap<&'static str, usize>,
    },
    /// It does something else.
    Differs(String),
    /// It could not be asked.
    NotRun(String),
}

impl Standing {
    /// Whether it was asked.
    pub fn ran(&self) -> bool {
        !matches!(self, Standing::NotRun(_))
    }

    /// Whether it does what the row says.
    pub fn agrees(&self) -> bool {
        matches!(self, Standing::Agrees { .. })
    }

    fn of_problem(problem: Problem, place: &str) -> Standing {
        match problem {
            Problem::Differs(words) => Standing::Differs(format!("{place}{words}")),
            Problem::CannotRun(words) => Standing::NotRun(words),
        }
    }
}

/// Of a row that is no race every so many seeds are enough.
const PLAIN: usize = 10;

/// Asks the simulated server: a race with each seed, any other row with every tenth. Over the seeds every
/// outcome of a race must come up.
pub fn on_simulator(row: &Row, seeds: u64) -> Standing {
    if let Some(why) = row.not_modelled {
        return Standing::NotRun(format!("not modelled: {why}"));
    }
    let mut seen = tally(row);
    let step = match row.check {
        Check::Plain(_) => PLAIN,
        Check::Race { .. } => 1,
    };
    for seed in (0..seeds).step_by(step) {
        if let Err(problem) = once(row, seed, &mut seen) {
            return Standing::of_problem(problem, &format!("seed {seed}: "));
        }
    }
    let missing: Vec<&str> = seen
        .iter()
        .filter(|(_, times)| **times == 0)
        .map(|(outcome, _)| *outcome)
        .collect();
    if missing.is_empty() {
        Standing::Agrees { outcomes: seen }
    } else {
        Standing::Differs(format!(
            "in {seeds} seeds this outcome never came up: {}",
            missing.join(", ")
        ))
    }
}

fn once(row: &Row, seed: u64, seen: &mut BTreeMap<&'static str, usize>) -> Checked {
    match row.check {
        Check::Plain(steps) => simulate(seed, steps),
        Check::Race { steps, .. } => count(seen, simulate(seed, steps)?),
    }
}

/// Asks a real server.
pub fn on_real(row: &Row, real: &Real) -> Standing {
    let mut seen = tally(row);
    let ran = match row.check {
        Check::Plain(steps) => real.run(1, steps).map(drop),
        Check::Race { steps, tries, .. } => real.run(tries, steps).and_then(|outcomes| {
            outcomes
                .into_iter()
                .try_for_each(|outcome| count(&mut seen, outcome))
        }),
    };
    match ran {
        Ok(()) => Standing::Agrees { outcomes: seen },
        Err(problem) => Standing::of_problem(problem, ""),
    }
}

/// The outcomes that the row allows, none seen yet.
fn tally(row: &Row) -> BTreeMap<&'static str, usize> {
    match row.check {
        Check::Plain(_) => BTreeMap::new(),
        Check::Race { outcomes, .. } => outcomes.iter().map(|outcome| (*outcome, 0)).collect(),
    }
}

fn count(seen: &mut BTreeMap<&'static str, usize>, outcome: &'static str) -> Checked {
    let times = seen
        .get_mut(outcome)
        .ok_or_else(|| Problem::differs(format!("an outcome that is not allowed: {outcome}")))?;
    *times += 1;
    Ok(())
}
