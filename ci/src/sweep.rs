//! `leftover sweep`: every place of a scenario, with everything that can strike there.

use comfy_table::{Cell, Table, presets::UTF8_FULL_CONDENSED};
use glob::Pattern;
use leftover_harness::explore::sweep::Swept;
use leftover_harness::lab::Trial;
use leftover_harness::scenario::{Expect, Scenario};

use crate::budget::{Budget, Watch};
use crate::cells::number;
use crate::exit::Exit;
use crate::findings;
use crate::guard;
use crate::reach;
use crate::target::matching;

/// What to sweep.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The scenarios whose names match, such as 'two-*'; all by default
    #[arg(long, value_name = "GLOB", default_value = "*")]
    scenario: Pattern,
    /// Stop after so long; what was not run is said
    #[arg(long = "for", value_name = "TIME", value_parser = crate::budget::duration)]
    time: Option<std::time::Duration>,
    /// Follow each strike by a drop, and in a run of its own by a next run and a drop; by default the two take
    /// turns
    #[arg(long)]
    thorough: bool,
    #[command(flatten)]
    budget: Budget,
}

/// One swept scenario.
pub struct Row {
    /// Which.
    pub scenario: Scenario,
    /// What the sweep showed.
    pub swept: Swept,
}

impl Row {
    /// Whether it shows what the scenario is to show, and has reached what it promises.
    pub fn passed(&self) -> bool {
        let tally = &self.swept.tally;
        tally.not_struck == 0
            && reach::missing(&self.scenario, tally).is_empty()
            && match self.scenario.expect {
                Expect::Clean => tally.left == 0,
                Expect::Caught => tally.left > 0,
            }
    }
}

/// Sweeps.
pub fn run(args: &Args) -> Exit {
    let scenarios = match matching(&args.scenario) {
        Ok(scenarios) => scenarios,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    let watch = Watch::new(args.time);
    let rows = args.budget.first_seed().and_then(|seed| {
        let swept = scenarios
            .iter()
            .map(|scenario| one(scenario, seed, args.thorough, &args.budget, &watch));
        swept.collect::<Result<Vec<Row>, String>>()
    });
    let line = watch.finish();
    match rows {
        Ok(rows) => report(&rows, &line),
        Err(problem) => {
            eprintln!("error: {problem}");
            Exit::CouldNotRun
        }
    }
}

/// Sweeps one scenario.
///
/// # Errors
/// When its worlds failed.
pub fn one(
    scenario: &Scenario,
    seed: u64,
    thorough: bool,
    budget: &Budget,
    watch: &Watch,
) -> Result<Row, String> {
    watch.on(scenario.name);
    let calm = Trial {
        seed,
        ..Trial::default()
    };
    let swept = guard::explore(scenario, thorough, budget, watch, |explorer| {
        explorer.sweep(scenario, &calm)
    })?;
    Ok(Row {
        scenario: scenario.clone(),
        swept,
    })
}

fn report(rows: &[Row], line: &str) -> Exit {
    let reached = rows.iter().map(|row| (&row.scenario, &row.swept.tally.reach));
    println!("{}", table(rows));
    reach::print(&reached.collect::<Vec<_>>());
    println!("{line}");
    for row in rows {
        reach::complain(&row.scenario, &row.swept.tally);
        if let Err(problem) = findings::print(&row.scenario, &row.swept.tally) {
            eprintln!("error: {problem}");
            return Exit::CouldNotRun;
        }
    }
    if rows.iter().any(|row| !row.passed()) {
        Exit::LeftBehind
    } else if rows.iter().any(|row| row.swept.tally.stopped) {
        eprintln!("error: the time was up before everything had run");
        Exit::CouldNotRun
    } else {
        Exit::Clean
    }
}

/// A line for each scenario.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "scenario",
        "expected",
        "awaits",
        "messages",
        "runs",
        "clean",
        "left",
        "not struck",
        "found by run",
        "",
    ]);
    for row in rows {
        let (swept, tally) = (&row.swept, &row.swept.tally);
        let found = tally
            .in_order()
            .first()
            .map(|(_, finding)| swept.number_of(finding.first));
        let mut words = vec![if row.passed() { "ok" } else { "FAILED" }];
        if tally.stopped {
            words.push("stopped");
        }
        table.add_row([
            Cell::new(row.scenario.name),
            Cell::new(crate::list::expected(row.scenario.expect)),
            number(swept.awaits),
            number(swept.messages),
            number(tally.runs),
            number(tally.clean),
            number(tally.left),
            number(tally.not_struck),
            found.map_or(Cell::new(""), number),
            Cell::new(words.join(", ")),
        ]);
    }
    table
}
