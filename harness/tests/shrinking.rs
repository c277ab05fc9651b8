//! Shrinking: what does not matter goes, what matters stays, and a place is found again by its meaning.

mod fake;

use std::sync::Mutex;
use std::time::Duration;

use fake::FakeWorld;
use fake::toy::{self, Fault as Wrong, Toy};
use leftover_harness::config::Config;
use leftover_harness::fault::plan::{
    Act, At, Await, Fault, Passed, Persistence, Plan, Point, Scope, Strike, Then, When,
};
use leftover_harness::lab::{Lab, LabError, Trial};
use leftover_harness::log::Way;
use leftover_harness::run::{Settings, run_plan};
use leftover_harness::scenario::{Expect, Scenario};
use leftover_harness::shrink::{Limits, Shrunk, shrink};
use leftover_harness::signature::Signature;
use leftover_harness::story::story;
use leftover_harness::verdict::Outcome;
use leftover_harness::world::{Server, Silence};

/// Trials in the world in memory, with a list of them.
#[derive(Default)]
struct FakeLab(Mutex<Vec<Trial>>);

impl Lab for FakeLab {
    fn run(&self, scenario: &Scenario, trial: &Trial) -> Result<Outcome, LabError> {
        self.0.lock().expect("no panic").push(trial.clone());
        let world = FakeWorld::new();
        let Trial { seed, config, plan } = trial;
        let settings = Settings::default();
        let run = run_plan(&world, scenario, *seed, config, plan, &settings);
        Ok(world.block_on(run).expect("the world works"))
    }

    fn is_exact(&self) -> bool {
        true
    }
}

/// A toy that keeps its session, with as many workers as the configuration has blocks.
fn scenario() -> Scenario {
    Scenario {
        about: "a toy that keeps its session",
        expect: Expect::Caught,
        ..toy::scenario(|config| Toy::of_partitions(Wrong::KeepsSession, config.blocks))
    }
}

/// A toy that keeps its session when it does not complete, and only then.
fn careless() -> Scenario {
    Scenario {
        build: |config| Toy::of_partitions(Wrong::KeepsWhenStopped, config.blocks),
        ..scenario()
    }
}

fn point(role: &str, connection: u32, message: &str) -> Point {
    Point {
        process: "run".to_owned(),
        server: Server::Source,
        role: role.to_owned(),
        connection,
        message: message.to_owned(),
        nth: 1,
    }
}

fn fault(at: At, fault: Fault, scope: Scope, persistence: Persistence) -> Strike {
    let act = Act::Fault {
        fault,
        scope,
        persistence,
    };
    Strike { at, act }
}

fn trial(strikes: Vec<Strike>) -> Trial {
    let config = Config {
        blocks: 9,
        writers: 3,
        twin: true,
        settings: [("work_mem".to_owned(), "4MB".to_owned())].into(),
        ..Config::default()
    };
    let plan = Plan {
        strikes,
        then: Then::RunThenDrop,
    };
    Trial {
        seed: 77,
        config,
        plan,
    }
}

const NEVER: Limits<'static> = Limits {
    runs: 500,
    expired: &|| false,
};

fn shrunk(scenario: &Scenario, trial: &Trial) -> (Outcome, Shrunk) {
    let lab = FakeLab::default();
    let found = lab.run(scenario, trial).expect("it runs");
    assert!(!found.verdict.leftovers().is_empty(), "{found:?}");
    let shrunk = shrink(&lab, scenario, found.clone(), NEVER).expect("something was left");
    assert_eq!(
        Signature::of(&shrunk.outcome.verdict),
        Signature::of(&found.verdict),
        "the same finding"
    );
    let tried = lab.0.into_inner().expect("no panic");
    for (index, trial) in tried.iter().enumerate() {
        assert!(!tried[..index].contains(trial), "run twice: {trial:?}");
    }
    (found, shrunk)
}

#[test]
fn what_does_not_matter_goes() {
    let kill = Strike {
        at: At::Message {
            point: point("control", 1, "Terminate"),
            when: When::BeforeSend,
        },
        act: Act::Drop,
    };
    let delay = At::Message {
        point: point("worker", 7, "Query SELECT"),
        when: When::BeforeSend,
    };
    let late = fault(
        delay,
        Fault::Delay(Duration::from_secs(1)),
        Scope::Connection,
        Persistence::Once,
    );
    let (_, shrunk) = shrunk(&scenario(), &trial(vec![late, kill]));
    let smallest = Trial {
        seed: 0,
        config: Config::smallest(),
        plan: Plan::calm(),
    };
    assert_eq!(shrunk.outcome.trial(), smallest);
    assert!(!shrunk.at_limit);
}

/// What a strike at the careless toy shrinks to.
fn plain(at: At, act: Act) -> Strike {
    let (_, shrunk) = shrunk(&careless(), &trial(vec![Strike { at, act }]));
    assert_eq!(shrunk.outcome.config, Config::smallest());
    assert_eq!(shrunk.outcome.plan.then, Then::Drop);
    let [strike] = &shrunk.outcome.plan.strikes[..] else {
        panic!("{:?}", shrunk.outcome);
    };
    strike.clone()
}

