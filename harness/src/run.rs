//! One run of a scenario, from an empty world to its verdict.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::config::Config;
use crate::errands::Errands;
use crate::fault::plan::Plan;
use crate::fault::{Layer, Stop};
use crate::invariant::{Before, Bounds};
use crate::judge::{Bench, Course, crashed};
use crate::leftover::{self, Leftover};
use crate::neighbour::{self, Neighbours};
use crate::pipeline::Pipeline;
use crate::process::Process;
use crate::reach::{Reached, Situations};
use crate::scenario::{Recon, Scenario};
use crate::supervise::{Milestone, Running, Supervision};
use crate::verdict::{Outcome, Verdict};
use crate::world::{Server, World, WorldError};

/// How runs are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Until when things may stay.
    pub bounds: Bounds,
    /// Whether two runs of one seed are the same, poll by poll and message by message, up to the strike. Where
    /// they are not, plans are drawn among the places that every run has.
    pub exact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            bounds: Bounds::default(),
            exact: true,
        }
    }
}

impl Settings {
    /// For a world on real servers and in real time: nobody waits for a run for more than ten minutes, or looks
    /// again ten minutes after a drop.
    pub fn real() -> Self {
        let bounds = Bounds {
            run: Duration::from_secs(600),
            lasting: Duration::ZERO,
            ..Bounds::default()
        };
        Settings { bounds, exact: false }
    }
}

/// Why a run could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The world failed.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The plan asks for a fault that this world has no means for.
    #[error("this world cannot do that: {0}")]
    Impossible(String),
}

/// Runs `scenario` without faults, and returns what it did beside its outcome.
///
/// # Errors
/// When the world failed.
pub async fn record<W: World>(
    world: &Arc<W>,
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    settings: &Settings,
) -> Result<(Recon, Outcome), RunError> {
    let outcome = run_plan(world, scenario, seed, config, &Plan::calm(), settings).await?;
    let recon = Recon {
        exact: settings.exact,
        ..outcome.recon()
    };
    Ok((recon, outcome))
}

/// Runs `scenario` with the plan that `seed` draws from `recon`.
///
/// # Errors
/// When the world failed or cannot do what the plan asks for.
pub async fn run_scenario<W: World>(
    world: &Arc<W>,
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    recon: &Recon,
    settings: &Settings,
) -> Result<Outcome, RunError> {
    run_plan(
        world,
        scenario,
        seed,
        config,
        &scenario.plan(seed, recon),
        settings,
    )
    .await
}

/// Runs `scenario` on `config` with `plan`.
///
/// # Errors
/// When the world failed or cannot do what the plan asks for.
pub async fn run_plan<W: World>(
    world: &Arc<W>,
    scenario: &Scenario,
    seed: u64,
    config: &Config,
    plan: &Plan,
    settings: &Settings,
) -> Result<Outcome, RunError> {
    world.reset().await?;
    for (server, fixture) in [
        (Server::Source, scenario.source),
        (Server::Target, scenario.target),
    ] {
        let sql = fixture(config);
        if !sql.is_empty() {
            world.sql(server, &sql).await?;
        }
    }
    let pipeline = (scenario.build)(config);
    let beside = scenario.beside.and_then(|build| build(config));
    let neighbours = Neighbours::settle(world, &pipeline.ours().lookalikes).await?;
    let before = before(world, beside.as_deref()).await?;
    let mut blocker = match scenario.blocker {
        Some(blocker) => Some(neighbour::block(world, blocker).await?),
        None => None,
    };
    let layer = Layer::new(plan, world.clock());
    let bench = Bench {
        world,
        layer: layer.clone(),
        errands: Errands::new(world, &layer),
        pipeline: &*pipeline,
        beside: beside.as_deref(),
        before,
        settings,
        writers_go: Stop::default(),
    };
    let write = || neighbour::write_beside(world, config.writers, bench.writers_go.clone());
    let mut writers = (config.writers > 0).then(write);
    let mut judged = Box::pin(drive(&bench, plan));
    let (course, leftovers) = std::future::poll_fn(|cx| {
        bench.layer.poll_tasks(cx);
        if let Some(writing) = &mut writers
            && writing.as_mut().poll(cx).is_ready()
        {
            writers = None;
        }
        if let Some(holding) = &mut blocker
            && let Poll::Ready(end) = holding.as_mut().poll(cx)
        {
            blocker = None;
            if let Err(error) = end
                && !crashed(&layer, Server::Source)
            {
                return Poll::Ready(Err(RunError::World(error)));
            }
        }
        judged.as_mut().poll(cx)
    })
    .await?;
    drop((judged, writers));
    neighbours.leave().await;
    let noted = noted(world).await?;
    if let Some(problem) = bench.layer.impossible() {
        return Err(RunError::Impossible(problem));
    }
    Ok(outcome(
        &bench,
        scenario,
        (seed, config, plan),
        course,
        leftovers,
        noted,
    ))
}

