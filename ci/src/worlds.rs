//! Runs scenarios in either world, for the commands.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use leftover_harness::config::Config;
use leftover_harness::lab::{Lab as _, Trial};
use leftover_harness::run::{self, Settings};
use leftover_harness::scenario::{Recon, Scenario};
use leftover_harness::verdict::{Outcome, Verdict};
use leftover_harness::world::World;
use leftover_sim::scenario::{self as sim, SimLab};
use leftover_testcontainers::{Options, RealWorld};

use crate::report::{Example, Shown};
use crate::target::Target;

/// The simulated world, for people.
pub const SIMULATED: &str = sim::DESCRIPTION;

/// One run in the simulated world.
pub fn simulated(scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    sim::run(scenario, seed, &Config::default(), &Settings::default())
        .map_err(|error| format!("{} with seed {seed}: {error}", scenario.name))
}

/// What one run in the simulated world showed.
pub fn simulate(scenario: &Scenario, seed: u64) -> Result<Shown, String> {
    let replay = Replay::of_seed(scenario.name, seed).to_string();
    let mut shown = shown(&simulated(scenario, seed)?, replay);
    if let Shown::Left(example) = &mut shown {
        example.shrink = Some(format!("cargo leftover shrink {} --seed {seed}", scenario.name));
    }
    Ok(shown)
}

fn shown(outcome: &Outcome, replay: String) -> Shown {
    match outcome.verdict {
        Verdict::Clean => Shown::Clean,
        Verdict::NotStruck(_) => Shown::NotStruck,
        Verdict::Left(_) => Shown::Left(Box::new(Example::of(outcome, replay))),
    }
}

/// The run of a target in the simulated world.
pub fn target(target: &Target) -> Result<Outcome, String> {
    match target {
        Target::Seed { scenario, seed } => simulated(scenario, *seed),
        Target::Case { scenario, case, .. } => SimLab::default()
            .run(scenario, &case.trial)
            .map_err(|error| error.to_string()),
    }
}

/// Whether so much real time has passed since now.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a person waits is real time; no run depends on it but in how many follow"
)]
pub fn deadline(after: Duration) -> impl Fn() -> bool {
    let start = std::time::Instant::now();
    move || start.elapsed() >= after
}

/// A line to paste that repeats a run in the simulated world.
pub struct Replay(Vec<String>);

impl Replay {
    /// The line of a seed.
    pub fn of_seed(scenario: &str, seed: u64) -> Replay {
        Replay(vec![scenario.to_owned(), "--seed".to_owned(), seed.to_string()])
    }

    /// The line of a case file.
    pub fn of_case(path: &Path) -> Replay {
        Replay(vec![path.display().to_string()])
    }

    /// Runs it in a process of its own, and fails when that does not show the same: a line is printed only
    /// when it has been tried.
    pub fn check(&self, outcome: &Outcome) -> Result<(), String> {
        self.check_hash(&format!("{:016x}", outcome.hash))
    }

    /// As [`Replay::check`], of a run whose event log has this hash, in 16 hexadecimal digits.
    pub fn check_hash(&self, hash: &str) -> Result<(), String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let output = Command::new(program)
            .arg("replay")
            .args(&self.0)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run `{self}`: {error}"))?;
        if String::from_utf8_lossy(&output.stdout).contains(&format!("hash {hash}")) {
            return Ok(());
        }
        Err(format!(
            "`{self}` shows something else in a fresh process: it is not deterministic\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

impl std::fmt::Display for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cargo leftover replay {}", self.0.join(" "))
    }
}

/// Tries the line of an example.
pub fn check_replay(scenario: &str, example: &Example) -> Result<(), String> {
    Replay::of_seed(scenario, example.seed).check_hash(&example.hash)
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
        let (config, settings) = (Config::default(), Settings::real());
        let recorded = self
            .runtime
            .block_on(run::record(&self.world, scenario, 0, &config, &settings));
        recorded
            .map(|(recon, _)| recon)
            .map_err(|error| format!("{}: {error}", scenario.name))
    }

    /// One run.
    pub fn outcome(&self, scenario: &Scenario, seed: u64, recon: &Recon) -> Result<Outcome, String> {
        let (config, settings) = (Config::default(), Settings::real());
        let run = run::run_scenario(&self.world, scenario, seed, &config, recon, &settings);
        self.runtime
            .block_on(run)
            .map_err(|error| format!("{} with seed {seed}: {error}", scenario.name))
    }

    /// The run of a target.
    pub fn target(&self, target: &Target) -> Result<Outcome, String> {
        match target {
            Target::Seed { scenario, seed } => self.outcome(scenario, *seed, &self.record(scenario)?),
            Target::Case { scenario, case, .. } => {
                let Trial { seed, config, plan } = &case.trial;
                let settings = Settings::real();
                let run = run::run_plan(&self.world, scenario, *seed, config, plan, &settings);
                let ran = self.runtime.block_on(run);
                ran.map_err(|error| format!("{} in {}: {error}", scenario.name, self.describe()))
            }
        }
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
