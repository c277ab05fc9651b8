//! What many runs showed, in numbers.

use std::collections::BTreeMap;

use super::{Order, Stage};
use crate::lab::Trial;
use crate::reach::Reach;
use crate::signature::Signature;
use crate::space::Family;
use crate::verdict::{Outcome, Verdict};

/// Findings of more kinds than this are counted and not told apart.
const MOST_FINDINGS: usize = 64;

/// What many runs showed, in numbers.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Judged runs.
    pub runs: u64,
    /// Runs that left nothing.
    pub clean: u64,
    /// Runs that left something.
    pub left: u64,
    /// Runs that met no fault although one was planned: they prove nothing.
    pub not_struck: u64,
    /// How often each family has struck.
    pub struck: BTreeMap<Family, u64>,
    /// Which phases the faults struck, and in which situations the runs were.
    pub reach: Reach,
    /// How many runs each stage made.
    pub stages: BTreeMap<Stage, u64>,
    /// The first trial of each kind of finding.
    pub findings: BTreeMap<Signature, Finding>,
    /// Whether the time was up before everything had run.
    pub stopped: bool,
}

/// A kind of finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How many runs showed it.
    pub runs: u64,
    /// The first of them, in the order of trials.
    pub first: Order,
    /// Its trial.
    pub trial: Trial,
    /// What was found.
    pub verdict: Verdict,
    /// The hash of its event log.
    pub hash: u64,
}

impl Tally {
    /// Counts a run.
    pub fn add(&mut self, outcome: &Outcome, order: Order) {
        self.runs += 1;
        *self.stages.entry(order.0).or_default() += 1;
        let mut any = false;
        for struck in outcome.struck.iter().filter(|struck| struck.times > 0) {
            *self.struck.entry(Family::of(&struck.strike)).or_default() += 1;
            any = true;
        }
        self.reach.add(&outcome.reached);
        // Faults that are drawn together: one of them may end the run before the others.
        let enough = any && matches!(order.0, Stage::Swarm | Stage::Pairs);
        match outcome.verdict {
            Verdict::Clean => self.clean += 1,
            Verdict::NotStruck(_) if enough => self.clean += 1,
            Verdict::Left(_) => self.left += 1,
            Verdict::NotStruck(_) => self.not_struck += 1,
        }
        if let Verdict::Left(_) = outcome.verdict
            && let Some(signature) = Signature::of(&outcome.verdict)
        {
            let finding = Finding {
                runs: 1,
                first: order,
                trial: outcome.trial(),
                verdict: outcome.verdict.clone(),
                hash: outcome.hash,
            };
            self.found(signature, finding);
        }
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: Tally) {
        self.runs += other.runs;
        self.clean += other.clean;
        self.left += other.left;
        self.not_struck += other.not_struck;
        self.stopped |= other.stopped;
        self.reach.merge(&other.reach);
        for (family, times) in other.struck {
            *self.struck.entry(family).or_default() += times;
        }
        for (stage, runs) in other.stages {
            *self.stages.entry(stage).or_default() += runs;
        }
        for (kind, finding) in other.findings {
            self.found(kind, finding);
        }
    }

    fn found(&mut self, kind: Signature, finding: Finding) {
        let full = self.findings.len() >= MOST_FINDINGS;
        let kind = if full && !self.findings.contains_key(&kind) {
            Signature::from_iter(["others".to_owned()])
        } else {
            kind
        };
        match self.findings.entry(kind) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(finding);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let runs = known.runs + finding.runs;
                if finding.first < known.first {
                    *known = finding;
                }
                known.runs = runs;
            }
        }
    }

    /// Whether something ran, every plan met something, and nothing was left.
    pub fn is_clean(&self) -> bool {
        self.runs > 0 && self.clean == self.runs
    }

    /// The findings, in the order of their first trials.
    pub fn in_order(&self) -> Vec<(&Signature, &Finding)> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|(_, finding)| finding.first);
        findings
    }
}

/// How many kinds of findings are told.
const TOLD: usize = 5;

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally {
            runs,
            clean,
            left,
            not_struck,
            ..
        } = self;
        write!(
            f,
            "{runs} runs: {clean} left nothing, {left} left something, {not_struck} met no fault"
        )?;
        for (_, finding) in self.in_order().into_iter().take(TOLD) {
            let strikes = finding.trial.plan.strikes.iter().map(ToString::to_string);
            let strikes: Vec<String> = strikes.collect();
            write!(
                f,
                "\n\n{}\nafter: {}",
                finding.verdict.explain(),
                strikes.join("; ")
            )?;
        }
        Ok(())
    }
}
