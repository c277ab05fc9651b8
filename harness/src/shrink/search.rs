//! The order in which things are taken away.

use super::place::nearest;
use super::simpler::{simpler_acts, simpler_configs, simpler_places};
use super::wanted::Wanted;
use crate::config::Config;
use crate::fault::plan::{Plan, Strike, Then};
use crate::lab::{Lab, Trial};
use crate::scenario::{Recon, Scenario};
use crate::verdict::Outcome;

/// How far shrinking goes.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The largest number of runs.
    pub runs: u32,
    /// Whether the time is up. It is asked before each run.
    pub expired: &'a dyn Fn() -> bool,
}

/// What is left of a run.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The smallest run that shows the same.
    pub outcome: Outcome,
    /// How many runs it took.
    pub runs: u32,
    /// Whether it ended at its limit, so that more could perhaps be taken away.
    pub at_limit: bool,
}

/// How many places by meaning are tried where a place is not in the smaller run, or shows nothing there.
const PLACES: usize = 5;

/// Takes away what `found` does not need; `None` when nothing was left there.
pub fn shrink(lab: &dyn Lab, scenario: &Scenario, found: Outcome, limits: Limits<'_>) -> Option<Shrunk> {
    let wanted = Wanted::of(&found.verdict)?;
    let mut search = Search {
        lab,
        scenario,
        wanted,
        tried: vec![found.trial()],
        best: found,
        limits,
        runs: 0,
        at_limit: false,
        calm: Vec::new(),
    };
    search.run();
    Some(Shrunk {
        outcome: search.best,
        runs: search.runs,
        at_limit: search.at_limit,
    })
}

struct Search<'a> {
    lab: &'a dyn Lab,
    scenario: &'a Scenario,
    wanted: Wanted,
    /// The smallest run so far.
    best: Outcome,
    /// No trial is run twice.
    tried: Vec<Trial>,
    limits: Limits<'a>,
    runs: u32,
    at_limit: bool,
    /// What runs without faults did, by seed and configuration.
    calm: Vec<(u64, Config, Recon)>,
}

impl Search<'_> {
    fn run(&mut self) {
        loop {
            let steps = [
                Search::fewer_strikes,
                Search::simpler_end,
                Search::smaller_config,
                Search::first_seed,
                Search::simpler_acts,
                Search::earlier_places,
            ];
            let shrunk = steps.map(|step| step(self)).contains(&true);
            if !shrunk || self.at_limit {
                return;
            }
        }
    }

    fn fewer_strikes(&mut self) -> bool {
        let mut shrunk = false;
        for index in (0..self.best.plan.strikes.len()).rev() {
            let mut trial = self.best.trial();
            trial.plan.strikes.remove(index);
            shrunk |= self.shows_the_same(trial);
        }
        shrunk
    }

    fn simpler_end(&mut self) -> bool {
        let mut trial = self.best.trial();
        trial.plan.then = Then::Drop;
        self.shows_the_same(trial)
    }

    /// The smallest world at once, or else step by step.
    fn smaller_config(&mut self) -> bool {
        let smallest = Config::smallest();
        let mut shrunk = self.with_config(smallest);
        while simpler_configs(&self.best.config)
            .into_iter()
            .any(|config| self.with_config(config))
        {
            shrunk = true;
        }
        shrunk
    }

    fn with_config(&mut self, config: Config) -> bool {
        let trial = Trial {
            config,
            ..self.best.trial()
        };
        self.shows_the_same_somewhere(trial)
    }

    fn first_seed(&mut self) -> bool {
        let trial = Trial {
            seed: 0,
            ..self.best.trial()
        };
        self.shows_the_same_somewhere(trial)
    }

    fn simpler_acts(&mut self) -> bool {
        self.each_strike(|strike, _| {
            let at = strike.at.clone();
            let acts = simpler_acts(&strike.act).into_iter();
            acts.map(|act| Strike { at: at.clone(), act }).collect()
        })
    }

    fn earlier_places(&mut self) -> bool {
        self.each_strike(|strike, recon| {
            let act = strike.act.clone();
            let places = simpler_places(&strike.at, recon).into_iter();
            places.map(|at| Strike { at, act: act.clone() }).collect()
        })
    }

    /// Replaces each strike by the first simpler one that shows the same, until there is none.
    fn each_strike(&mut self, simpler: impl Fn(&Strike, &Recon) -> Vec<Strike>) -> bool {
        let mut shrunk = false;
        for index in 0..self.best.plan.strikes.len() {
            loop {
                let instead = simpler(&self.best.plan.strikes[index], &self.best.recon());
                let found = instead.into_iter().any(|strike| {
                    let mut trial = self.best.trial();
                    trial.plan.strikes[index] = strike;
                    self.shows_the_same(trial)
                });
                if !found {
                    break;
                }
                shrunk = true;
            }
        }
        shrunk
    }

    /// Runs a candidate, and keeps it when it shows the same.
    fn shows_the_same(&mut self, trial: Trial) -> bool {
        if self.tried.contains(&trial) || !self.may_run() {
            return false;
        }
        let ran = self.lab.run(self.scenario, &trial);
        self.tried.push(trial);
        // What cannot be run is not simpler.
        let Ok(outcome) = ran else { return false };
        let struck = outcome.struck.iter().all(|struck| struck.times > 0);
        let same = struck && self.wanted.shown(&outcome.verdict);
        if same {
            self.best = outcome;
        }
        same
    }

    /// Runs a candidate of another seed or configuration: with its places as they are, and then with what
    /// means the same there.
    fn shows_the_same_somewhere(&mut self, trial: Trial) -> bool {
        if self.tried.contains(&trial) {
            return false;
        }
        if self.shows_the_same(trial.clone()) {
            return true;
        }
        let Some(there) = self.calm(trial.seed, &trial.config) else {
            return false;
        };
        let here = self.best.recon();
        let strikes = &trial.plan.strikes;
        let places: Vec<_> = strikes
            .iter()
            .map(|strike| nearest(&here, &there, &strike.at, PLACES))
            .collect();
        let most = places.iter().map(Vec::len).max().unwrap_or(0);
        (0..most).any(|rank| {
            let strikes = strikes.iter().zip(&places).map(|(strike, places)| Strike {
                // A place that the run without faults has not stays: it may be in the cleanup of another one.
                at: places.get(rank).unwrap_or(&strike.at).clone(),
                act: strike.act.clone(),
            });
            let plan = Plan {
                strikes: strikes.collect(),
                then: trial.plan.then,
            };
            let trial = Trial {
                plan,
                ..trial.clone()
            };
            self.shows_the_same(trial)
        })
    }

    /// What the run without faults does.
    fn calm(&mut self, seed: u64, config: &Config) -> Option<Recon> {
        let mut known = self.calm.iter();
        if let Some((.., recon)) = known.find(|known| known.0 == seed && known.1 == *config) {
            return Some(recon.clone());
        }
        if !self.may_run() {
            return None;
        }
        let trial = Trial {
            seed,
            config: config.clone(),
            plan: Plan::calm(),
        };
        let recon = self.lab.run(self.scenario, &trial).ok()?.recon();
        self.calm.push((seed, config.clone(), recon.clone()));
        Some(recon)
    }

    fn may_run(&mut self) -> bool {
        self.at_limit |= self.runs >= self.limits.runs || (self.limits.expired)();
        self.runs += u32::from(!self.at_limit);
        !self.at_limit
    }
}
