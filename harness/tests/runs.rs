//! One run from an empty world to its verdict: every kind of end, and every kind of finding.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::toy::{Fault as Wrong, Toy, scenario};
use fake::{FakeWorld, SECOND};
use leftover_core::connection::Row;
use leftover_harness::config::Config;
use leftover_harness::fault::plan::{Act, At, Fault, Persistence, Plan, Point, Scope, Strike, Then, When};
use leftover_harness::invariant::End;
use leftover_harness::leftover::Leftover;
use leftover_harness::pipeline::{Pipeline, Stopped};
use leftover_harness::run::{RunError, Settings, record, run_plan};
use leftover_harness::scenario::{Blocker, Boundary, Scenario};
use leftover_harness::space::{Family, Space};
use leftover_harness::verdict::{Outcome, Verdict};
use leftover_harness::world::{Server, Silence};

fn sound(_: &Config) -> Box<dyn Pipeline> {
    Toy::boxed(Wrong::Nothing)
}

fn run_in(world: &Arc<FakeWorld>, scenario: &Scenario, plan: &Plan) -> Outcome {
    world
        .block_on(run_plan(
            world,
            scenario,
            1,
            &Config::default(),
            plan,
            &Settings::default(),
        ))
        .expect("the world works")
}

fn run(build: fn(&Config) -> Box<dyn Pipeline>, plan: &Plan) -> Outcome {
    run_in(&FakeWorld::new(), &scenario(build), plan)
}

fn point(role: &str, connection: u32, message: &str, nth: u32) -> Point {
    let (process, message) = ("run".to_owned(), message.to_owned());
    Point {
        process,
        server: Server::Source,
        role: role.to_owned(),
        connection,
        message,
        nth,
    }
}

fn at(role: &str, connection: u32, message: &str, when: When) -> At {
    At::Message {
        point: point(role, connection, message, 1),
        when,
    }
}

fn after(after: Duration) -> At {
    let process = "run".to_owned();
    At::Time { process, after }
}

fn fault(fault: Fault) -> Act {
    Act::Fault {
        fault,
        scope: Scope::Connection,
        persistence: Persistence::Once,
    }
}

#[test]
fn a_sound_run_completes_and_is_clean() {
    let outcome = run(sound, &Plan::calm());
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::Completed, &Verdict::Clean),
        "{outcome:?}"
    );
}

#[test]
fn a_recon_knows_every_message_of_the_run_and_its_polls() {
    let world = FakeWorld::new();
    let (recon, outcome) = world
        .block_on(record(
            &world,
            &scenario(sound),
            1,
            &Config::default(),
            &Settings::default(),
        ))
        .expect("the world works");
    let has = |wanted: &Point| {
        recon
            .boundaries
            .iter()
            .any(|boundary| boundary.point() == *wanted)
    };
    assert!(has(&point("control", 1, "Query CREATE PUBLICATION", 1)));
    assert!(has(&point("worker", 4, "Startup", 1)));
    assert!(has(&point("worker", 4, "CommandComplete SELECT", 1)));
    let awaits = recon.awaits.iter().filter(|awaits| *awaits.process == *"run");
    // The last poll was ready, and is no await.
    assert_eq!(
        awaits.map(|awaits| u64::from(awaits.count)).sum::<u64>() + 1,
        outcome.polls
    );
    let drop = |at: &Boundary| at.actor.process == "last drop";
    assert!(recon.boundaries.iter().any(drop));
}

#[test]
fn a_cancel_at_every_await_is_clean() {
    let calm = run(sound, &Plan::calm());
    let recon = calm.recon();
    let space = Space::new(&recon, "run", Family::Cancel, |_| true);
    assert_eq!(space.places() as u64 + 1, calm.polls);
    for index in 0..space.len() {
        let outcome = run(sound, &space.plan(index));
        assert_eq!(
            (&outcome.end, &outcome.verdict),
            (&End::FutureDropped, &Verdict::Clean),
            "{outcome:?}"
        );
    }
}

#[test]
fn an_await_that_never_comes_is_not_struck() {
    let calm = run(sound, &Plan::calm());
    let awaits = calm.recon().awaits[0].clone();
    let outcome = run(
        sound,
        &Plan::one(At::Await(awaits.nth(awaits.count + 1)), Act::Cancel),
    );
    assert!(matches!(outcome.verdict, Verdict::NotStruck(_)), "{outcome:?}");
}

