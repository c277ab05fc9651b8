//! Every row of the observed behaviours, on the simulated Postgres and on real ones, with the same code.

use leftover_scenarios::conformance::real::Real;
use leftover_scenarios::conformance::row::Row;
use leftover_scenarios::conformance::rows;
use leftover_scenarios::conformance::run::{Standing, on_real, on_simulator};

/// How many seeds each row gets: enough that every outcome of every race comes up.
const SEEDS: u64 = 100;

fn all_are_as_they_say(ask: impl Fn(&Row) -> Standing) {
    let problem = |row: &Row| match ask(row) {
        Standing::Differs(problem) => Some(format!("{}: {problem}", row.id)),
        Standing::Agrees { .. } | Standing::NotRun(_) => None,
    };
    let problems: Vec<String> = rows().filter_map(problem).collect();
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
fn every_row_has_an_id_of_its_own_and_they_are_in_order() {
    let ids: Vec<&str> = rows().map(|row| row.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(ids, sorted);
}
