//! What the scenarios promise to reach: a sweep that misses it is clean for want of looking.

use leftover_harness::config::Config;
use leftover_harness::fault::plan::Plan;
use leftover_harness::reach::{Mark, Promises, Reach, Situation};
use leftover_harness::run::Settings;
use leftover_scenarios::{everything, find};

#[test]
fn a_sweep_of_waiting_slot_creations_reaches_what_it_promises_and_nothing_impossible() {
    let scenario = find("slot-creation-waits").expect("it is in the catalogue");
    assert!(!scenario.promises.situations.is_empty());
    let swept = leftover_sim::scenario::sweep(&scenario).expect("the simulation runs");
    assert!(swept.tally.is_clean(), "{}", swept.tally);
    let reach = &swept.tally.reach;
    assert_eq!(reach.missing(&scenario.promises), []);
    // Nothing of it strikes while partitions are copied, and it has no second cancels.
    let impossible = Promises {
        phases: &["copy"],
        situations: &[Situation::CleanupCancelled],
    };
    let missing = [Mark::Phase("copy"), Mark::Situation(Situation::CleanupCancelled)];
    assert_eq!(reach.missing(&impossible), missing);
}

#[test]
fn every_promised_phase_is_one_of_the_pipeline() {
    for scenario in everything() {
        let phases = (scenario.build)(&Config::default()).phases();
        assert!(!phases.is_empty(), "{}", scenario.name);
        for phase in scenario.promises.phases {
            assert!(phases.contains(phase), "{}: {phase}", scenario.name);
        }
    }
}

#[test]
fn a_swarms_small_windows_block_backends_in_client_write() {
    let scenario = find("initial-load").expect("it is in the catalogue");
    let reaches = |window| {
        let config = Config {
            window,
            ..Config::default()
        };
        let settings = Settings::default();
        let outcome = leftover_sim::scenario::run_plan(&scenario, 1, &config, &Plan::calm(), &settings);
        let outcome = outcome.expect("the simulation runs");
        assert!(outcome.verdict.is_clean(), "{}", outcome.verdict);
        let mut reach = Reach::default();
        reach.add(&outcome.reached);
        let promises = Promises {
            phases: &[],
            situations: &[Situation::BlockedInClientWrite],
        };
        reach.missing(&promises).is_empty()
    };
    assert!(reaches(64));
    assert!(!reaches(0));
}