/// What is there before the run, and whom else to expect.
async fn before<W: World>(world: &Arc<W>, beside: Option<&dyn Pipeline>) -> Result<[Before; 2], WorldError> {
    let mut before = [
        Before::of(&world.census(Server::Source).await?),
        Before::of(&world.census(Server::Target).await?),
    ];
    for before in &mut before {
        before.passing(neighbour::BLOCKER);
        before.passing(neighbour::WRITER);
        if let Some(beside) = beside {
            before.beside(beside.ours());
        }
    }
    Ok(before)
}

/// What both servers have noted.
async fn noted<W: World>(world: &Arc<W>) -> Result<Situations, WorldError> {
    let mut noted = Situations::default();
    for server in Server::BOTH {
        noted.add(world.reached(server).await?);
    }
    Ok(noted)
}

async fn drive<W: World>(bench: &Bench<'_, W>, plan: &Plan) -> Result<(Course, Vec<Leftover>), RunError> {
    let (layer, bounds, pipeline) = (&bench.layer, &bench.settings.bounds, bench.pipeline);
    let process = Process::start(bench.world, layer, "run");
    let run_id = process.id();
    let run = Running::new(process, bounds.run, |env| pipeline.run(env));
    let beside = bench.beside.map(|other| {
        let process = Process::start(bench.world, layer, "beside");
        Running::new(process, bounds.run, |env| Pipeline::run(other, env))
    });
    let start_drop = || Process::start(bench.world, layer, "drop");
    let mut supervision = Supervision::new(
        pipeline,
        layer.clone(),
        run,
        beside,
        start_drop,
        bounds.drop,
        &bench.errands,
    );
    let mut early = Vec::new();
    let mut run_went_on = false;
    while let Milestone::DropEnded = supervision.next().await? {
        run_went_on = true;
        early = bench.after_drop_while_run_goes_on(&supervision).await?;
    }
    let polls = supervision.run_polls();
    let (run_ended, drop_id) = (supervision.run_ended(), supervision.drop_id());
    let (run, drop, beside) = supervision.ends();
    let course = Course {
        run_id,
        run,
        run_ended,
        drop_id,
        drop,
        beside,
        polls,
        run_went_on,
        duration: layer.log().elapsed(),
    };
    let mut leftovers = bench.judge(&course).await?;
    leftovers.splice(0..0, early);
    if leftovers.is_empty() {
        leftovers = bench.aftermath(&course, plan.then).await?;
    }
    leftovers.extend(bench.touched().await?);
    leftover::sort(&mut leftovers);
    Ok((course, leftovers))
}

fn outcome<W: World>(
    bench: &Bench<'_, W>,
    scenario: &Scenario,
    (seed, config, plan): (u64, &Config, &Plan),
    course: Course,
    leftovers: Vec<Leftover>,
    noted: Situations,
) -> Outcome {
    let struck = bench.layer.struck();
    let missed: Vec<_> = struck
        .iter()
        .filter(|struck| struck.times == 0)
        .map(|struck| struck.strike.clone())
        .collect();
    let verdict = match (leftovers.is_empty(), missed.is_empty()) {
        (false, _) => Verdict::Left(leftovers),
        (true, false) => Verdict::NotStruck(missed),
        (true, true) => Verdict::Clean,
    };
    let end = course.end(&bench.layer);
    let log = bench.layer.log();
    let reached = Reached::of(bench.pipeline, &struck, log, noted);
    let hash = log.hash(&format!("{end}; {verdict}"));
    Outcome {
        scenario: scenario.name.to_owned(),
        seed,
        config: config.clone(),
        world: bench.world.describe(),
        plan: plan.clone(),
        struck,
        error: course.error(),
        end,
        verdict,
        polls: course.polls,
        duration: course.duration,
        reached,
        hash,
        events: log.len(),
        layer: bench.layer.clone(),
    }
}
