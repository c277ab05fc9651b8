//! Every row of the observed behaviours, on the simulated Postgres and on real ones, with the same code.

use leftover_scenarios::conformance::real::Real;
use leftover_scenarios::conformance::row::Row;
use leftover_scenarios::conformance::rows;
use leftover_scenarios::conformance::run::{Standing, on_real, on_simulator};

/// How many seeds each row gets: enough that every outcome of every race comes up.
const SEEDS: u64 = 100;

/// Every row runs, but for those that the simulator does not model and, where packets cannot be dropped, those
/// that are about silence.
fn all_are_as_they_say(ask: impl Fn(&Row) -> Standing) {
    let excused = |why: &str| why.starts_with("not modelled") || why.starts_with("packets cannot be dropped");
    let problem = |row: &Row| match ask(row) {
        Standing::Agrees { .. } => None,
        Standing::NotRun(why) if excused(&why) => None,
        Standing::NotRun(problem) | Standing::Differs(problem) => Some(format!("{}: {problem}", row.id)),
    };
    let problems: Vec<String> = rows().into_iter().filter_map(problem).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_simulated_postgres_is_as_the_rows_say() {
    all_are_as_they_say(|row| on_simulator(row, SEEDS));
}

#[test]
fn postgres_15_is_as_the_rows_say() {
    let real = Real::start(15).expect("ci/test sets up what is missing");
    all_are_as_they_say(|row| on_real(row, &real));
}

#[test]
fn postgres_17_is_as_the_rows_say() {
    let real = Real::start(17).expect("ci/test sets up what is missing");
    all_are_as_they_say(|row| on_real(row, &real));
}

#[test]
fn every_row_has_an_id_of_its_own() {
    let mut ids: Vec<&str> = rows().iter().map(|row| row.id).collect();
    let rows = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), rows);
}

#[test]
fn every_numbered_row_is_here_and_the_simulator_models_all_but_a_few() {
    let find = |number: u32| {
        let id = format!("OB-{number:02}");
        let found = rows().into_iter().find(|row| row.id == id);
        found.unwrap_or_else(|| panic!("there is no {id}"))
    };
    let numbered: Vec<&Row> = (1..=123).map(find).collect();
    let not_modelled = numbered.iter().filter(|row| row.not_modelled.is_some());
    assert!(not_modelled.count() <= 3);
}
