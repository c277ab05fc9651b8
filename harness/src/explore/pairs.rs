//! Two faults: the second often strikes the cleanup of the first.

use super::tally::Tally;
use super::{Explorer, Stage};
use crate::fault::plan::{Act, Plan, Strike};
use crate::lab::{Lab, LabError, Trial};
use crate::scenario::{Boundary, Draw, Recon, Scenario};
use crate::space::{Family, Space};

/// Of so many second faults …
const SECONDS: u64 = 4;
/// … so many strike what comes after the run, when anything does.
const IN_CLEANUP: u64 = 3;

impl<L: Lab> Explorer<'_, L> {
    /// Runs a pair of faults for each of `count` seeds from `first` on, in the world of `calm`.
    ///
    /// # Errors
    /// When a world failed.
    pub fn pairs(
        &self,
        scenario: &Scenario,
        calm: &Trial,
        first: u64,
        count: u64,
    ) -> Result<Tally, LabError> {
        self.each(count, |number, tally| {
            self.pair(scenario, calm, first + number, tally)
        })
    }

    fn pair(&self, scenario: &Scenario, calm: &Trial, seed: u64, tally: &mut Tally) -> Result<(), LabError> {
        let trial = Trial { seed, ..calm.clone() };
        let mut draw = Draw::new(seed);
        let order = |nth| (Stage::Pairs, seed, nth);
        let mut plan = Plan::calm();
        for nth in 0..2 {
            let trial = Trial {
                plan: plan.clone(),
                ..trial.clone()
            };
            let outcome = self.trial(scenario, &trial, order(nth), tally)?;
            let recon = Recon {
                exact: self.lab.is_exact(),
                ..outcome.recon()
            };
            match next(&mut draw, scenario, &recon, nth == 1) {
                Some(strike) => plan.strikes.push(strike),
                None => return Ok(()),
            }
        }
        self.count(scenario, &Trial { plan, ..trial }, order(2), tally)
    }
}

/// A strike among the families of the scenario: in the run, or in what comes after it.
fn next(draw: &mut Draw, scenario: &Scenario, recon: &Recon, second: bool) -> Option<Strike> {
    let family = *draw.one_of(scenario.families);
    let mut processes = vec!["run"];
    if second && draw.below(SECONDS) < IN_CLEANUP {
        let others = recon.boundaries.iter().map(|at| at.actor.process.as_str());
        let others: std::collections::BTreeSet<&str> = others.filter(|process| *process != "run").collect();
        // The pipeline beside is nobody's to strike.
        processes.splice(
            ..,
            others.into_iter().filter(|process| !process.ends_with("beside")),
        );
    }
    if processes.is_empty() {
        return None;
    }
    let process = *draw.one_of(&processes);
    let anywhere: fn(&Boundary) -> bool = |_| true;
    let region = if process == "run" {
        scenario.region
    } else {
        anywhere
    };
    let space = Space::new(recon, process, family, region);
    // A drop is no cleanup to drop again, and goes on to its end when it is asked to stop.
    let pointless = |strike: &Strike| process != "run" && matches!(strike.act, Act::Drop | Act::Stop);
    // A time counts from its process's start, which only that of the run is known to be the log's.
    if space.is_empty() || family == Family::Timeout && process != "run" {
        return None;
    }
    let strike = space.plan(draw.index(space.len())).strikes.pop();
    strike.filter(|strike| !pointless(strike) && family != Family::Calm)
}
