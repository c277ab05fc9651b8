//! Scenarios in the simulated world: each run in a world of its own, as a function of scenario and seed.

use std::sync::Arc;

use leftover_harness::fault::plan::Plan;
use leftover_harness::run::{self, RunError, Settings};
use leftover_harness::scenario::{Recon, Scenario};
use leftover_harness::verdict::Outcome;
use leftover_wire::login::Login;

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
}

/// Runs `scenario` with the plan that `seed` draws from what the run without faults of the same seed did.
///
/// # Errors
/// When a run could not be judged.
pub fn run(scenario: &Scenario, seed: u64, settings: &Settings) -> Result<Outcome, SimulationError> {
    let (recon, _) = record(scenario, seed, settings)?;
    run_plan(scenario, seed, &scenario.plan(seed, &recon), settings)
}

/// Runs `scenario` without faults, and returns what it did beside its outcome.
///
/// # Errors
/// When the run could not be judged.
pub fn record(
    scenario: &Scenario,
    seed: u64,
    settings: &Settings,
) -> Result<(Recon, Outcome), SimulationError> {
    in_a_world(seed, async |world| {
        run::record(&world, scenario, seed, settings).await
    })
}

/// Runs `scenario` with `plan`.
///
/// # Errors
/// When the run could not be judged.
pub fn run_plan(
    scenario: &Scenario,
    seed: u64,
    plan: &Plan,
    settings: &Settings,
) -> Result<Outcome, SimulationError> {
    in_a_world(seed, async |world| {
        run::run_plan(&world, scenario, seed, plan, settings).await
    })
}

/// Runs `judge` in a simulation of its own, with two servers as new.
fn in_a_world<T>(
    seed: u64,
    judge: impl AsyncFnOnce(Arc<SimWorld>) -> Result<T, RunError>,
) -> Result<T, SimulationError> {
    let ran = Simulation::new(seed).run(|sim| async move {
        let options = ServerOptions::default();
        let login = Login {
            user: options.role.clone(),
            password: None,
            database: options.database.clone(),
        };
        let (clock, chooser) = (sim.clock(), sim.chooser());
        let world = SimWorld::new(
            &sim,
            DESCRIPTION,
            &WorldOptions::new(login),
            move |server, time| {
                PgServer::new(
                    options.clone(),
                    clock.clone(),
                    chooser.fork(&format!("{server} {time}")),
                )
            },
        );
        judge(Arc::new(world)).await
    })?;
    Ok(ran?)
}