#[test]
fn a_drop_that_is_stopped_at_any_await_is_finished_by_the_next() {
    let calm = run(sound, &Plan::calm());
    let recon = calm.recon();
    let space = Space::new(&recon, "last drop", Family::Cancel, |_| true);
    assert!(!space.is_empty());
    for index in 0..space.len() {
        let outcome = run(sound, &space.plan(index));
        assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
        let again = |record: &leftover_harness::log::Record| {
            let actor = record.actor.as_ref();
            actor.is_some_and(|actor| actor.process == "last drop again")
        };
        assert!(outcome.records().iter().any(again));
    }
}

#[test]
fn a_deadline_drops_the_future_at_its_time() {
    let outcome = run(sound, &Plan::one(after(Duration::from_millis(150)), Act::Cancel));
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::FutureDropped, &Verdict::Clean),
        "{outcome:?}"
    );
    assert_eq!(outcome.duration, Duration::from_millis(150));
}

#[test]
fn a_cancel_at_a_message_keeps_it_or_lets_it_go() {
    for (when, arrived) in [(When::BeforeSend, false), (When::AfterSend, true)] {
        let world = FakeWorld::new();
        let plan = Plan::one(at("control", 1, "Query CREATE PUBLICATION", when), Act::Cancel);
        let outcome = run_in(&world, &scenario(sound), &plan);
        assert_eq!(
            (&outcome.end, &outcome.verdict),
            (&End::FutureDropped, &Verdict::Clean),
            "{outcome:?}"
        );
        let named = |name: &str| {
            let peers = &world.server(Server::Source).peers;
            let peers = peers.iter().map(|peer| peer.lock().expect("no panic").clone());
            peers
                .filter(|peer| peer.name.as_deref() == Some(name))
                .collect::<Vec<_>>()
        };
        let control = &named("leftover/toy/1/control/1")[0];
        assert_eq!(
            control.arrived.contains(&"Query CREATE PUBLICATION".to_owned()),
            arrived
        );
    }
}

#[test]
fn a_killed_process_reaches_no_server_any_more() {
    let plan = Plan::one(
        at("worker", 2, "CommandComplete SELECT", When::BeforeDelivery),
        Act::Kill,
    );
    let outcome = run(sound, &plan);
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::Killed, &Verdict::Clean),
        "{outcome:?}"
    );
    let records = outcome.records();
    let killed = records
        .iter()
        .position(|record| record.what.contains("killed"))
        .expect("it was");
    let of_run = |record: &leftover_harness::log::Record| {
        record.actor.as_ref().is_some_and(|actor| actor.process == "run")
    };
    assert!(!records[killed..].iter().any(of_run), "{records:#?}");
}

#[test]
fn a_drop_from_another_terminal_is_judged_as_a_drop() {
    let plan = Plan::one(at("worker", 4, "Query SELECT", When::AfterSend), Act::Drop);
    let outcome = run(sound, &plan);
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::DropOk, &Verdict::Clean),
        "{outcome:?}"
    );
}

