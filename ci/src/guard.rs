//! A guard over runs that do not end. The simulation ends what waits for ever and what wakes itself for ever; it
//! cannot end a future that goes round inside one poll. Then the guard keeps the case, says it, and ends the
//! process.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leftover_harness::explore::Explorer;
use leftover_harness::lab::{Lab, LabError, Trial};
use leftover_harness::scenario::Scenario;
use leftover_harness::verdict::Outcome;
use leftover_sim::scenario::SimLab;

use crate::budget::{Budget, Watch};
use crate::exit::Exit;
use crate::findings;

/// The real time that one simulated run is given. It takes milliseconds, and hours of virtual time some seconds.
const MOST: Duration = Duration::from_secs(120);

/// The trials that are running, by number.
#[derive(Default)]
struct Running {
    trials: BTreeMap<u64, (Scenario, Trial)>,
    next: u64,
    over: bool,
}

/// A lab whose runs are watched.
pub struct Guarded<'a, L> {
    lab: &'a L,
    running: Mutex<Running>,
    /// Told when nothing more is to be watched.
    over: Condvar,
}

/// Explores a scenario in the simulated world, as much as the budget allows, and ends the process when one of
/// its runs does not end.
///
/// # Errors
/// When a run could not be judged: what to say of it.
pub fn explore<T>(
    scenario: &Scenario,
    thorough: bool,
    budget: &Budget,
    watch: &Watch,
    explore: impl FnOnce(&Explorer<'_, Guarded<'_, SimLab>>) -> Result<T, LabError>,
) -> Result<T, String> {
    let explored = watched(&SimLab::default(), MOST, &give_up, |lab| {
        explore(&Explorer {
            lab,
            jobs: budget.jobs(),
            thorough,
            stop: &|| watch.is_up(),
            seen: &|outcome| watch.see(outcome),
        })
    });
    explored.map_err(|error| findings::unjudged(scenario, &error))
}

/// Explores with `lab`; `stuck` gets each run that has taken between `most` and twice as long.
fn watched<L: Lab, T>(
    lab: &L,
    most: Duration,
    stuck: &(dyn Fn(&Scenario, &Trial) + Sync),
    explore: impl FnOnce(&Guarded<'_, L>) -> T,
) -> T {
    let guarded = Guarded {
        lab,
        running: Mutex::default(),
        over: Condvar::new(),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| guarded.watch(most, stuck));
        // Also when it panics: the scope waits for the guard.
        let _over = Over(&guarded);
        explore(&guarded)
    })
}

/// Ends the guard when it goes.
struct Over<'a, 'b, L>(&'a Guarded<'b, L>);

impl<L> Drop for Over<'_, '_, L> {
    fn drop(&mut self) {
        self.0.running().over = true;
        self.0.over.notify_all();
    }
}

impl<L> Guarded<'_, L> {
    fn running(&self) -> MutexGuard<'_, Running> {
        // A panic elsewhere cannot leave the list half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks every `most`: what was running the last time and still is does not end.
    fn watch(&self, most: Duration, stuck: &dyn Fn(&Scenario, &Trial)) {
        let mut before = 0;
        let mut running = self.running();
        while !running.over {
            let looked = self
                .over
                .wait_timeout_while(running, most, |running| !running.over);
            running = looked.unwrap_or_else(PoisonError::into_inner).0;
            let still: Vec<_> = running
                .trials
                .range(..before)
                .map(|(_, trial)| trial.clone())
                .collect();
            before = running.next;
            drop(running);
            for (scenario, trial) in still {
                stuck(&scenario, &trial);
            }
            running = self.running();
        }
    }
}

impl<L: Lab> Lab for Guarded<'_, L> {
    fn run(&self, scenario: &Scenario, trial: &Trial) -> Result<Outcome, LabError> {
        let number = {
            let mut running = self.running();
            let number = running.next;
            running.next += 1;
            running.trials.insert(number, (scenario.clone(), trial.clone()));
            number
        };
        let outcome = self.lab.run(scenario, trial);
        self.running().trials.remove(&number);
        outcome
    }

    fn is_exact(&self) -> bool {
        self.lab.is_exact()
    }
}

/// Nothing can end the run but the end of the process.
fn give_up(scenario: &Scenario, trial: &Trial) {
    let error = LabError {
        scenario: scenario.name,
        trial: Box::new(trial.clone()),
        problem: format!(
            "it goes on after {} s of real time: something goes round inside one poll (a loop without an await, \
             or a blocking call)",
            MOST.as_secs()
        ),
    };
    eprintln!("error: {}", findings::unjudged(scenario, &error));
    std::process::exit(Exit::CouldNotRun.code().into());
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A lab whose runs do not end before they are released.
    struct Stuck(Mutex<Receiver<()>>);

    impl Lab for Stuck {
        fn run(&self, scenario: &Scenario, trial: &Trial) -> Result<Outcome, LabError> {
            self.0
                .lock()
                .expect("no panic")
                .recv()
                .expect("the guard releases it");
            SimLab::default().run(scenario, trial)
        }

        fn is_exact(&self) -> bool {
            true
        }
    }

    fn trial(seed: u64) -> (Scenario, Trial) {
        let scenario = leftover_scenarios::find("initial-load").expect("it is in the catalogue");
        let trial = Trial {
            seed,
            ..Trial::default()
        };
        (scenario, trial)
    }

    #[test]
    fn a_run_that_does_not_end_is_told_with_its_trial() {
        let (release, released): (Sender<()>, Receiver<()>) = channel();
        let told = Mutex::new(Vec::new());
        let stuck = |scenario: &Scenario, trial: &Trial| {
            told.lock().expect("no panic").push((scenario.name, trial.seed));
            // It may be told more than once before it has ended.
            let _ = release.send(());
        };
        let lab = Stuck(Mutex::new(released));
        let (scenario, trial) = trial(7);
        let outcome = watched(&lab, Duration::from_millis(5), &stuck, |lab| {
            lab.run(&scenario, &trial)
        });
        assert!(outcome.expect("it was judged").verdict.is_clean());
        assert_eq!(
            told.into_inner().expect("no panic").first(),
            Some(&("initial-load", 7))
        );
    }

    #[test]
    fn runs_that_end_are_not_told_and_the_guard_ends_with_them() {
        let (scenario, trial) = trial(8);
        let stuck = |_: &Scenario, _: &Trial| panic!("every run ends");
        let outcome = watched(&SimLab::default(), MOST, &stuck, |lab| lab.run(&scenario, &trial));
        assert!(outcome.expect("it was judged").verdict.is_clean());
    }
}
