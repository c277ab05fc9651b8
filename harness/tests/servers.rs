//! What strikes on the servers' side: it has been done on the side of the message that the plan says, and the
//! run that it stops is judged as one whose connections were lost.

mod fake;

use std::sync::Arc;

use fake::FakeWorld;
use fake::link::Left;
use fake::toy::{Fault as Wrong, Toy, scenario};
use leftover_harness::config::Config;
use leftover_harness::fault::plan::{Act, At, Plan, Point, When};
use leftover_harness::invariant::End;
use leftover_harness::pipeline::Pipeline;
use leftover_harness::run::{RunError, Settings, run_plan};
use leftover_harness::space::{Family, Space};
use leftover_harness::verdict::{Outcome, Verdict};
use leftover_harness::world::Server;

fn sound(_: &Config) -> Box<dyn Pipeline> {
    Toy::boxed(Wrong::Nothing)
}

fn try_in(world: &Arc<FakeWorld>, plan: &Plan) -> Result<Outcome, RunError> {
    let (config, settings) = (Config::default(), Settings::default());
    world.block_on(run_plan(world, &scenario(sound), 1, &config, plan, &settings))
}

fn run_in(world: &Arc<FakeWorld>, plan: &Plan) -> Outcome {
    try_in(world, plan).expect("the world works")
}

fn at(role: &str, message: &str, when: When) -> At {
    let point = Point {
        process: "run".to_owned(),
        server: Server::Source,
        role: role.to_owned(),
        connection: 1,
        message: message.to_owned(),
        nth: 1,
    };
    At::Message { point, when }
}

const SIDES: [(When, &str); 3] = [
    (When::BeforeSend, "Query SELECT"),
    (When::AfterSend, "Query SELECT"),
    (When::BeforeDelivery, "CommandComplete SELECT"),
];

/// The peer of the first worker: the neighbour's sessions and the one that made its slot came before, and the
/// control session.
fn worker(world: &FakeWorld) -> fake::link::Peer {
    let named =
        |index: &usize| world.peer(Server::Source, *index).name.as_deref() == Some("leftover/toy/1/worker/1");
    let index = (0..).find(named).expect("it was there");
    world.peer(Server::Source, index)
}

#[test]
fn an_operator_ends_the_session_on_the_side_of_the_message_that_the_plan_says() {
    for (when, message) in SIDES {
        let world = FakeWorld::new();
        let outcome = run_in(&world, &Plan::one(at("worker", message, when), Act::Terminate));
        let worker = worker(&world);
        assert_eq!(worker.left, Some(Left::Server), "{outcome:?}");
        assert_eq!(
            worker.arrived.iter().any(|kind| kind == "Query SELECT"),
            when != When::BeforeSend,
            "{outcome:?}"
        );
        assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
        if when == When::BeforeSend {
            assert_eq!(outcome.end, End::ConnectionLost, "{outcome:?}");
            assert!(
                outcome
                    .error
                    .as_deref()
                    .is_some_and(|error| error.contains("57P01")),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn nothing_is_terminated_before_its_backend_is_known() {
    let unknown = at("worker", "Startup", When::AfterSend);
    let outcome = run_in(&FakeWorld::new(), &Plan::one(unknown, Act::Terminate));
    assert!(matches!(outcome.verdict, Verdict::NotStruck(_)), "{outcome:?}");

    let recon = run_in(&FakeWorld::new(), &Plan::calm()).recon();
    let space = Space::new(&recon, "run", Family::Terminate, |_| true);
    let places: Vec<String> = (0..space.len())
        .map(|index| space.plan(index).strikes[0].to_string())
        .collect();
    assert!(
        places
            .iter()
            .any(|place| place.contains("delivery of BackendKeyData"))
    );
    let early = |place: &String| place.contains("Startup") || place.contains("Authentication");
    assert!(!places.iter().any(early), "{places:?}");
    for index in 0..space.len() {
        let outcome = run_in(&FakeWorld::new(), &space.plan(index));
        assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
    }
}

#[test]
fn what_strikes_a_session_cannot_be_placed_by_time() {
    let process = "run".to_owned();
    let at = At::Time {
        process,
        after: fake::SECOND / 10,
    };
    let outcome = try_in(&FakeWorld::new(), &Plan::one(at, Act::Terminate));
    assert!(matches!(outcome, Err(RunError::Impossible(_))), "{outcome:?}");
}

#[test]
fn an_error_is_raised_by_the_server_which_has_not_run_the_statement() {
    let world = FakeWorld::new();
    let sqlstate = "53100".to_owned();
    let at = at("control", "Query CREATE PUBLICATION", When::BeforeSend);
    let outcome = run_in(&world, &Plan::one(at, Act::Error { sqlstate }));
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::ServerErred, &Verdict::Clean),
        "{outcome:?}"
    );
    assert!(
        outcome
            .error
            .as_deref()
            .is_some_and(|error| error.contains("53100")),
        "{outcome:?}"
    );
    assert!(
        world
            .server(Server::Source)
            .publications
            .iter()
            .all(|name| name != "toy")
    );
}

#[test]
fn an_error_answers_only_statements_that_can_be_replaced() {
    let recon = run_in(&FakeWorld::new(), &Plan::calm()).recon();
    let space = Space::new(&recon, "run", Family::Error, |_| true);
    assert!(space.len() > 10);
    for index in 0..space.len() {
        let plan = space.plan(index);
        let outcome = run_in(&FakeWorld::new(), &plan);
        assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
        assert_eq!(outcome.end, End::ServerErred, "{outcome:?}");
    }
    let sqlstate = "53100".to_owned();
    let no_statement = at("control", "Terminate", When::BeforeSend);
    let outcome = run_in(
        &FakeWorld::new(),
        &Plan::one(no_statement, Act::Error { sqlstate }),
    );
    assert!(matches!(outcome.verdict, Verdict::NotStruck(_)), "{outcome:?}");
}

#[test]
fn a_crash_ends_every_session_and_the_server_refuses_until_it_is_back() {
    for (when, message) in SIDES {
        let world = FakeWorld::new();
        let crash = Act::Crash {
            server: Server::Source,
        };
        let outcome = run_in(&world, &Plan::one(at("worker", message, when), crash));
        assert_eq!(
            (&outcome.end, &outcome.verdict),
            (&End::ConnectionLost, &Verdict::Clean),
            "{outcome:?}"
        );
        assert_eq!(worker(&world).left, Some(Left::Server));
        let log: Vec<String> = outcome
            .records()
            .iter()
            .map(|record| record.what.clone())
            .collect();
        let place = |text: &str| log.iter().position(|what| what == text);
        assert!(
            place("the source has crashed") < place("the source is back"),
            "{log:?}"
        );
    }
}

#[test]
fn a_crash_can_be_placed_by_time_and_of_either_server() {
    for server in Server::BOTH {
        let process = "run".to_owned();
        let at = At::Time {
            process,
            after: fake::SECOND / 10,
        };
        let outcome = run_in(&FakeWorld::new(), &Plan::one(at, Act::Crash { server }));
        assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
        assert_eq!(
            outcome.end == End::Completed,
            server == Server::Target,
            "{outcome:?}"
        );
    }
}
