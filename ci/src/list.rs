//! `leftover list`: the scenarios.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use leftover_harness::scenario::{Expect, Scenario};
use leftover_scenarios::{catalogue, planted};

use crate::exit::Exit;

/// What to list.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// List the planted bugs that this tool is tested with instead
    #[arg(long)]
    planted: bool,
}

/// Prints the scenarios in the order in which the gate runs them.
pub fn run(args: &Args) -> Exit {
    let scenarios = if args.planted { planted() } else { catalogue() };
    println!("{}", render(&scenarios));
    Exit::Clean
}

fn render(scenarios: &[Scenario]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["scenario", "expected", "about"]);
    for scenario in scenarios {
        table.add_row([scenario.name, expected(scenario.expect), scenario.about]);
    }
    table
}

/// What a scenario is to show, in a word.
pub fn expected(expect: Expect) -> &'static str {
    match expect {
        Expect::Clean => "clean",
        Expect::Caught => "caught",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_is_listed() {
        insta::assert_snapshot!(super::render(&leftover_scenarios::catalogue()));
    }
}
