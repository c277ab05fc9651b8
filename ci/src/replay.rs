//! `leftover replay`: one run again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use leftover_harness::scenario::Scenario;
use leftover_harness::verdict::{Outcome, Verdict};

use crate::case_file;
use crate::exit::Exit;
use crate::gate::World;
use crate::target::{Named, Target};
use crate::worlds::{self, Real};

/// Which run, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Named,
    /// The world to run in
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// The version of Postgres to run on in the real world
    #[arg(long, value_name = "MAJOR", default_value_t = 15)]
    postgres: u32,
    /// Print every event of the run
    #[arg(long)]
    log: bool,
    /// Write the run as a case file, whose name ends in .case.toml
    #[arg(long, value_name = "FILE", value_parser = case_file::name)]
    out: Option<PathBuf>,
}

/// Runs it again and shows it.
pub fn run(args: &Args) -> Exit {
    let target = match args.target.find() {
        Ok(target) => target,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    let outcome = match outcome(args, &target) {
        Ok(outcome) => outcome,
        Err(problem) => {
            eprintln!("error: could not run: {problem}");
            return Exit::CouldNotRun;
        }
    };
    print!("{}", render(target.scenario(), &outcome, args.log));
    let exit = judge(&target, &outcome);
    match &args.out {
        Some(path) => exit.worse(keep(path, &target, &outcome)),
        None => exit,
    }
}

fn keep(path: &Path, target: &Target, outcome: &Outcome) -> Exit {
    match case_file::write_outcome(path, target.scenario(), outcome) {
        Ok(()) => Exit::Clean,
        Err(problem) => {
            eprintln!("error: {problem}");
            Exit::CouldNotRun
        }
    }
}

fn outcome(args: &Args, target: &Target) -> Result<Outcome, String> {
    match args.world {
        World::Sim => worlds::target(target),
        World::Real => Real::start(args.postgres)?.target(target),
    }
}

/// Whether it showed what a case says; without a case, whether anything was left.
fn judge(target: &Target, outcome: &Outcome) -> Exit {
    if let Target::Case { case, .. } = target {
        return match case.check(outcome) {
            Ok(()) => {
                println!("expected  this verdict, and so it is");
                Exit::Clean
            }
            Err(mismatch) => {
                let mismatch = mismatch.to_string().replace('\n', "\n          ");
                println!("expected  not shown: {mismatch}");
                Exit::LeftBehind
            }
        };
    }
    match outcome.verdict {
        Verdict::Clean => Exit::Clean,
        Verdict::Left(_) => Exit::LeftBehind,
        Verdict::NotStruck(_) => Exit::CouldNotRun,
    }
}

/// The run in words.
fn render(scenario: &Scenario, outcome: &Outcome, log: bool) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<10}{}", value.replace('\n', "\n          "));
    };
    line("scenario", &format!("{}: {}", scenario.name, scenario.about));
    line("world", &outcome.world);
    line("seed", &outcome.seed.to_string());
    for strike in &outcome.plan.strikes {
        line("plan", &strike.to_string());
    }
    line("run", &outcome.end.to_string());
    if let Some(error) = &outcome.error {
        line("error", error);
    }
    line("verdict", &outcome.verdict.explain());
    line(
        "took",
        &format!(
            "{:?} of the world's time, {} polls",
            outcome.duration, outcome.polls
        ),
    );
    line(
        "events",
        &format!("{}, hash {:016x}", outcome.events, outcome.hash),
    );
    if log {
        for record in outcome.records() {
            let _ = writeln!(text, "{record}");
        }
    }
    text
}
