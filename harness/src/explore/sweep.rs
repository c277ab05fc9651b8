//! One fault at every place, and a cancel at every await of the cleanup that follows a cancel or a stop.

use std::collections::BTreeSet;

use super::tally::Tally;
use super::{Explorer, Order, Stage};
use crate::fault::plan::{Act, At, Plan, Strike};
use crate::lab::{Lab, LabError, Trial};
use crate::log::Way;
use crate::scenario::{Recon, Scenario};
use crate::space::{Family, Space};
use crate::world::Server;

/// What a sweep of one scenario covered.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Awaits of the run without faults.
    pub awaits: u64,
    /// Messages of the run without faults, both ways.
    pub messages: u64,
    /// Runs that the sweep consists of, but for those of second cancels, which are known only when the first
    /// has been run.
    pub planned: u64,
    /// What the runs showed.
    pub tally: Tally,
}

impl Swept {
    /// The number of the run at this place, from 1, when one run is made after the other.
    pub fn number_of(&self, (stage, number, place): Order) -> u64 {
        match stage {
            Stage::Calm => 1,
            Stage::Sweep => 2 + number,
            // Of those before it, only the sum is known when all have run.
            _ => 1 + self.planned + number + place,
        }
    }
}

impl<L: Lab> Explorer<'_, L> {
    /// Runs `scenario` with each thing of its families at each of its places, in the world of `calm`.
    ///
    /// # Errors
    /// When a world failed.
    pub fn sweep(&self, scenario: &Scenario, calm: &Trial) -> Result<Swept, LabError> {
        let mut swept = Swept::default();
        let outcome = self.trial(scenario, calm, (Stage::Calm, 0, 0), &mut swept.tally)?;
        let recon = Recon {
            exact: self.lab.is_exact(),
            ..outcome.recon()
        };
        let of_run = recon.awaits.iter().filter(|awaits| &*awaits.process == "run");
        swept.awaits = of_run.map(|awaits| u64::from(awaits.count)).sum();
        let of_run = recon.boundaries.iter().filter(|at| at.actor.process == "run");
        swept.messages = of_run.count() as u64;
        let spaces: Vec<Space<'_>> = scenario
            .families
            .iter()
            .map(|family| Space::new(&recon, "run", *family, scenario.region))
            .collect();
        swept.planned = spaces.iter().map(|space| self.covered(space) as u64).sum();
        let ones = self.each(swept.planned, |number, tally| {
            let trial = Trial {
                plan: self.nth_plan(&spaces, number),
                ..calm.clone()
            };
            self.count(scenario, &trial, (Stage::Sweep, number, 0), tally)
        })?;
        swept.tally.merge(ones);
        let mut firsts = Vec::new();
        for (family, act) in [(Family::Cancel, Act::Cancel), (Family::Stop, Act::Stop)] {
            if scenario.families.contains(&family) {
                let places = places_by_meaning(&recon).into_iter();
                firsts.extend(places.map(|at| Strike { at, act: act.clone() }));
            }
        }
        let twos = self.each(firsts.len() as u64, |number, tally| {
            let first = &firsts[usize::try_from(number).expect("an index")];
            self.cancel_cleanup(scenario, calm, first, number, tally)
        })?;
        swept.tally.merge(twos);
        Ok(swept)
    }

    /// Plan `number` of all these spaces.
    fn nth_plan(&self, spaces: &[Space<'_>], number: u64) -> Plan {
        let mut index = usize::try_from(number).expect("an index");
        for space in spaces {
            let covered = self.covered(space);
            if index < covered && self.thorough {
                return space.plan(index);
            } else if index < covered {
                return space.alternating(index);
            }
            index -= covered;
        }
        unreachable!("numbers are below the sum of all that is covered")
    }

    /// How many plans of a space a sweep takes.
    fn covered(&self, space: &Space<'_>) -> usize {
        if self.thorough {
            space.len()
        } else {
            space.strikes()
        }
    }

    /// Cancels what cleans up after the first strike, at each of its awaits: the drop that follows a cancel, and
    /// the run itself after it was asked to stop.
    fn cancel_cleanup(
        &self,
        scenario: &Scenario,
        calm: &Trial,
        first: &Strike,
        number: u64,
        tally: &mut Tally,
    ) -> Result<(), LabError> {
        let trial = Trial {
            plan: Plan::one(first.at.clone(), first.act.clone()),
            ..calm.clone()
        };
        let outcome = self.lab.run(scenario, &trial)?;
        let recon = Recon {
            exact: self.lab.is_exact(),
            ..outcome.recon()
        };
        let process = if first.act == Act::Stop {
            "run"
        } else {
            "last drop"
        };
        let second = Space::new(&recon, process, Family::Cancel, |_| true);
        let seconds = (0..second.places()).map(|place| second.strike(place, 0));
        // Of the run's own awaits only those after the first strike are cleanup.
        let before = |strike: &Strike| process == first.at.process() && strike.at != first.at;
        let same = |strike: &Strike| strike.at == first.at;
        for (place, strike) in (0..).zip(seconds.skip_while(before).skip_while(same)) {
            if (self.stop)() {
                tally.stopped = true;
                return Ok(());
            }
            let mut plan = trial.plan.clone();
            plan.strikes.push(strike);
            let trial = Trial { plan, ..calm.clone() };
            let order = (Stage::SecondCancel, number, place);
            self.count(scenario, &trial, order, tally)?;
        }
        Ok(())
    }
}

/// The first await after each kind of message of each role: where a stop means something of its own.
fn places_by_meaning(recon: &Recon) -> Vec<At> {
    let mut known: BTreeSet<(Server, String, Way, String)> = BTreeSet::new();
    let mut places = Vec::new();
    for awaits in recon.awaits.iter().filter(|awaits| &*awaits.process == "run") {
        let Some(after) = &awaits.after else { continue };
        let (actor, message) = (&after.actor, after.message.to_string());
        if known.insert((actor.server, actor.role.clone(), after.way, message)) {
            places.push(At::Await(awaits.nth(1)));
        }
    }
    places
}