#[test]
fn a_message_that_a_smaller_run_has_not_is_found_by_its_meaning_and_the_fault_becomes_plain() {
    let sends = |connection| At::Message {
        point: point("worker", connection, "Query SELECT"),
        when: When::AfterSend,
    };
    let silence = Act::Fault {
        fault: Fault::Silence(Silence::ToClient),
        scope: Scope::Host,
        persistence: Persistence::FromThenOn,
    };
    let fin = fault(sends(1), Fault::Fin, Scope::Connection, Persistence::Once);
    let reset = Act::Fault {
        fault: Fault::Reset,
        scope: Scope::Host,
        persistence: Persistence::FromThenOn,
    };
    assert_eq!(plain(sends(8), reset), fin);
    // The toy waits for ever for what was lost: that is another finding, and only silence shows it.
    let silent = fault(sends(1), Fault::Stall, Scope::Connection, Persistence::Once);
    assert_eq!(plain(sends(8), silence), silent);
}

#[test]
fn an_await_that_a_smaller_run_has_not_is_found_by_what_was_before() {
    let waits = |connection| {
        let point = Point {
            nth: 2,
            ..point("worker", connection, "ReadyForQuery")
        };
        let way = Way::Received;
        At::Await(Await {
            process: "run".to_owned(),
            after: Some(Passed { way, point }),
            nth: 1,
        })
    };
    let cancel = Strike {
        at: waits(1),
        act: Act::Cancel,
    };
    assert_eq!(plain(waits(8), Act::Cancel), cancel);
}

#[test]
fn a_time_that_a_smaller_run_has_not_is_found_after_the_same_message() {
    let process = || "run".to_owned();
    // The ninth worker works from 800 ms on; the only one of the smallest run until 100 ms.
    let time = At::Time {
        process: process(),
        after: Duration::from_nanos(850_123_456),
    };
    let early = At::Time {
        process: process(),
        after: Duration::from_millis(50),
    };
    let Strike { at, .. } = plain(time, Act::Cancel);
    assert_eq!(at, early);
}

#[test]
fn what_matters_stays() {
    // A connection that is lost gives the run a reason to fail; without it nothing is kept.
    let at = At::Message {
        point: point("worker", 1, "Query SELECT"),
        when: When::AfterSend,
    };
    let only = trial(vec![fault(at, Fault::Fin, Scope::Connection, Persistence::Once)]);
    let (_, shrunk) = shrunk(&careless(), &only);
    assert_eq!(shrunk.outcome.plan.strikes, only.plan.strikes);
}

#[test]
fn a_clean_run_cannot_be_shrunk() {
    let sound = Scenario {
        build: |_| Toy::boxed(Wrong::Nothing),
        ..scenario()
    };
    let lab = FakeLab::default();
    let clean = lab.run(&sound, &Trial::default()).expect("it runs");
    assert!(clean.verdict.is_clean(), "{clean:?}");
    assert!(shrink(&lab, &sound, clean, NEVER).is_none());
}

#[test]
fn a_shrink_ends_at_its_number_of_runs() {
    let lab = FakeLab::default();
    let found = lab.run(&scenario(), &trial(Vec::new())).expect("it runs");
    for runs in [0, 1, 2] {
        let limits = Limits {
            runs,
            expired: &|| false,
        };
        let cut = shrink(&lab, &scenario(), found.clone(), limits).expect("something was left");
        assert_eq!((cut.runs, cut.at_limit), (runs, true));
    }
}

#[test]
fn a_story_says_who_did_what_until_something_was_left() {
    let at = At::Message {
        point: point("worker", 8, "Query SELECT"),
        when: When::AfterSend,
    };
    let reset = fault(at, Fault::Reset, Scope::Host, Persistence::FromThenOn);
    let (found, shrunk) = shrunk(&careless(), &trial(vec![reset]));
    let stories = [story(&careless(), &found), story(&careless(), &shrunk.outcome)];
    insta::assert_snapshot!(stories.join("\n"), @r"
    toy: a toy that keeps its session
    2 tables, 9 blocks each, 3 workers, 3 sessions of others that write, another mirror beside, work_mem = 4MB, seed 77

        0.0000 s  run: target holder #1 connects, sends BEGIN
        0.0000 s  run: source control #1 sends CREATE PUBLICATION, sends SELECT pg_create_logical_replication_slot
        0.7000 s  run: source worker #8 connects, sends SELECT
        0.7000 s  ** RST of the host from then on after sending Query SELECT 1 of source worker #8 in run
        0.7000 s  run fails
        0.7000 s  the server holds what nobody needs any more
        5.7000 s  it is still there 5s later

    target: session `leftover/toy/1/holder/1` is left `idle in transaction`
      its last statement is: Query BEGIN

    toy: a toy that keeps its session
    1 table, 1 block, 1 worker, seed 0

        0.0000 s  run: target holder #1 connects, sends BEGIN
        0.0000 s  run: source control #1 sends CREATE PUBLICATION, sends SELECT pg_create_logical_replication_slot
        0.0000 s  run: source worker #1 connects, sends SELECT
        0.0000 s  ** FIN after sending Query SELECT 1 of source worker #1 in run
        0.0000 s  run fails
        0.0000 s  the server holds what nobody needs any more
        5.0000 s  it is still there 5s later

    target: session `leftover/toy/1/holder/1` is left `idle in transaction`
      its last statement is: Query BEGIN
    ");
}
