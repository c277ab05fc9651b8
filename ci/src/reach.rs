//! What exploring has reached, for people: the phases that were struck, the situations that came up, and the
//! promises of the scenarios that were not kept.

use std::collections::BTreeSet;

use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use leftover_harness::config::Config;
use leftover_harness::explore::tally::Tally;
use leftover_harness::reach::{Mark, Reach, Situation};
use leftover_harness::scenario::Scenario;
use leftover_harness::space::Family;

use crate::cells::number;

/// Prints what was reached in all scenarios together.
pub fn print(explored: &[(&Scenario, &Reach)]) {
    let mut whole = Reach::default();
    for (_, reach) in explored {
        whole.merge(reach);
    }
    println!("{}", struck(&phases(explored), &whole));
    println!("{}", situations(&whole));
}

/// Says which promises a swept scenario has not kept.
pub fn complain(scenario: &Scenario, swept: &Tally) {
    for mark in missing(scenario, swept) {
        eprintln!(
            "error: {}: the sweep has not reached what the scenario promises: {mark}",
            scenario.name
        );
    }
}

/// The promises of a scenario that its sweep has not kept. One that was stopped early need not.
pub fn missing(scenario: &Scenario, swept: &Tally) -> Vec<Mark> {
    if swept.stopped {
        return Vec::new();
    }
    swept.reach.missing(&scenario.promises)
}

/// The phases of all pipelines in their order, and then those that others have.
fn phases(explored: &[(&Scenario, &Reach)]) -> Vec<&'static str> {
    let mut phases = Vec::new();
    let of_pipelines = explored
        .iter()
        .flat_map(|(scenario, _)| (scenario.build)(&Config::default()).phases());
    let of_others = explored
        .iter()
        .flat_map(|(_, reach)| reach.struck.keys().map(|(phase, _)| phase));
    for phase in of_pipelines.chain(of_others) {
        if !phases.contains(phase) {
            phases.push(*phase);
        }
    }
    phases
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// A number, where none is a dash.
fn tally(count: u64) -> Cell {
    match count {
        0 => Cell::new("-").set_alignment(CellAlignment::Right),
        count => number(count),
    }
}

/// How often each family has struck in each phase; a line that nothing struck says so.
fn struck(phases: &[&'static str], reach: &Reach) -> Table {
    let families: BTreeSet<Family> = reach.struck.keys().map(|(_, family)| *family).collect();
    let mut header = vec!["struck in phase"];
    header.extend(families.iter().map(|family| family.as_str()));
    header.push("");
    let mut table = table(&header);
    for phase in phases {
        let mut row = vec![Cell::new(phase)];
        let counts = families.iter().map(|family| reach.struck.get(&(*phase, *family)));
        row.extend(counts.map(|count| tally(count.copied().unwrap_or_default())));
        row.push(Cell::new(if reach.in_phase(phase) == 0 { UNREACHED } else { "" }));
        table.add_row(row);
    }
    table
}

/// In how many runs each situation came up.
fn situations(reach: &Reach) -> Table {
    let mut table = table(&["situation", "runs", ""]);
    for situation in Situation::ALL {
        let runs = reach.situations.get(&situation).copied().unwrap_or_default();
        let words = if runs == 0 { UNREACHED } else { "" };
        table.add_row([Cell::new(situation.as_str()), tally(runs), Cell::new(words)]);
    }
    table
}

/// What is said of what nothing has reached.
const UNREACHED: &str = "not reached";

#[cfg(test)]
mod tests {
    use super::*;
    use leftover_harness::reach::{Promises, Reached, Situations};

    fn reach() -> Reach {
        let mut situations = Situations::default();
        situations.note(Situation::CommitUnknown);
        let mut reach = Reach::default();
        reach.add(&Reached {
            situations,
            strikes: vec![("copy", Family::Kill), ("last drop", Family::Cancel)],
        });
        reach
    }

    fn promising(phases: &'static [&'static str], situations: &'static [Situation]) -> Scenario {
        let scenario = leftover_scenarios::find("kill-during-initial-load");
        let promises = Promises { phases, situations };
        Scenario {
            promises,
            ..scenario.expect("it is in the catalogue")
        }
    }

    #[test]
    fn the_tables_name_what_was_not_reached() {
        let (scenario, reach) = (promising(&[], &[]), reach());
        let phases = phases(&[(&scenario, &reach)]);
        let tables = format!("{}\n{}", struck(&phases, &reach), situations(&reach));
        insta::assert_snapshot!(tables);
    }

    #[test]
    fn a_promise_is_broken_when_its_mark_was_not_reached_by_a_whole_sweep() {
        let swept = Tally {
            reach: reach(),
            ..Tally::default()
        };
        let kept = promising(&["copy"], &[Situation::CommitUnknown]);
        assert_eq!(missing(&kept, &swept), []);
        let idle = Mark::Situation(Situation::CancelMetIdle);
        let broken = promising(&["slot"], &[Situation::CancelMetIdle]);
        assert_eq!(missing(&broken, &swept), [Mark::Phase("slot"), idle]);
        let stopped = Tally {
            stopped: true,
            ..swept
        };
        assert_eq!(missing(&broken, &stopped), []);
    }
}
