//! `leftover list`: the scenarios.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use leftover_harness::scenario::Expect;
use leftover_scenarios::catalogue;

use crate::exit::Exit;

/// Prints the scenarios in the order in which the gate runs them.
pub fn run() -> Exit {
    println!("{}", render());
    Exit::Clean
}

fn render() -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["scenario", "expected", "about"]);
    for scenario in catalogue() {
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
        insta::assert_snapshot!(super::render());
    }
}
