//! What one run showed.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::fault::plan::{Plan, Strike};
use crate::fault::{Layer, Struck};
use crate::invariant::End;
use crate::lab::Trial;
use crate::leftover::{Leftover, explain, render};
use crate::log::Record;
use crate::reach::Reached;
use crate::scenario::Recon;

/// The judgement of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was left but what may be.
    Clean,
    /// These invariants were broken.
    Left(Vec<Leftover>),
    /// Nothing was left, and these strikes of the plan met nothing: the run proves nothing.
    NotStruck(Vec<Strike>),
}

impl Verdict {
    /// What was left.
    pub fn leftovers(&self) -> &[Leftover] {
        match self {
            Verdict::Left(leftovers) => leftovers,
            Verdict::Clean | Verdict::NotStruck(_) => &[],
        }
    }

    /// The verdict, with what the sessions that are left wait for.
    pub fn explain(&self) -> String {
        match self {
            Verdict::Left(leftovers) => explain(leftovers),
            other => other.to_string(),
        }
    }

    /// Whether the run was struck as planned and left nothing.
    pub fn is_clean(&self) -> bool {
        *self == Verdict::Clean
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Clean => f.write_str("clean"),
            Verdict::Left(leftovers) => f.write_str(&render(leftovers)),
            Verdict::NotStruck(strikes) => {
                let strikes: Vec<String> = strikes.iter().map(Strike::to_string).collect();
                write!(f, "the plan met nothing: {}", strikes.join("; "))
            }
        }
    }
}

/// One run: what was planned, what happened, how it is judged.
#[derive(Clone)]
#[must_use = "the verdict is in it"]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The size and the shape of what it ran on.
    pub config: Config,
    /// The world, for people.
    pub world: String,
    /// What was to go wrong.
    pub plan: Plan,
    /// What did.
    pub struck: Vec<Struck>,
    /// How the run ended.
    pub end: End,
    /// The error that the run or the drop returned, where it did.
    pub error: Option<String>,
    /// The judgement.
    pub verdict: Verdict,
    /// How often the run's future was polled.
    pub polls: u64,
    /// How long the run and a drop beside it took, in the world's time.
    pub duration: Duration,
    /// What it has reached.
    pub reached: Reached,
    /// The event log's hash with the verdict in it.
    pub hash: u64,
    /// The number of events.
    pub events: usize,
    pub(crate) layer: Arc<Layer>,
}

impl Outcome {
    /// The event log.
    pub fn records(&self) -> Vec<Record> {
        self.layer.log().records()
    }

    /// What decided this run.
    pub fn trial(&self) -> Trial {
        Trial {
            seed: self.seed,
            config: self.config.clone(),
            plan: self.plan.clone(),
        }
    }

    /// Where the next run of the same seed can be struck.
    pub fn recon(&self) -> Recon {
        Recon::of(self.layer.log(), self.layer.awaits())
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let strikes: Vec<String> = self.plan.strikes.iter().map(Strike::to_string).collect();
        f.debug_struct("Outcome")
            .field("scenario", &self.scenario)
            .field("seed", &self.seed)
            .field("plan", &strikes)
            .field("end", &self.end)
            .field("error", &self.error)
            .field("verdict", &self.verdict.to_string())
            .field("hash", &format_args!("{:016x}", self.hash))
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
