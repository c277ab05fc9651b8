//! Scenarios in the simulated world: each run in a world of its own, as a function of scenario and seed.

use std::sync::Arc;

use leftover_harness::config::Config;
use leftover_harness::explore::Explorer;
use leftover_harness::explore::sweep::Swept;
use leftover_harness::fault::plan::Plan;
use leftover_harness::lab::{Lab, LabError, Trial};
use leftover_harness::run::{self, RunError, Settings};
use leftover_harness::scenario::{Recon, Scenario};
use leftover_harness::verdict::Outcome;
use leftover_wire::login::Login;

use crate::net::PipeOptions;
use crate::postgres::options::ServerOptions;
use crate::postgres::server::PgServer;
use crate::runtime::{Simulation, Stuck};
use crate::world::{SimWorld, WorldOptions};

/// What this world is, for people.
pub const DESCRIPTION: &str = "simulated Postgres 15";

/// Why a simulated run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The run could not be judged.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The simulation did not end.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// The configuration sets what the server does not have.
    #[error("{0}")]
    Settings(String),
}

/// Runs `scenario` with the plan that `seed` draws from what the run without faults of the same seed did.
///
/// # Errors
/// When a run could not be judged.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    settings: &Settings,
) -> Result<Outcome, SimulationError> {
    let (recon, calm) = record(scenario, seed, config, settings)?;
    let plan = scenario.plan(seed, &recon);
    if plan == Plan::calm() {
        return Ok(calm);
    }
    run_plan(scenario, seed, config, &plan, settings)
}

/// Trials in the simulated world.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimLab {
    /// How runs are judged.
    pub settings: Settings,
}

impl Lab for SimLab {
    fn run(&self, scenario: &Scenario, trial: &Trial) -> Result<Outcome, LabError> {
        let Trial { seed, config, plan } = trial;
        run_plan(scenario, *seed, config, plan, &self.settings).map_err(|error| LabError {
            scenario: scenario.name,
            trial: Box::new(trial.clone()),
            problem: error.to_string(),
        })
    }

    fn is_exact(&self) -> bool {
        true
    }
}

/// Runs `scenario` with everything that can strike, at every place, on all cores. For tests: assert that what
/// it showed [`is_clean`](leftover_harness::explore::tally::Tally::is_clean).
///
/// # Errors
/// When a run could not be judged.
pub fn sweep(scenario: &Scenario) -> Result<Swept, LabError> {
    let lab = SimLab::default();
    let explorer = Explorer {
        lab: &lab,
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        thorough: false,
        stop: &|| false,
        seen: &|_| {},
    };
    explorer.sweep(scenario, &Trial::default())
}

/// Runs `scenario` without faults, and returns what it did beside its outcome.
///
/// # Errors
/// When the run could not be judged.
pub fn record(
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    settings: &Settings,
) -> Result<(Recon, Outcome), SimulationError> {
    in_a_world(seed, config, async |world| {
        run::record(&world, scenario, seed, config, settings).await
    })
}

/// Runs `scenario` with `plan`.
///
/// # Errors
/// When the run could not be judged.
pub fn run_plan(
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    plan: &Plan,
    settings: &Settings,
) -> Result<Outcome, SimulationError> {
    in_a_world(seed, config, async |world| {
        run::run_plan(&world, scenario, seed, config, plan, settings).await
    })
}

/// Connections as `config` asks for.
fn connections(config: &Config) -> PipeOptions {
    let mut options = PipeOptions::default();
    for flow in [&mut options.to_server, &mut options.to_client] {
        flow.latency = config.latency();
        if config.window > 0 {
            // A kernel that has little to receive into has little to send from.
            flow.window_bytes = config.window as usize;
            flow.send_buffer_bytes = config.window as usize;
        }
    }
    options
}

/// Runs `judge` in a simulation of its own, with two servers as new.
fn in_a_world<T>(
    seed: u64,
    config: &Config,
    judge: impl AsyncFnOnce(Arc<SimWorld>) -> Result<T, RunError>,
) -> Result<T, SimulationError> {
    let settings = config
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let options = ServerOptions {
        settings: settings.collect(),
        ..ServerOptions::default()
    };
    options.check().map_err(SimulationError::Settings)?;
    let connections = connections(config);
    let ran = Simulation::new(seed).run(|sim| async move {
        let login = Login {
            user: options.role.clone(),
            password: None,
            database: options.database.clone(),
        };
        let (clock, seed) = (sim.clock(), sim.chooser().seed());
        let world = SimWorld::new(
            &sim,
            DESCRIPTION,
            &WorldOptions {
                connections,
                ..WorldOptions::new(login)
            },
            move |server, time| {
                PgServer::new(
                    options.clone(),
                    clock.clone(),
                    seed.fork(&format!("{server} {time}")),
                )
            },
        );
        judge(Arc::new(world)).await
    })?;
    Ok(ran?)
}
