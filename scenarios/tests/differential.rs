//! The simulated Postgres does what Postgres 15 does with random programs over a few connections.
//!
//! `LEFTOVER_PROGRAMS` says how many (100 unless it does), `LEFTOVER_SEED` which (0): docs/differential.md.

use leftover_scenarios::conformance::real::Real;
use leftover_scenarios::differential::fuzz::{Options, differences, fuzz};
use leftover_scenarios::differential::written::read;

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |given| {
        given
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {given}"))
    })
}

#[test]
fn random_programs_do_on_the_simulated_server_what_they_do_on_postgres_15() {
    let options = Options {
        programs: usize::try_from(number("LEFTOVER_PROGRAMS", 100)).expect("it fits"),
        seed: number("LEFTOVER_SEED", 0),
        ..Options::default()
    };
    let real = Real::start(15).expect("ci/test sets up what is missing");
    let mut told = 0;
    let report = fuzz(&options, &real, |report| {
        println!("{} programs, {} by another seed", report.compared, report.races);
        for difference in &report.differences[told..] {
            println!("{difference}");
        }
        told = report.differences.len();
    })
    .expect("Postgres can be asked");
    let found: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn programs_that_once_found_a_difference_find_none() {
    let programs = read(include_str!("differential.programs")).expect("every line is a step");
    assert!(programs.len() > 20);
    let real = Real::start(15).expect("ci/test sets up what is missing");
    let found = differences(&real, programs).expect("Postgres can be asked");
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
