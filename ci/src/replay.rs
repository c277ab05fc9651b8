//! `leftover replay`: one run again.

use std::fmt::Write as _;

use leftover_harness::scenario::Scenario;
use leftover_harness::verdict::{Outcome, Verdict};
use leftover_scenarios::catalogue;

use crate::exit::Exit;
use crate::gate::World;
use crate::worlds::{self, Real};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The scenario; `leftover list` shows them
    scenario: String,
    /// The seed: it decides what strikes, where and when, and all else that could differ
    #[arg(long, value_name = "N")]
    seed: u64,
    /// The world to run in
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// The version of Postgres to run on in the real world
    #[arg(long, value_name = "MAJOR", default_value_t = 15)]
    postgres: u32,
    /// Print every event of the run
    #[arg(long)]
    log: bool,
}

/// Runs it again and shows it.
pub fn run(args: &Args) -> Exit {
    let Some(scenario) = catalogue().into_iter().find(|s| s.name == args.scenario) else {
        eprintln!(
            "error: there is no scenario {:?}; `leftover list` shows them",
            args.scenario
        );
        return Exit::Usage;
    };
    match outcome(args, &scenario) {
        Ok(outcome) => {
            print!("{}", render(&scenario, &outcome, args.log));
            match outcome.verdict {
                Verdict::Clean => Exit::Clean,
                Verdict::Left(_) => Exit::LeftBehind,
                Verdict::NotStruck(_) => Exit::CouldNotRun,
            }
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            Exit::CouldNotRun
        }
    }
}

fn outcome(args: &Args, scenario: &Scenario) -> Result<Outcome, String> {
    match args.world {
        World::Sim => worlds::simulated(scenario, args.seed),
        World::Real => {
            let world = Real::start(args.postgres)?;
            let recon = world.record(scenario)?;
            world.outcome(scenario, args.seed, &recon)
        }
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
    line("verdict", &outcome.verdict.to_string());
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
