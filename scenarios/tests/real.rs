//! Every scenario of the catalogue on real servers, Postgres 15 and 17, in containers where the machine has
//! them: the mirror leaves nothing behind, the models of published bugs are caught, and their mended forms are
//! clean. What the simulator claims is worth no more than this.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use leftover_harness::case::Case;
use leftover_harness::config::Config;
use leftover_harness::run::{Settings, record, run_plan, run_scenario};
use leftover_harness::scenario::Expect;
use leftover_harness::verdict::Verdict;
use leftover_scenarios::{catalogue, find};
use leftover_testcontainers::{Options, RealWorld};

/// How many runs of each scenario. Another seed is another fault at another place; the simulator does the
/// thousands, and this says that real servers agree.
const SEEDS: u64 = 2;

/// How many seeds may be tried until that many have struck something: real runs differ, so a fault may be
/// planned for a moment after the end.
const TRIES: u64 = 6;

/// The servers of one version, started once, for one run at a time.
fn on_servers<T>(major: u32, test: impl AsyncFnOnce(&Arc<RealWorld>) -> T) -> T {
    static POSTGRES_15: OnceLock<Mutex<Arc<RealWorld>>> = OnceLock::new();
    static POSTGRES_17: OnceLock<Mutex<Arc<RealWorld>>> = OnceLock::new();
    let world = if major == 15 { &POSTGRES_15 } else { &POSTGRES_17 };
    let world = world.get_or_init(|| {
        let started = RealWorld::start(Options {
            major,
            ..Options::default()
        });
        Mutex::new(Arc::new(started.unwrap_or_else(|error| panic!("{error}"))))
    });
    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test(&world))
}

/// Runs a scenario with a few seeds and fails when it does not show what it is to show.
fn shows_what_it_is_to_show(name: &str, major: u32) {
    let scenario = find(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    on_servers(major, async |world| {
        let (config, settings) = (Config::default(), Settings::real());
        let (recon, calm) = record(world, &scenario, 0, &config, &settings)
            .await
            .expect("a calm run can be judged");
        let mut shown = 0;
        for seed in 0..TRIES {
            let run = run_scenario(world, &scenario, seed, &config, &recon, &settings).await;
            let outcome = run.unwrap_or_else(|error| panic!("{name} --seed {seed}: {error}"));
            println!("{outcome:?} in {:?}", outcome.duration);
            match (scenario.expect, &outcome.verdict) {
                (Expect::Clean, Verdict::Clean) | (Expect::Caught, Verdict::Left(_)) => shown += 1,
                (_, Verdict::NotStruck(_)) => {}
                _ => panic!(
                    "{name} --seed {seed} on {}:\n{}\n{outcome:?}",
                    outcome.world, outcome.verdict
                ),
            }
            if shown == SEEDS {
                return;
            }
        }
        panic!("{name}: only {shown} of {TRIES} seeds showed anything; without faults: {calm:?}");
    });
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        const TESTED: &[&str] = &[$($name),*];

        mod postgres_15 {
            $(#[test] fn $test() { super::shows_what_it_is_to_show($name, 15); })*
        }

        mod postgres_17 {
            $(#[test] fn $test() { super::shows_what_it_is_to_show($name, 17); })*
        }
    };
}

scenarios! {
    initial_load: "initial-load",
    drop_during_initial_load: "drop-during-initial-load",
    cancel_during_initial_load: "cancel-during-initial-load",
    timeout_during_initial_load: "timeout-during-initial-load",
    stopped_during_initial_load: "stopped-during-initial-load",
    connection_lost_during_initial_load: "connection-lost-during-initial-load",
    kill_during_initial_load: "kill-during-initial-load",
    terminated_during_initial_load: "terminated-during-initial-load",
    server_error_during_initial_load: "server-error-during-initial-load",
    server_crash_during_initial_load: "server-crash-during-initial-load",
    slot_creation_waits: "slot-creation-waits",
    two_mirrors: "two-mirrors",
    peerdb_2162: "peerdb-2162",
    peerdb_2162_mended: "peerdb-2162-mended",
    flink_2980: "flink-2980",
    flink_2980_mended: "flink-2980-mended",
}

#[test]
fn every_scenario_of_the_catalogue_is_here() {
    let names: Vec<&str> = catalogue().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, TESTED);
}

/// Every case in which the simulator found a published bug, replayed with the same plan.
fn found_bugs_are_there_too(major: u32) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../cases");
    let files = std::fs::read_dir(directory).expect("it is there");
    let mut files: Vec<_> = files.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    let (mut same, mut problems) = (0, Vec::new());
    for file in files {
        let case = Case::read(&file).expect("the simulator's tests read it too");
        let scenario = find(&case.scenario).expect("the simulator's tests find it too");
        if scenario.expect == Expect::Clean {
            continue;
        }
        let (trial, settings) = (&case.trial, Settings::real());
        let outcome = on_servers(major, async |world| {
            run_plan(
                world,
                &scenario,
                trial.seed,
                &trial.config,
                &trial.plan,
                &settings,
            )
            .await
        });
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        match case.check(&outcome) {
            Ok(()) => same += 1,
            Err(mismatch) => problems.push(format!("{}: {mismatch}", file.display())),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(same >= 10, "only {same} cases");
}

#[test]
fn bugs_found_in_simulation_are_there_on_postgres_15() {
    found_bugs_are_there_too(15);
}

#[test]
fn bugs_found_in_simulation_are_there_on_postgres_17() {
    found_bugs_are_there_too(17);
}
