//! `leftover gate --for TIME`: sweeps, and then swarms and pairs with what time is left.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{Cell, Table, presets::UTF8_FULL_CONDENSED};
use leftover_harness::explore::Stage;
use leftover_harness::explore::tally::Tally;
use leftover_harness::lab::Trial;
use leftover_harness::scenario::Scenario;
use leftover_harness::space::Family;
use leftover_scenarios::of_mirror;

use crate::budget::{Budget, Watch};
use crate::cells::number;
use crate::exit::Exit;
use crate::findings;
use crate::guard;
use crate::reach;
use crate::sweep::{self, Row};

/// How many seeds of a scenario a swarm takes in one turn: then it is the next scenario's.
const SWARM_TURN: u64 = 16;

/// How many seeds of a scenario pairs take in one turn.
const PAIRS_TURN: u64 = 32;

/// What was explored of one scenario.
struct Explored {
    row: Row,
    /// Swarm and pairs.
    beyond: Tally,
}

impl Explored {
    fn passed(&self) -> bool {
        self.row.passed() && self.beyond.left == 0 && self.beyond.not_struck == 0
    }
}

/// Explores until the time is up.
pub fn run(scenarios: &[Scenario], budget: &Budget, time: Duration) -> Exit {
    let watch = Watch::new(Some(time));
    let explored = explore(scenarios, budget, &watch);
    let line = watch.finish();
    match explored.and_then(|explored| report(&explored, &line)) {
        Ok(exit) => exit,
        Err(problem) => {
            eprintln!("error: {problem}");
            Exit::CouldNotRun
        }
    }
}

fn explore(scenarios: &[Scenario], budget: &Budget, watch: &Watch) -> Result<Vec<Explored>, String> {
    let first = budget.first_seed()?;
    let mut explored = Vec::new();
    for scenario in scenarios {
        explored.push(Explored {
            row: sweep::one(scenario, first, false, budget, watch)?,
            beyond: Tally::default(),
        });
    }
    // Of the others the sweep has shown all that they claim.
    let of_mirror: Vec<&str> = of_mirror().iter().map(|scenario| scenario.name).collect();
    let goes_beyond = |explored: &Explored| of_mirror.contains(&explored.row.scenario.name);
    let goes_on = explored.iter().any(goes_beyond);
    let mut turn = 0;
    while goes_on && !watch.is_up() {
        for explored in &mut explored {
            if goes_beyond(explored) {
                beyond(explored, first, turn, budget, watch)?;
            }
        }
        turn += 1;
    }
    Ok(explored)
}

/// One turn of a scenario: a swarm and pairs, from the seeds that no turn before has taken.
fn beyond(
    explored: &mut Explored,
    first: u64,
    turn: u64,
    budget: &Budget,
    watch: &Watch,
) -> Result<(), String> {
    let scenario = &explored.row.scenario;
    watch.on(&format!("{} swarm and pairs", scenario.name));
    let beyond = guard::explore(scenario, false, budget, watch, |explorer| {
        let mut beyond = explorer.swarm(scenario, first + turn * SWARM_TURN, SWARM_TURN)?;
        let pairs = explorer.pairs(scenario, &Trial::default(), first + turn * PAIRS_TURN, PAIRS_TURN);
        beyond.merge(pairs?);
        Ok(beyond)
    })?;
    explored.beyond.merge(beyond);
    Ok(())
}

fn report(explored: &[Explored], line: &str) -> Result<Exit, String> {
    println!("{}", table(explored));
    println!("{}", families(explored));
    let reached = explored.iter().flat_map(|explored| {
        let tallies = [&explored.row.swept.tally, &explored.beyond];
        tallies.map(|tally| (&explored.row.scenario, &tally.reach))
    });
    reach::print(&reached.collect::<Vec<_>>());
    println!("{line}");
    for explored in explored {
        let scenario = &explored.row.scenario;
        reach::complain(scenario, &explored.row.swept.tally);
        findings::print(scenario, &explored.row.swept.tally)?;
        findings::print(scenario, &explored.beyond)?;
    }
    if !explored.iter().all(Explored::passed) {
        return Ok(Exit::LeftBehind);
    }
    if explored.iter().any(|explored| explored.row.swept.tally.stopped) {
        return Err("the time was up before every place had been swept: give it more".to_owned());
    }
    Ok(Exit::Clean)
}

/// A line for each scenario: its sweep, and what went beyond it.
fn table(explored: &[Explored]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "scenario",
        "expected",
        "awaits",
        "messages",
        "swept",
        "again",
        "swarm",
        "pairs",
        "clean",
        "left",
        "not struck",
        "",
    ]);
    for explored in explored {
        let (swept, beyond) = (&explored.row.swept, &explored.beyond);
        let stage = |tally: &Tally, stage| tally.stages.get(&stage).copied().unwrap_or_default();
        let mut words = vec![if explored.passed() { "ok" } else { "FAILED" }];
        if swept.tally.stopped {
            words.push("stopped");
        }
        table.add_row([
            Cell::new(explored.row.scenario.name),
            Cell::new(crate::list::expected(explored.row.scenario.expect)),
            number(swept.awaits),
            number(swept.messages),
            number(stage(&swept.tally, Stage::Sweep)),
            number(stage(&swept.tally, Stage::SecondCancel)),
            number(stage(beyond, Stage::Swarm)),
            number(stage(beyond, Stage::Pairs)),
            number(swept.tally.clean + beyond.clean),
            number(swept.tally.left + beyond.left),
            number(swept.tally.not_struck + beyond.not_struck),
            Cell::new(words.join(", ")),
        ]);
    }
    table
}

/// How often each family has struck.
fn families(explored: &[Explored]) -> Table {
    let mut struck: BTreeMap<Family, u64> = BTreeMap::new();
    for explored in explored {
        for tally in [&explored.row.swept.tally, &explored.beyond] {
            for (family, times) in &tally.struck {
                *struck.entry(*family).or_default() += times;
            }
        }
    }
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["fault", "struck"]);
    for (family, times) in struck {
        table.add_row([Cell::new(family.as_str()), number(times)]);
    }
    table
}
