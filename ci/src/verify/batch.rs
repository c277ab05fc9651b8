//! One side of a comparison: runs what it is told in that order, says how each ended, keeps the logs, and
//! shows those that it is asked for.

use std::io::{BufRead as _, Write as _};
use std::str::FromStr;

use leftover_harness::verdict::Outcome;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::worlds;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} --seed {}", self.scenario, self.seed)
    }
}

impl FromStr for Item {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scenario, seed) = text.split_once('=').ok_or("a run is SCENARIO=SEED")?;
        Ok(Item {
            scenario: scenario.to_owned(),
            seed: seed
                .parse()
                .map_err(|error| format!("{seed:?} is no seed: {error}"))?,
        })
    }
}

/// What must be the same in two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ran {
    /// It was judged.
    Judged {
        /// The event log's hash.
        hash: String,
        /// The number of events.
        events: usize,
        /// How the run ended.
        end: String,
        /// The judgement.
        verdict: String,
    },
    /// It was not.
    Failed(String),
}

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SCENARIO=SEED")]
    items: Vec<Item>,
}

/// Runs; then shows the logs that are asked for by their index, one on a line, until there are no more.
pub fn run(args: &Args) -> Exit {
    match serve(args) {
        Ok(()) => Exit::Clean,
        Err(problem) => {
            eprintln!("error: {problem}");
            Exit::CouldNotRun
        }
    }
}

fn serve(args: &Args) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("nobody listens any more: {error}");
    let mut out = std::io::stdout().lock();
    let mut outcomes = Vec::new();
    for Item { scenario, seed } in &args.items {
        let scenario =
            leftover_scenarios::find(scenario).ok_or_else(|| format!("no scenario {scenario:?}"))?;
        let outcome = worlds::simulated(&scenario, *seed);
        let line = serde_json::to_string(&ran(&outcome)).expect("plain data");
        writeln!(out, "{line}").map_err(broken)?;
        outcomes.push(outcome.ok());
    }
    out.flush().map_err(broken)?;
    for line in std::io::stdin().lock().lines() {
        let asked = line.map_err(broken)?;
        let index: usize = asked.parse().map_err(|error| format!("{asked:?}: {error}"))?;
        let outcome = outcomes
            .get(index)
            .ok_or_else(|| format!("there is no run {index}"))?;
        let records = outcome.as_ref().map(Outcome::records).unwrap_or_default();
        let log: Vec<String> = records.iter().map(ToString::to_string).collect();
        let log = serde_json::to_string(&log).expect("plain data");
        writeln!(out, "{log}").map_err(broken)?;
        out.flush().map_err(broken)?;
    }
    Ok(())
}

fn ran(outcome: &Result<Outcome, String>) -> Ran {
    match outcome {
        Ok(outcome) => Ran::Judged {
            hash: format!("{:016x}", outcome.hash),
            events: outcome.events,
            end: outcome.end.to_string(),
            verdict: outcome.verdict.to_string(),
        },
        Err(problem) => Ran::Failed(problem.clone()),
    }
}
