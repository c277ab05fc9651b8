//! `leftover shrink`: the smallest run that leaves the same behind, as a story and as a case file.

use std::path::PathBuf;
use std::time::Duration;

use leftover_harness::shrink::{Limits, Shrunk, shrink};
use leftover_harness::story::story;
use leftover_harness::verdict::Outcome;
use leftover_sim::scenario::SimLab;

use crate::case_file;
use crate::exit::Exit;
use crate::target::{Named, Target};
use crate::worlds;

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Named,
    /// Where to write the case file, whose name ends in .case.toml [default: below target/leftover]
    #[arg(long, value_name = "FILE", value_parser = case_file::name)]
    out: Option<PathBuf>,
    /// The largest number of runs
    #[arg(long, value_name = "N", default_value_t = 2000)]
    runs: u32,
    /// The longest time, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    seconds: u64,
}

/// Shrinks it, shows it, and writes it down.
pub fn run(args: &Args) -> Exit {
    let target = match args.target.find() {
        Ok(target) => target,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    match shrunk(args, &target) {
        Ok(exit) => exit,
        Err(problem) => {
            eprintln!("error: could not run: {problem}");
            Exit::CouldNotRun
        }
    }
}

fn shrunk(args: &Args, target: &Target) -> Result<Exit, String> {
    let found = worlds::target(target)?;
    let scenario = target.scenario();
    let before = found.clone();
    let expired = worlds::deadline(Duration::from_secs(args.seconds));
    let limits = Limits {
        runs: args.runs,
        expired: &expired,
    };
    let Some(shrunk) = shrink(&SimLab::default(), scenario, found, limits) else {
        println!("nothing to shrink: {}", before.verdict);
        return Ok(Exit::CouldNotRun);
    };
    let path = match &args.out {
        Some(path) => path.clone(),
        None => case_file::kept(scenario, &format!("{:016x}", shrunk.outcome.hash))?,
    };
    case_file::write_outcome(&path, scenario, &shrunk.outcome)?;
    let replay = worlds::Replay::of_case(&path);
    replay.check(&shrunk.outcome)?;
    println!("{}", story(scenario, &shrunk.outcome));
    println!("{}", summary(&before, &shrunk));
    println!("case file: {}", path.display());
    println!("{replay}");
    Ok(Exit::Clean)
}

/// What was taken away.
fn summary(before: &Outcome, shrunk: &Shrunk) -> String {
    let faults = |outcome: &Outcome| match outcome.plan.strikes.len() {
        0 => "no fault".to_owned(),
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    };
    let events = |outcome: &Outcome| format!("{} and {} events", faults(outcome), outcome.events);
    let end = if shrunk.at_limit {
        "its limit; more might go"
    } else {
        "nothing more can go"
    };
    format!(
        "shrunk in {} runs from {} to {}, until {end}",
        shrunk.runs,
        events(before),
        events(&shrunk.outcome)
    )
}
