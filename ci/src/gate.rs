//! `leftover gate`: runs the scenarios under faults, and fails if anything is left behind.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use glob::Pattern;
use indicatif::{ProgressBar, ProgressStyle};
use leftover_harness::scenario::Scenario;
use leftover_scenarios::catalogue;

use crate::exit::Exit;
use crate::report::{Row, Shown, story, table};
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
    /// How many runs at a time in the simulated world [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the gate.
pub fn run(args: &Args) -> Exit {
    let scenarios: Vec<Scenario> = catalogue()
        .into_iter()
        .filter(|s| args.scenario.matches(s.name))
        .collect();
    if scenarios.is_empty() {
        eprintln!(
            "error: no scenario matches {}; `leftover list` shows them",
            args.scenario
        );
        return Exit::Usage;
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

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {wide_bar} {pos}/{len} runs, {per_sec}")
        .expect("a valid template");
    ProgressBar::new(length).with_style(style)
}

fn simulated(args: &Args, scenarios: &[Scenario]) -> Result<Vec<Row>, String> {
    let seeds = args.seeds.unwrap_or(100);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let jobs = args.jobs.unwrap_or(cores).min(seeds);
    let bar = bar(seeds * scenarios.len() as u64);
    let mut rows = Vec::new();
    for scenario in scenarios {
        bar.set_message(scenario.name);
        let mut row = Row::new(worlds::SIMULATED, scenario);
        let started = bar.elapsed();
        for shown in many(scenario, seeds, jobs, &bar)? {
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
fn many(scenario: &Scenario, seeds: u64, jobs: u64, bar: &ProgressBar) -> Result<Vec<Shown>, String> {
    let next = AtomicU64::new(0);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
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
    let seeds = args.seeds.unwrap_or(3);
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
            for seed in 0..seeds {
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
