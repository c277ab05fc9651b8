//! Runs scenarios in either world, for the commands.

use std::process::{Command, Stdio};
use std::sync::Arc;

use leftover_harness::run::{self, Settings};
use leftover_harness::scenario::{Recon, Scenario};
use leftover_harness::verdict::{Outcome, Verdict};
use leftover_harness::world::World;
use leftover_sim::scenario as sim;
use leftover_testcontainers::{Options, RealWorld};

use crate::report::{Example, Shown};

/// The simulated world, for people.
pub const SIMULATED: &str = sim::DESCRIPTION;

/// One run in the simulated world.
pub fn simulated(scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    sim::run(scenario, seed, &Settings::default())
        .map_err(|error| format!("{} with seed {seed}: {error}", scenario.name))
}

/// What one run in the simulated world showed.
pub fn simulate(scenario: &Scenario, seed: u64) -> Result<Shown, String> {
    Ok(shown(
        &simulated(scenario, seed)?,
        format!("cargo leftover replay {} --seed {seed}", scenario.name),
    ))
}

fn shown(outcome: &Outcome, replay: String) -> Shown {
    match outcome.verdict {
        Verdict::Clean => Shown::Clean,
        Verdict::NotStruck(_) => Shown::NotStruck,
        Verdict::Left(_) => Shown::Left(Box::new(Example::of(outcome, replay))),
    }
}

/// Runs the example again in a process of its own, and fails when it does not show the same: a line is
/// printed only when it has been tried.
pub fn check_replay(scenario: &str, example: &Example) -> Result<(), String> {
    let seed = example.seed.to_string();
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let output = Command::new(program)
        .args(["replay", scenario, "--seed", &seed])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot replay {scenario} with seed {seed}: {error}"))?;
    if String::from_utf8_lossy(&output.stdout).contains(&format!("hash {}", example.hash)) {
        return Ok(());
    }
    Err(format!(
        "{scenario} with seed {seed} shows something else in a fresh process: it is not deterministic\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Two real servers and what drives them.
pub struct Real {
    world: Arc<RealWorld>,
    major: u32,
    runtime: tokio::runtime::Runtime,
}

impl Real {
    /// Starts two servers of this version.
    pub fn start(major: u32) -> Result<Real, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        let options = Options {
            major,
            ..Options::default()
        };
        let world = runtime
            .block_on(async { RealWorld::start(options) })
            .map_err(|error| error.to_string())?;
        Ok(Real {
            world: Arc::new(world),
            major,
            runtime,
        })
    }

    /// What the world is, for people.
    pub fn describe(&self) -> String {
        self.world.describe()
    }

    /// What a run without faults does.
    pub fn record(&self, scenario: &Scenario) -> Result<Recon, String> {
        let settings = Settings::real();
        let recorded = self
            .runtime
            .block_on(run::record(&self.world, scenario, 0, &settings));
        recorded
            .map(|(recon, _)| recon)
            .map_err(|error| format!("{}: {error}", scenario.name))
    }

    /// One run.
    pub fn outcome(&self, scenario: &Scenario, seed: u64, recon: &Recon) -> Result<Outcome, String> {
        let settings = Settings::real();
        self.runtime
            .block_on(run::run_scenario(&self.world, scenario, seed, recon, &settings))
            .map_err(|error| format!("{} with seed {seed}: {error}", scenario.name))
    }

    /// What one run showed.
    pub fn run(&self, scenario: &Scenario, seed: u64, recon: &Recon) -> Result<Shown, String> {
        let outcome = self.outcome(scenario, seed, recon)?;
        let major = self.major;
        let name = scenario.name;
        let replay = format!("cargo leftover replay {name} --seed {seed} --world real --postgres {major}");
        Ok(shown(&outcome, replay))
    }
}
