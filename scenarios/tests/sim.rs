//! Every scenario in the simulated world, each with its first seeds.

use leftover_harness::config::Config;
use leftover_harness::run::Settings;
use leftover_harness::scenario::Expect;
use leftover_harness::verdict::{Outcome, Verdict};

/// Seeds of each scenario.
const SEEDS: std::ops::Range<u64> = 0..12;

fn run(name: &str, seed: u64) -> Outcome {
    let scenario = leftover_scenarios::find(name).expect("it is in the catalogue");
    match leftover_sim::scenario::run(&scenario, seed, &Config::default(), &Settings::default()) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{name}, seed {seed}: {error}"),
    }
}

/// Every seed is clean, or every seed is caught, as the scenario says.
fn shows_what_it_is_to_show(name: &str) {
    let scenario = leftover_scenarios::find(name).expect("it is in the catalogue");
    for seed in SEEDS {
        let outcome = run(name, seed);
        match scenario.expect {
            Expect::Clean => assert!(outcome.verdict.is_clean(), "{outcome:?}"),
            Expect::Caught => assert!(matches!(outcome.verdict, Verdict::Left(_)), "{outcome:?}"),
        }
    }
}

#[test]
fn the_initial_load_leaves_nothing() {
    shows_what_it_is_to_show("initial-load");
}

#[test]
fn a_drop_during_the_initial_load_leaves_nothing() {
    shows_what_it_is_to_show("drop-during-initial-load");
}

#[test]
fn a_cancel_during_the_initial_load_leaves_nothing_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("cancel-during-initial-load");
}

#[test]
fn a_timeout_during_the_initial_load_leaves_nothing_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("timeout-during-initial-load");
}

#[test]
fn a_stop_during_the_initial_load_leaves_nothing_but_the_publication_when_it_returns() {
    shows_what_it_is_to_show("stopped-during-initial-load");
}

#[test]
fn connections_lost_during_the_initial_load_leave_nothing_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("connection-lost-during-initial-load");
}

#[test]
fn a_kill_during_the_initial_load_leaves_nothing_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("kill-during-initial-load");
}

#[test]
fn a_session_that_an_operator_ends_leaves_nothing_and_is_replaced() {
    shows_what_it_is_to_show("terminated-during-initial-load");
}

#[test]
fn a_server_error_in_place_of_any_reply_leaves_nothing_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("server-error-during-initial-load");
}

#[test]
fn a_server_that_crashes_has_nothing_left_but_what_the_next_run_takes_over() {
    shows_what_it_is_to_show("server-crash-during-initial-load");
}

#[test]
fn a_slot_creation_that_waits_is_stopped_without_a_trace() {
    shows_what_it_is_to_show("slot-creation-waits");
}

#[test]
fn two_mirrors_with_similar_names_do_not_touch_each_other() {
    shows_what_it_is_to_show("two-mirrors");
}

#[test]
fn peerdb_2162_is_caught_and_mended_it_is_clean() {
    shows_what_it_is_to_show("peerdb-2162");
    shows_what_it_is_to_show("peerdb-2162-mended");
}

#[test]
fn the_report_of_peerdb_2162_names_the_session_that_slots_and_publications_do_not_show() {
    insta::assert_snapshot!(run("peerdb-2162", 3).verdict, @r"
    source: walsender `peerdb/flow/slot` is left `idle in transaction` and pins xmin; its slot and publication are gone
    source: session `peerdb/flow/connector` is left `idle`
    ");
}

#[test]
fn flink_2980_is_caught_and_mended_it_is_clean() {
    shows_what_it_is_to_show("flink-2980");
    shows_what_it_is_to_show("flink-2980-mended");
}

#[test]
fn the_report_of_flink_2980_names_the_growth() {
    insta::assert_snapshot!(run("flink-2980", 1).verdict, @r"
    source: sessions `flink/jdbc` grow with the number of partitions: 7 at once for 8 partitions, where 3 in all are allowed
    source: session `flink/jdbc` is left `idle in transaction` (×6)
    ");
}

#[test]
fn a_seed_has_its_hash_whatever_ran_before_it() {
    let hashes = |seeds: &mut dyn Iterator<Item = u64>| -> Vec<(u64, u64)> {
        seeds
            .map(|seed| (seed, run("drop-during-initial-load", seed).hash))
            .collect()
    };
    let forwards = hashes(&mut (0..10));
    let mut backwards = hashes(&mut (0..10).rev());
    backwards.reverse();
    assert_eq!(forwards, backwards);
}