#[test]
fn a_lost_connection_is_a_reason_to_fail() {
    for lost in [Fault::Fin, Fault::Reset, Fault::HalfClose] {
        let plan = Plan::one(at("worker", 1, "Query SELECT", When::BeforeSend), fault(lost));
        let outcome = run(sound, &plan);
        assert_eq!(
            (&outcome.end, &outcome.verdict),
            (&End::ConnectionLost, &Verdict::Clean),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_session_that_is_kept_is_found_after_every_end() {
    let kept = |_: &Config| Toy::boxed(Wrong::KeepsSession);
    let late = at("worker", 4, "Query SELECT", When::AfterSend);
    for plan in [
        Plan::calm(),
        Plan::one(late.clone(), Act::Cancel),
        Plan::one(late.clone(), Act::Drop),
        Plan::one(late.clone(), fault(Fault::Fin)),
    ] {
        let outcome = run(kept, &plan);
        let [Leftover::Session(left)] = outcome.verdict.leftovers() else {
            panic!("{outcome:?}")
        };
        assert_eq!(left.seen.application_name, "leftover/toy/1/holder/1");
        assert_eq!(left.seen.state, "idle in transaction");
    }
    let outcome = run(kept, &Plan::one(late, Act::Kill));
    assert_eq!(
        outcome.verdict,
        Verdict::Clean,
        "a kernel closes what a process kept: {outcome:?}"
    );
}

#[test]
fn sessions_that_grow_with_the_partitions_are_found_by_that_name() {
    let outcome = run(|_| Toy::boxed(Wrong::Grows), &Plan::calm());
    insta::assert_snapshot!(outcome.verdict, @"source: sessions `worker` grow with the number of partitions: 4 at once for 4 partitions, where 3 in all are allowed");
}

#[test]
fn a_drop_that_promises_too_much_is_found() {
    let outcome = run(|_| Toy::boxed(Wrong::DropsHalf), &Plan::calm());
    insta::assert_snapshot!(outcome.verdict, @"source: publication `toy` is left");
}

#[test]
fn beside_a_drop_a_cancelled_run_has_a_moment_for_its_sessions_and_for_nothing_else() {
    let late = at("worker", 4, "Query SELECT", When::AfterSend);
    let mut plan = Plan::one(late, Act::Drop);
    plan.strikes.push(Strike {
        at: At::Message {
            point: point("worker", 4, "ReadyForQuery", 2),
            when: When::BeforeDelivery,
        },
        act: Act::Cancel,
    });
    let outcome = run(sound, &plan);
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::DropOk, &Verdict::Clean),
        "{outcome:?}"
    );
    let outcome = run(|_| Toy::boxed(Wrong::KeepsSession), &plan);
    let [Leftover::Session(_)] = outcome.verdict.leftovers() else {
        panic!("{outcome:?}")
    };
    let outcome = run(|_| Toy::boxed(Wrong::DropsHalf), &plan);
    assert_eq!(outcome.end, End::DropOk);
    insta::assert_snapshot!(outcome.verdict, @"source: publication `toy` is left");
}

#[test]
fn a_drop_that_touches_a_similar_name_is_found() {
    let outcome = run(|_| Toy::boxed(Wrong::DropsSimilar), &Plan::calm());
    insta::assert_snapshot!(outcome.verdict, @"source: publication `toy_` of somebody else is gone");
}

#[test]
fn a_run_that_does_not_return_is_found_and_its_sessions_are_not_blamed() {
    let outcome = run(|_| Toy::boxed(Wrong::Hangs), &Plan::calm());
    assert_eq!(outcome.end, End::Hung);
    insta::assert_snapshot!(outcome.verdict, @"the run did not return within 7200s");
}

#[test]
fn a_stalled_run_that_has_no_bound_of_its_own_is_found() {
    let plan = Plan::one(
        at("worker", 1, "Query SELECT", When::AfterSend),
        fault(Fault::Stall),
    );
    let outcome = run(sound, &plan);
    insta::assert_snapshot!(outcome.verdict, @"the run did not return within 7200s");
}

#[test]
fn silence_leaves_a_session_that_only_the_server_can_end() {
    let silence = fault(Fault::Silence(Silence::Both));
    let mut plan = Plan::one(at("worker", 1, "Query SELECT", When::AfterSend), silence);
    plan.strikes.push(Strike {
        at: after(SECOND),
        act: Act::Cancel,
    });
    let outcome = run(sound, &plan);
    assert_eq!(outcome.end, End::FutureDropped);
    insta::assert_snapshot!(outcome.verdict, @"source: session `leftover/toy/1/worker/1` is left `idle`");
}

#[test]
fn rows_that_differ_are_counted() {
    let world = FakeWorld::new();
    let mut scenario = scenario(sound);
    scenario.source = |_| "source rows".to_owned();
    // The fake server keeps rows apart from its statements: they are put there by a pipeline that is built
    // after the reset.
    let (config, plan, settings) = (Config::default(), Plan::calm(), Settings::default());
    let outcome = world.block_on(async {
        let run = run_plan(&world, &scenario, 1, &config, &plan, &settings);
        let rows = async {
            world.clock_sleep(Duration::from_millis(50)).await;
            let row = |text: &str| Row(vec![Some(text.to_owned())]);
            world.server(Server::Source).rows = vec![row("a"), row("b"), row("b")];
            world.server(Server::Target).rows = vec![row("b"), row("c")];
        };
        futures_util::future::join(run, rows)
            .await
            .0
            .expect("the world works")
    });
    insta::assert_snapshot!(outcome.verdict, @"target: t lacks 2 rows of the source and has 1 others");
}

#[test]
fn a_plan_that_meets_nothing_never_passes() {
    let plan = Plan::one(at("worker", 9, "Query SELECT", When::AfterSend), Act::Cancel);
    let outcome = run(sound, &plan);
    assert!(!outcome.verdict.is_clean());
    insta::assert_snapshot!(outcome.verdict, @"the plan met nothing: cancel after sending Query SELECT 1 of source worker #9 in run");
}

#[test]
fn the_next_run_takes_over() {
    let mut plan = Plan::one(at("worker", 2, "Query SELECT", When::AfterSend), Act::Kill);
    plan.then = Then::RunThenDrop;
    let outcome = run(sound, &plan);
    // The toy's second run makes its slot twice, and its drop removes both.
    assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
    assert!(outcome.records().iter().any(|record| {
        record
            .actor
            .as_ref()
            .is_some_and(|actor| actor.process == "next run")
    }));
}

#[test]
fn a_neighbour_and_a_blocker_are_left_alone() {
    let mut scenario = scenario(sound);
    scenario.blocker = Some(Blocker {
        begin: "BEGIN",
        hold: Duration::from_millis(250),
    });
    let outcome = run_in(&FakeWorld::new(), &scenario, &Plan::calm());
    assert_eq!(outcome.verdict, Verdict::Clean, "{outcome:?}");
}

#[test]
fn equal_runs_have_equal_hashes_and_one_event_makes_a_difference() {
    let recon = run(sound, &Plan::calm()).recon();
    let plan = |index: usize| Plan::one(At::Await(recon.awaits[index].nth(1)), Act::Cancel);
    let hash = |plan: &Plan| run(sound, plan).hash;
    assert_eq!(hash(&plan(3)), hash(&plan(3)));
    assert_ne!(hash(&plan(3)), hash(&plan(4)));
    assert_ne!(hash(&plan(3)), hash(&Plan::calm()));
}

#[test]
fn a_world_without_the_means_for_a_fault_is_an_error_and_no_verdict() {
    let world = FakeWorld::new();
    world.cannot_silence();
    let silence = fault(Fault::Silence(Silence::ToServer));
    let plan = Plan::one(at("worker", 1, "Query SELECT", When::BeforeSend), silence);
    let result = world.block_on(run_plan(
        &world,
        &scenario(sound),
        1,
        &Config::default(),
        &plan,
        &Settings::default(),
    ));
    assert!(matches!(result, Err(RunError::Impossible(_))), "{result:?}");
}

#[test]
fn a_run_that_is_asked_to_stop_and_does_not_look_runs_on_and_completes() {
    let outcome = run(sound, &Plan::one(after(SECOND / 10), Act::Stop));
    assert_eq!(
        (&outcome.end, &outcome.verdict),
        (&End::Completed, &Verdict::Clean),
        "{outcome:?}"
    );
}

#[test]
fn a_stopped_run_that_keeps_its_slot_is_caught_at_once_and_its_publication_may_stay() {
    let build = |_: &Config| Toy::boxed(Wrong::StopsWithoutCleanup);
    for at in [
        after(SECOND / 10),
        at("worker", 1, "Query SELECT", When::AfterSend),
    ] {
        let outcome = run(build, &Plan::one(at, Act::Stop));
        assert_eq!(outcome.end, End::Stopped(Stopped::Undone), "{outcome:?}");
        let [Leftover::Slot(slot)] = outcome.verdict.leftovers() else {
            panic!("{outcome:?}");
        };
        assert_eq!(slot.seen.name, "toy");
    }
}

#[test]
fn a_stop_strikes_at_messages_at_awaits_and_at_times() {
    let recon = run(sound, &Plan::calm()).recon();
    let places = |family| Space::new(&recon, "run", family, |_| true).places();
    let apart = [Family::Kill, Family::Cancel, Family::Timeout].map(places);
    assert_eq!(places(Family::Stop), apart.iter().sum::<usize>());
}
