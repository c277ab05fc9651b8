//! Where trials are run: the seam between exploring and the worlds.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::fault::plan::Plan;
use crate::scenario::Scenario;
use crate::verdict::Outcome;

/// All that decides one run of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trial {
    /// Every choice of the world.
    pub seed: u64,
    /// The size and the shape of what it runs on.
    pub config: Config,
    /// What goes wrong.
    pub plan: Plan,
}

/// Why a trial has no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{scenario} with seed {}: {problem}", trial.seed)]
pub struct LabError {
    /// The scenario.
    pub scenario: &'static str,
    /// The trial.
    pub trial: Box<Trial>,
    /// What happened.
    pub problem: String,
}

/// Runs trials in one kind of world.
pub trait Lab: Sync {
    /// Runs one trial, in a world as new.
    ///
    /// # Errors
    /// When the world failed or cannot do what the plan asks for.
    fn run(&self, scenario: &Scenario, trial: &Trial) -> Result<Outcome, LabError>;

    /// Whether two runs of one trial are the same, poll by poll and message by message.
    fn is_exact(&self) -> bool;
}
