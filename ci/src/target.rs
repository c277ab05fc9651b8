//! What a command runs: a case file, or a scenario with a seed.

use std::path::Path;

use glob::Pattern;
use leftover_harness::case::Case;
use leftover_harness::scenario::Scenario;
use leftover_scenarios::{everything, meant_by};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// A case file (*.case.toml), or a scenario; `leftover list` shows them
    #[arg(value_name = "CASE|SCENARIO")]
    what: String,
    /// The seed of a scenario's run: it decides what strikes, where and when, and all else that could differ
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// A run that can be repeated.
#[derive(Clone)]
pub enum Target {
    /// What a case file says.
    Case {
        /// What it says.
        case: Box<Case>,
        /// Its scenario.
        scenario: Scenario,
    },
    /// What a seed draws.
    Seed {
        /// Its scenario.
        scenario: Scenario,
        /// The seed.
        seed: u64,
    },
}

impl Target {
    /// Its scenario.
    pub fn scenario(&self) -> &Scenario {
        match self {
            Target::Case { scenario, .. } | Target::Seed { scenario, .. } => scenario,
        }
    }

    /// What a case file says.
    ///
    /// # Errors
    /// When it is no case, or its scenario is unknown.
    pub fn case(path: &Path) -> Result<Target, String> {
        let case = Case::read(path).map_err(|error| error.to_string())?;
        let known = everything();
        let scenario = case.find(&known);
        let scenario = scenario.map_err(|problem| format!("{}: {problem}", path.display()))?;
        Ok(Target::Case {
            scenario: scenario.clone(),
            case: Box::new(case),
        })
    }
}

/// The scenarios whose names match, at least one.
///
/// # Errors
/// When none does.
pub fn matching(pattern: &Pattern) -> Result<Vec<Scenario>, String> {
    let mut scenarios = meant_by(pattern.as_str());
    scenarios.retain(|scenario| pattern.matches(scenario.name));
    if scenarios.is_empty() {
        return Err(format!(
            "no scenario matches {pattern}; `leftover list` shows them"
        ));
    }
    Ok(scenarios)
}

impl Named {
    /// Finds it.
    ///
    /// # Errors
    /// When there is no such case or scenario, or a seed is missing or too much.
    pub fn find(&self) -> Result<Target, String> {
        let Named { what, seed } = self;
        match (what.ends_with(".toml"), *seed) {
            (true, None) => Target::case(Path::new(what)),
            (true, Some(_)) => Err(format!("{what} has a seed of its own; leave --seed out")),
            (false, seed) => {
                let scenario = leftover_scenarios::find(what).ok_or_else(|| {
                    format!("there is no scenario {what:?}; `leftover list` shows them, and case files end in .case.toml")
                })?;
                let seed = seed.ok_or_else(|| format!("which run of {what}? Say --seed N"))?;
                Ok(Target::Seed { scenario, seed })
            }
        }
    }
}
