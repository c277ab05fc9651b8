//! What a run has reached: the phase that each fault hit, and the situations that the servers and the harness
//! have noted. A sweep without them would be clean for want of looking.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::FakeWorld;
use fake::toy::{self, Fault as Wrong, Toy};
use leftover_harness::config::Config;
use leftover_harness::fault::plan::{Act, At, Await, Passed, Plan, Point, Strike, When};
use leftover_harness::log::Way;
use leftover_harness::reach::{Mark, Promises, Reach, Reached, Situation};
use leftover_harness::run::{Settings, run_plan};
use leftover_harness::scenario::Scenario;
use leftover_harness::space::Family;
use leftover_harness::world::Server;

fn scenario() -> Scenario {
    toy::scenario(|_| Toy::boxed(Wrong::Nothing))
}

fn run_in(world: &Arc<FakeWorld>, plan: &Plan) -> Reached {
    let (config, settings) = (Config::default(), Settings::default());
    let run = world.block_on(run_plan(world, &scenario(), 1, &config, plan, &settings));
    run.expect("the world works").reached
}

fn run(at: At, act: Act) -> Reached {
    run_in(&FakeWorld::new(), &Plan::one(at, act))
}

fn point(process: &str, role: &str, message: &str) -> Point {
    Point {
        process: process.to_owned(),
        server: Server::Source,
        role: role.to_owned(),
        connection: 1,
        message: message.to_owned(),
        nth: 1,
    }
}

fn before_sending(process: &str, role: &str, message: &str) -> At {
    At::Message {
        point: point(process, role, message),
        when: When::BeforeSend,
    }
}

fn by_time(after: Duration) -> At {
    let process = "run".to_owned();
    At::Time { process, after }
}

#[test]
fn a_strike_hits_the_phase_of_its_message() {
    let reached = run(before_sending("run", "worker", "Query SELECT"), Act::Kill);
    assert_eq!(reached.strikes, [("copy", Family::Kill)]);
    let reached = run(
        before_sending("run", "control", "Query CREATE PUBLICATION"),
        Act::Kill,
    );
    assert_eq!(reached.strikes, [("prepare", Family::Kill)]);
}

#[test]
fn a_strike_at_an_await_or_by_time_hits_the_phase_of_the_message_before() {
    let at = At::Await(Await {
        process: "run".to_owned(),
        after: Some(Passed {
            way: Way::Sent,
            point: point("run", "worker", "Query SELECT"),
        }),
        nth: 1,
    });
    assert_eq!(run(at, Act::Cancel).strikes, [("copy", Family::Cancel)]);
    let in_a_pause = by_time(Duration::from_millis(50));
    assert_eq!(run(in_a_pause, Act::Cancel).strikes, [("copy", Family::Timeout)]);
}

#[test]
fn before_any_message_it_is_the_first_phase() {
    let reached = run(by_time(Duration::ZERO), Act::Cancel);
    assert_eq!(reached.strikes, [("prepare", Family::Timeout)]);
}

#[test]
fn a_cancel_of_the_drop_that_cleans_up_is_noted_as_such_and_a_cancel_of_the_run_is_not() {
    let first = Strike {
        at: before_sending("run", "worker", "Query SELECT"),
        act: Act::Cancel,
    };
    let second = Strike {
        at: before_sending("last drop", "drop", "Query DROP PUBLICATION"),
        act: Act::Cancel,
    };
    let mut plan = Plan {
        strikes: vec![first],
        ..Plan::calm()
    };
    let once = run_in(&FakeWorld::new(), &plan);
    assert!(!once.situations.contains(Situation::CleanupCancelled));
    plan.strikes.push(second);
    let twice = run_in(&FakeWorld::new(), &plan);
    assert!(twice.situations.contains(Situation::CleanupCancelled));
    assert_eq!(
        twice.strikes,
        [
            ("copy", Family::CancelAtMessage),
            ("last drop", Family::CancelAtMessage)
        ]
    );
}

#[test]
fn what_a_server_noted_is_in_the_outcome_and_nothing_else() {
    let world = FakeWorld::new();
    assert_eq!(run_in(&world, &Plan::calm()), Reached::default());
    let noted = |situation| world.noted.lock().expect("no panic").note(situation);
    noted(Situation::CancelMetIdle);
    let reached = run_in(&world, &Plan::calm()).situations;
    assert_eq!(reached.iter().collect::<Vec<_>>(), [Situation::CancelMetIdle]);
}

#[test]
fn a_promise_that_nothing_reached_is_missing() {
    let mut reach = Reach::default();
    reach.add(&run(before_sending("run", "worker", "Query SELECT"), Act::Kill));
    let promises = Promises {
        phases: &["copy", "prepare"],
        situations: &[Situation::CancelMetIdle],
    };
    assert_eq!(
        reach.missing(&promises),
        [Mark::Phase("prepare"), Mark::Situation(Situation::CancelMetIdle)]
    );
}
