//! `leftover gate`: runs the scenarios under faults, and fails if anything is left behind.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use glob::Pattern;
use indicatif::{ProgressBar, ProgressStyle};
use leftover_harness::scenario::Scenario;

use crate::budget::Budget;
use crate::exit::Exit;
use crate::explore;
use crate::report::{Row, Shown, story, table};
use crate::target::matching;
use crate::worlds::{self, Real};

/// Which world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// The simulated Postgres and network: thousands of runs, virtual time, no server needed
    Sim,
    /// Real Postgres: containers, LEFTOVER_POSTGRES_URL, or the binaries on this machine
    Real,
}

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The scenarios whose names match, such as 'peerdb-*'; all by default
    #[arg(long, value_name = "GLOB", default_value = "*")]
    scenario: Pattern,
    /// The world to run in
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// How many seeds of each scenario; each seed strikes elsewhere [default: 100 simulated, 3 real]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The versions of Postgres to run on in the real world
    #[arg(long, value_name = "MAJOR", value_delimiter = ',', default_values_t = [15, 17])]
    postgres: Vec<u32>,
    /// Sweep all scenarios in the simulated world, and then swarm and pair faults until so much time is up
    #[arg(long = "for", value_name = "TIME", value_parser = crate::budget::duration, conflicts_with_all = ["seeds", "json"])]
    time: Option<std::time::Duration>,
    #[command(flatten)]
    budget: Budget,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the gate.
pub fn run(args: &Args) -> Exit {
    let scenarios = match matching(&args.scenario) {
        Ok(scenarios) => scenarios,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    if let Some(time) = args.time {
        if args.world == World::Real {
            eprintln!("error: --for explores the simulated world; --world real takes --seeds");
            return Exit::Usage;
        }
        return explore::run(&scenarios, &args.budget, time);
    }
    let rows = match args.world {
        World::Sim => simulated(args, &scenarios),
        World::Real => real(args, &scenarios),
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::CouldNotRun;
        }
    };
    println!("{}", table(&rows));
    for text in rows.iter().filter_map(story) {
        println!("\n{text}");
    }
    let exit = if rows.iter().all(|row| row.passed) {
        Exit::Clean
    } else {
        Exit::LeftBehind
    };
    exit.worse(write_json(args, &rows))
}

fn write_json(args: &Args, rows: &[Row]) -> Exit {
    let Some(path) = &args.json else {
        return Exit::Clean;
    };
    let text = serde_json::to_string_pretty(rows).expect("rows are plain data");
    match std::fs::write(path, text + "\n") {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", path.display());
            Exit::CouldNotRun
        }
    }
}

/// A progress bar over so many runs.
pub fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {wide_bar} {pos}/{len} runs, {per_sec}")
        .expect("a valid template");
    ProgressBar::new(length).with_style(style)
}

fn simulated(args: &Args, scenarios: &[Scenario]) -> Result<Vec<Row>, String> {
    let seeds = args.seeds.unwrap_or(100);
    let first = args.budget.first_seed()?;
    let jobs = args.budget.jobs();
    let bar = bar(seeds * scenarios.len() as u64);
    let mut rows = Vec::new();
    for scenario in scenarios {
        bar.set_message(scenario.name);
        let mut row = Row::new(worlds::SIMULATED, scenario);
        let started = bar.elapsed();
        for shown in many(scenario, first..first + seeds, jobs, &bar)? {
            row.add(shown);
        }
        row.seconds = (bar.elapsed() - started).as_secs_f64();
        row.judge(scenario.expect);
        if let Some(example) = &row.example {
            worlds::check_replay(scenario.name, example)?;
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// Runs all seeds of a scenario, `jobs` at a time; what they showed, by seed.
fn many(
    scenario: &Scenario,
    seeds: std::ops::Range<u64>,
    jobs: usize,
    bar: &ProgressBar,
) -> Result<Vec<Shown>, String> {
    let next = AtomicU64::new(seeds.start);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let shown = worlds::simulate(scenario, seed);
            bar.inc(1);
            results
                .lock()
                .expect("no other job has panicked")
                .push((seed, shown));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().expect("no job has panicked");
    results.sort_by_key(|(seed, _)| *seed);
    results.into_iter().map(|(_, shown)| shown).collect()
}

fn real(args: &Args, scenarios: &[Scenario]) -> Result<Vec<Row>, String> {
    let (seeds, first) = (args.seeds.unwrap_or(3), args.budget.first_seed()?);
    let bar = bar(seeds * (scenarios.len() * args.postgres.len()) as u64);
    let mut rows = Vec::new();
    for major in &args.postgres {
        bar.set_message(format!("starting Postgres {major}"));
        let world = Real::start(*major)?;
        for scenario in scenarios {
            bar.set_message(format!("{} on Postgres {major}", scenario.name));
            let mut row = Row::new(&world.describe(), scenario);
            let started = bar.elapsed();
            let recon = world.record(scenario)?;
            for seed in first..first + seeds {
                row.add(world.run(scenario, seed, &recon)?);
                bar.inc(1);
            }
            row.seconds = (bar.elapsed() - started).as_secs_f64();
            row.judge(scenario.expect);
            rows.push(row);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}
