//! The tool finds what was planted: for each law of the core a loader that breaks it is clean without faults,
//! is found by a sweep, and shrinks to the smallest run that shows it. The same loader without a bug is clean
//! wherever one of them is looked for. A judge that has gone blind to a law fails here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leftover_harness::config::Config;
use leftover_harness::explore::Explorer;
use leftover_harness::explore::sweep::Swept;
use leftover_harness::fault::plan::{Plan, Then};
use leftover_harness::lab::{Lab as _, Trial};
use leftover_harness::scenario::{Expect, Scenario};
use leftover_harness::shrink::{Limits, Shrunk, shrink};
use leftover_harness::signature::Signature;
use leftover_harness::verdict::Outcome;
use leftover_sim::scenario::SimLab;

/// The longest that a shrink may take.
const SHRINK: Duration = Duration::from_secs(10);

/// The most runs of a shrink.
const SHRINK_RUNS: u32 = 400;

fn scenario(name: &str) -> Scenario {
    leftover_scenarios::find(name).unwrap_or_else(|| panic!("there is no scenario {name}"))
}

/// Sweeps until a run has shown `enough`.
fn sweep_until(scenario: &Scenario, config: Config, thorough: bool, enough: fn(&Outcome) -> bool) -> Swept {
    let over = AtomicBool::new(false);
    let explorer = Explorer {
        lab: &SimLab::default(),
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        stop: &|| over.load(Ordering::Relaxed),
        thorough,
        seen: &|outcome| over.store(over.load(Ordering::Relaxed) || enough(outcome), Ordering::Relaxed),
    };
    let calm = Trial {
        config,
        ..Trial::default()
    };
    explorer.sweep(scenario, &calm).expect("it can be judged")
}

/// The first run of a sweep that leaves something.
fn found(scenario: &Scenario) -> Outcome {
    let swept = sweep_until(scenario, Config::default(), false, |outcome| {
        !outcome.verdict.leftovers().is_empty()
    });
    let findings = swept.tally.in_order();
    let Some((_, first)) = findings.first() else {
        panic!("{} is not found: {}", scenario.name, swept.tally);
    };
    println!("{}: found by run {}", scenario.name, swept.number_of(first.first));
    let again = SimLab::default().run(scenario, &first.trial);
    again.expect("it can be judged")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a person waits is real time; no run depends on it but in how many follow"
)]
fn shrunk(scenario: &Scenario, found: Outcome) -> Shrunk {
    let start = std::time::Instant::now();
    let limits = Limits {
        runs: SHRINK_RUNS,
        expired: &|| start.elapsed() >= SHRINK,
    };
    let shrunk = shrink(&SimLab::default(), scenario, found, limits).expect("something was left");
    println!("{}: shrunk in {} runs", scenario.name, shrunk.runs);
    shrunk
}

