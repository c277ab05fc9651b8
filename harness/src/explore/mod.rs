//! Exploring: every place with everything that can strike there, and beyond that whatever seeds draw.
//!
//! Reading order: [`sweep`] (one fault at every place, and a cancel in the cleanup after a cancel or a stop),
//! [`swarm`] (each seed draws a world and faults of its own), [`pairs`] (two faults, the second often in the
//! cleanup of the first), [`tally`] (what all of that showed).
//!
//! Runs are spread over threads; what they showed does not depend on how many there are. Nothing is kept of a
//! run but its numbers and, for each kind of finding, the first trial that shows it: memory is flat.

pub mod pairs;
pub mod swarm;
pub mod sweep;
pub mod tally;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lab::{Lab, LabError, Trial};
use crate::scenario::Scenario;
use crate::verdict::Outcome;
use tally::Tally;

/// Runs many trials.
pub struct Explorer<'a, L> {
    /// Where they run.
    pub lab: &'a L,
    /// How many at a time.
    pub jobs: usize,
    /// Whether a sweep follows each strike by everything that can follow it (a drop; a next run and a drop),
    /// and not by one of them in turn.
    pub thorough: bool,
    /// Whether the time is up.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Is told of every run, from any thread.
    pub seen: &'a (dyn Fn(&Outcome) + Sync),
}

impl<L: Lab> Explorer<'_, L> {
    /// Runs one trial and counts it. `order` is its place among all trials of the scenario: of two that show
    /// the same, the lower one is kept.
    fn trial(
        &self,
        scenario: &Scenario,
        trial: &Trial,
        order: Order,
        tally: &mut Tally,
    ) -> Result<Outcome, LabError> {
        let outcome = self.lab.run(scenario, trial)?;
        tally.add(&outcome, order);
        (self.seen)(&outcome);
        Ok(outcome)
    }

    /// Runs one trial that nothing follows.
    fn count(
        &self,
        scenario: &Scenario,
        trial: &Trial,
        order: Order,
        tally: &mut Tally,
    ) -> Result<(), LabError> {
        self.trial(scenario, trial, order, tally).map(drop)
    }

    /// Does `work` for every number below `count`, spread over the jobs, until the time is up.
    fn each(
        &self,
        count: u64,
        work: impl Fn(u64, &mut Tally) -> Result<(), LabError> + Sync,
    ) -> Result<Tally, LabError> {
        let next = AtomicU64::new(0);
        let whole = Mutex::new(Ok(Tally::default()));
        let job = || {
            let mut tally = Tally::default();
            let result = loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break Ok(());
                }
                if (self.stop)() {
                    tally.stopped = true;
                    break Ok(());
                }
                if let Err(error) = work(number, &mut tally) {
                    // Nobody starts anything more.
                    next.store(count, Ordering::Relaxed);
                    break Err(error);
                }
            };
            let mut whole = whole.lock().expect("no other job has panicked");
            match (result, &mut *whole) {
                (Ok(()), Ok(sum)) => sum.merge(tally),
                (Err(error), known @ Ok(_)) => *known = Err(error),
                (_, Err(_)) => {}
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(job);
            }
        });
        whole.into_inner().expect("no job has panicked")
    }
}

/// The place of a trial among all trials of a scenario: the stage, and the number in it.
pub type Order = (Stage, u64, u64);

/// The stages of exploring, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The run without faults.
    Calm,
    /// One fault.
    Sweep,
    /// A cancel in the cleanup after a cancel or a stop.
    SecondCancel,
    /// Two faults.
    Pairs,
    /// A drawn world with drawn faults.
    Swarm,
}

impl Stage {
    /// The stage in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Calm => "calm",
            Stage::Sweep => "sweep",
            Stage::SecondCancel => "second cancel",
            Stage::Pairs => "pairs",
            Stage::Swarm => "swarm",
        }
    }
}