/// The signature of these kinds.
fn of(kinds: &[&str]) -> Signature {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

fn kinds(outcome: &Outcome) -> Signature {
    Signature::of(&outcome.verdict).expect("the plan met something")
}

/// The scenario is clean without faults, a sweep finds exactly these kinds first, and that shrinks to one fault
/// in the smallest world.
fn shrinks(name: &str, left: &[&str]) -> Outcome {
    let scenario = scenario(name);
    assert_eq!(scenario.expect, Expect::Caught);
    let calm = SimLab::default().run(&scenario, &Trial::default());
    let calm = calm.expect("it can be judged");
    assert!(calm.verdict.is_clean(), "without faults: {calm:?}");
    let found = found(&scenario);
    assert_eq!(kinds(&found), of(left), "{found:?}");
    assert!(found.plan.strikes.len() <= 2, "{found:?}");
    let shrunk = shrunk(&scenario, found);
    assert_eq!(shrunk.outcome.plan.strikes.len(), 1, "{:?}", shrunk.outcome);
    assert_eq!(shrunk.outcome.config, Config::smallest(), "{:?}", shrunk.outcome);
    assert_eq!(shrunk.outcome.seed, 0);
    shrunk.outcome
}

/// The same, and the smallest run shows all of it.
fn is_caught(name: &str, left: &[&str]) {
    let smallest = shrinks(name, left);
    assert_eq!(kinds(&smallest), of(left), "{smallest:?}");
}

#[test]
fn law_1_a_slot_that_is_written_down_afterwards_is_left() {
    is_caught(
        "planted-recorded-afterwards",
        &["source: permanent slot is left, inactive"],
    );
}

#[test]
fn law_2_a_connection_in_a_task_of_its_own_is_left() {
    let holder = "source: walsender `planted/1/holder` is left idle in transaction and pins xmin";
    is_caught("planted-detached", &[holder]);
}

#[test]
fn law_3_a_busy_session_whose_socket_was_closed_is_left() {
    let reader = "source: session `planted/1/reader` is left active and pins xmin";
    is_caught("planted-closing-is-release", &[reader]);
}

#[test]
fn law_4_what_is_torn_down_on_an_interrupted_session_is_left() {
    is_caught(
        "planted-teardown-on-the-broken",
        &["source: permanent slot is left, inactive"],
    );
}

#[test]
fn law_5_a_pattern_takes_the_slot_of_somebody_else() {
    is_caught("planted-pattern", &["source: slot of somebody else is gone"]);
}

#[test]
fn law_6_without_limits_of_the_server_silence_leaves_sessions() {
    let holder = "source: walsender `planted/1/holder` is left idle in transaction and pins xmin";
    is_caught("planted-no-limits", &[holder]);
}

#[test]
fn law_7_sessions_of_a_failed_attempt_that_are_held_are_too_many() {
    is_caught(
        "planted-held-until-the-end",
        &["source: more sessions than allowed"],
    );
}

#[test]
fn law_8_a_drop_that_swallows_its_error_leaves_the_slot() {
    let holder = "source: walsender `planted/1/holder` is left active, waiting for a lock";
    let slot = "source: permanent slot is left, still being created";
    is_caught("planted-error-swallowed", &[holder, slot]);
}

#[test]
fn law_8_a_drop_that_forgets_first_leaves_the_slot_when_it_is_cancelled() {
    is_caught(
        "planted-forgotten-first",
        &["source: permanent slot is left, inactive"],
    );
}

#[test]
fn law_9_a_commit_without_an_answer_is_copied_twice() {
    let rows = "target: a table has rows that the source has not";
    is_caught("planted-unanswered-is-undone", &[rows]);
}

#[test]
fn peerdb_2162_is_found_and_shrinks_to_one_drop() {
    let left = [
        "source: walsender `peerdb/flow/slot` is left idle in transaction and pins xmin",
        "source: session `peerdb/flow/connector` is left idle",
        // The server sees that the worker is gone a moment after the drop has returned.
        "source: session `peerdb/flow/clone` is left idle in transaction",
    ];
    let smallest = shrinks("peerdb-2162", &left);
    assert_eq!(kinds(&smallest), of(&left[..2]), "{smallest:?}");
}

#[test]
fn flink_2980_is_found_without_faults_and_shrinks_to_one_table() {
    let scenario = scenario("flink-2980");
    let found = found(&scenario);
    assert!(found.plan.strikes.is_empty(), "{found:?}");
    let left = of(&[
        "source: session `flink/jdbc` is left idle in transaction",
        "source: sessions `flink/jdbc` grow with the number of partitions",
    ]);
    assert_eq!(kinds(&found), left);
    let shrunk = shrunk(&scenario, found);
    assert_eq!(kinds(&shrunk.outcome), left);
    let smallest = Config {
        // With fewer partitions nothing grows over the budget.
        blocks: 4,
        ..Config::smallest()
    };
    assert_eq!(shrunk.outcome.config, smallest, "{:?}", shrunk.outcome);
}

#[test]
fn every_planted_bug_is_looked_for_here() {
    let here = include_str!("planted.rs");
    for bug in leftover_scenarios::planted() {
        let looked_for = here.contains(&format!("\"{}\"", bug.name));
        assert!(looked_for || bug.expect == Expect::Clean, "{}", bug.name);
    }
}

#[test]
fn without_a_bug_the_same_places_and_faults_leave_nothing() {
    let sound = scenario("planted-none");
    let mut runs = 0;
    let caught = |scenario: &Scenario| scenario.expect == Expect::Caught;
    for bug in leftover_scenarios::planted().into_iter().filter(caught) {
        let scenario = Scenario {
            name: sound.name,
            build: sound.build,
            ..bug.clone()
        };
        let swept = sweep_until(&scenario, Config::smallest(), true, |_| false);
        assert!(swept.tally.is_clean(), "as {}: {}", bug.name, swept.tally);
        assert!(swept.planned > 0, "nothing strikes {}", bug.name);
        runs += swept.tally.runs;
    }
    println!("planted-none: {runs} runs are clean");
}

#[test]
fn a_connection_in_a_task_may_still_close_when_the_next_run_has_returned() {
    let trial = Trial {
        config: Config::smallest(),
        plan: Plan {
            then: Then::RunThenDrop,
            ..Plan::calm()
        },
        ..Trial::default()
    };
    let outcome = SimLab::default().run(&scenario("planted-detached"), &trial);
    let outcome = outcome.expect("it can be judged");
    assert!(outcome.verdict.is_clean(), "{outcome:?}");
}
