//! Case files: what is written can be read, what cannot be read is named, and a case says when it no longer
//! matches.

mod fake;

use std::time::Duration;

use fake::FakeWorld;
use fake::toy::{Fault as Wrong, Toy, scenario};
use leftover_harness::case::{Case, Mismatch};
use leftover_harness::config::Config;
use leftover_harness::fault::plan::{
    Act, At, Await, Fault, Passed, Persistence, Plan, Point, Scope, Strike, Then, When,
};
use leftover_harness::lab::Trial;
use leftover_harness::log::Way;
use leftover_harness::run::{Settings, run_plan};
use leftover_harness::verdict::Outcome;
use leftover_harness::world::{Server, Silence};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

fn durations() -> impl Strategy<Value = Duration> {
    (any::<u32>(), 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Duration::new(seconds.into(), nanos))
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Fin),
        Just(Fault::Reset),
        Just(Fault::HalfClose),
        Just(Fault::Silence(Silence::Both)),
        Just(Fault::Silence(Silence::ToServer)),
        Just(Fault::Silence(Silence::ToClient)),
        Just(Fault::Stall),
        durations().prop_map(Fault::Delay),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let scopes = prop_oneof![Just(Scope::Connection), Just(Scope::Host)];
    let often = prop_oneof![Just(Persistence::Once), Just(Persistence::FromThenOn)];
    let fault = (faults(), scopes, often).prop_map(|(fault, scope, persistence)| Act::Fault {
        fault,
        scope,
        persistence,
    });
    let error = "[0-9A-Z]{5}".prop_map(|sqlstate| Act::Error { sqlstate });
    let crash =
        prop_oneof![Just(Server::Source), Just(Server::Target)].prop_map(|server| Act::Crash { server });
    let terminate = Just(Act::Terminate);
    prop_oneof![
        Just(Act::Cancel),
        Just(Act::Stop),
        Just(Act::Kill),
        Just(Act::Drop),
        error,
        crash,
        terminate,
        fault
    ]
}

fn points(process: String) -> impl Strategy<Value = Point> {
    let servers = prop_oneof![Just(Server::Source), Just(Server::Target)];
    (servers, ".*", any::<u32>(), ".*", any::<u32>()).prop_map(
        move |(server, role, connection, message, nth)| Point {
            process: process.clone(),
            server,
            role,
            connection,
            message,
            nth,
        },
    )
}

fn places() -> impl Strategy<Value = At> {
    ".*".prop_flat_map(|process| {
        let whens = prop_oneof![
            Just(When::BeforeSend),
            Just(When::AfterSend),
            Just(When::BeforeDelivery)
        ];
        let message = (points(process.clone()), whens).prop_map(|(point, when)| At::Message { point, when });
        let ways = prop_oneof![Just(Way::Sent), Just(Way::Received)];
        let passed = (ways, points(process.clone())).prop_map(|(way, point)| Passed { way, point });
        let of = process.clone();
        let waits = (option::of(passed), any::<u32>()).prop_map(move |(after, nth)| {
            let process = of.clone();
            At::Await(Await { process, after, nth })
        });
        let time = durations().prop_map(move |after| At::Time {
            process: process.clone(),
            after,
        });
        prop_oneof![message, waits, time]
    })
}

prop_compose! {
    fn configs()(
        (tables, blocks, workers, window, writers) in any::<(u32, u32, u32, u32, u32)>(),
        latency in any::<[u32; 2]>(),
        twin in any::<bool>(),
        settings in btree_map(".*", ".*", 0..3),
    ) -> Config {
        Config { tables, blocks, workers, latency, window, writers, twin, settings }
    }
}

prop_compose! {
    fn cases()(
        scenario in "[a-z0-9-]+",
        seed in any::<u64>(),
        config in prop_oneof![Just(Config::default()), Just(Config::smallest()), configs()],
        strikes in vec((places(), acts()), 0..4),
        then in prop_oneof![Just(Then::Drop), Just(Then::RunThenDrop)],
        kinds in vec(".+", 0..3),
    ) -> Case {
        let strikes = strikes.into_iter().map(|(at, act)| Strike { at, act }).collect();
        let trial = Trial { seed, config, plan: Plan { strikes, then } };
        Case { scenario, trial, expect: kinds.into_iter().collect() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_case_that_is_written_is_read_as_it_was(case in cases(), head in "(.|\n)*") {
        let text = case.render(&head);
        let read = Case::parse("some.case.toml", &text);
        prop_assert_eq!(read, Ok(case), "{}", text);
    }
}

/// A case with one strike, as a person would write it.
const CASE: &str = r#"version = 1
scenario = "toy"
seed = 1
expect = "clean"
then = "drop"

[config]
tables = 1

[[strike]]
act = "cancel"
at = "before sending"
process = "run"
server = "source"
role = "control"
message = "Query CREATE PUBLICATION"
"#;

fn parsed(text: &str) -> Case {
    Case::parse("some.case.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_is_left_out_is_the_default_and_ordinals_are_1() {
    let case = parsed(CASE);
    let Strike {
        at: At::Message { point, .. },
        act: Act::Cancel,
    } = &case.trial.plan.strikes[0]
    else {
        panic!("{case:?}");
    };
    assert_eq!((point.connection, point.nth), (1, 1));
    let tables = Config {
        tables: 1,
        ..Config::default()
    };
    assert_eq!(case.trial.config, tables);
}

#[test]
fn only_what_differs_from_the_default_configuration_is_written() {
    insta::assert_snapshot!(parsed(CASE).render("a toy\nclean"), @r#"
    # a toy
    # clean
    version = 1
    scenario = "toy"
    seed = 1
    expect = "clean"
    then = "drop"

    [config]
    tables = 1

    [[strike]]
    act = "cancel"
    at = "before sending"
    process = "run"
    server = "source"
    role = "control"
    connection = 1
    message = "Query CREATE PUBLICATION"
    nth = 1
    "#);
}

#[test]
fn an_error_names_the_file_the_line_and_what_is_allowed() {
    let errors = [
        ("version = 1", "version = 2"),
        ("version = 1\n", ""),
        ("version = 1", "version = \"one\""),
        ("seed = 1", "seed = -1"),
        ("seed = 1", "sede = 1"),
        ("seed = 1\n", ""),
        ("\"clean\"", "\"spotless\""),
        ("\"clean\"", "[]"),
        ("\"clean\"", "[1]"),
        ("then = \"drop\"", "then = \"dorp\""),
        ("tables = 1", "tabels = 1"),
        ("tables = 1", "tables = -1"),
        ("\"cancel\"", "\"cancle\""),
        ("\"cancel\"", "\"delay\""),
        ("\"cancel\"", "\"delay\"\ndelay = \"soon\""),
        ("\"cancel\"", "\"cancel\"\nscope = \"host\""),
        ("\"before sending\"", "\"before\""),
        ("\"before sending\"", "\"time\""),
        ("\"before sending\"", "\"before sending\"\nawait = 1"),
        ("\"source\"", "\"sorce\""),
        ("role = \"control\"\n", ""),
        ("role = \"control\"", "roll = \"control\""),
        ("seed = 1", "seed = = 1"),
    ];
    let said = errors.map(|(old, new)| {
        let text = CASE.replace(old, new);
        assert_ne!(text, CASE, "{old}");
        let error = Case::parse("some.case.toml", &text).expect_err(new);
        format!("{:40} {error}", format!("{new:?}"))
    });
    insta::assert_snapshot!(said.join("\n"), @r#"
    "version = 2"                            some.case.toml:1: this is version 2 of the format; version 1 can be read
    ""                                       some.case.toml: `version = 1` is missing
    "version = \"one\""                      some.case.toml:1: this is version "one" of the format; version 1 can be read
    "seed = -1"                              some.case.toml:3: invalid value: integer `-1`, expected a seed from 0 to 18446744073709551615, in quotes when it is above 9223372036854775807
    "sede = 1"                               some.case.toml:3: unknown field `sede`, expected one of `version`, `scenario`, `seed`, `expect`, `then`, `config`, `strike`
    ""                                       some.case.toml:1: missing field `seed`
    "\"spotless\""                           some.case.toml:4: "spotless" is not "clean" or a list of what is left, of at least one
    "[]"                                     some.case.toml:4: [] is not "clean" or a list of what is left, of at least one
    "[1]"                                    some.case.toml:4: expected "clean" or a list of what is left, of at least one
    "then = \"dorp\""                        some.case.toml:5: unknown variant `dorp`, expected `drop` or `run-then-drop`
    "tabels = 1"                             some.case.toml:8: unknown field `tabels`, expected one of `tables`, `blocks`, `workers`, `latency`, `window`, `writers`, `twin`, `settings`
    "tables = -1"                            some.case.toml:8: invalid value: integer `-1`, expected u32
    "\"cancle\""                             some.case.toml:11: unknown variant `cancle`, expected one of `cancel`, `stop`, `kill`, `drop`, `error`, `crash of the source`, `crash of the target`, `terminate`, `FIN`, `RST`, `half-close`, `silence both ways`, `silence to the server`, `silence to the client`, `stall`, `delay`
    "\"delay\""                              some.case.toml:10: `delay` is missing: "delay" at "before sending" needs it
    "\"delay\"\ndelay = \"soon\""            some.case.toml:12: "soon" is no duration; write it as `1.5s`, `250ms`, `12µs` or `7ns`
    "\"cancel\"\nscope = \"host\""           some.case.toml:10: `scope` says nothing about "cancel" at "before sending"
    "\"before\""                             some.case.toml:12: unknown variant `before`, expected one of `before sending`, `after sending`, `before the delivery`, `await after sending`, `await after the delivery`, `await before any message`, `time`
    "\"time\""                               some.case.toml:10: `time` is missing: "cancel" at "time" needs it
    "\"before sending\"\nawait = 1"          some.case.toml:10: `await` says nothing about "cancel" at "before sending"
    "\"sorce\""                              some.case.toml:14: unknown variant `sorce`, expected `source` or `target`
    ""                                       some.case.toml:10: `role` is missing: "cancel" at "before sending" needs it
    "roll = \"control\""                     some.case.toml:15: unknown field `roll`, expected one of `act`, `delay`, `sqlstate`, `scope`, `persistence`, `at`, `process`, `server`, `role`, `connection`, `message`, `nth`, `await`, `time`
    "seed = = 1"                             some.case.toml:3: extra `=`, expected nothing
    "#);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Case::read(std::path::Path::new("no-such.case.toml")).expect_err("it is not there");
    assert!(
        error
            .to_string()
            .starts_with("no-such.case.toml: cannot be read: "),
        "{error}"
    );
}

fn run(wrong: Wrong, case: &Case) -> Outcome {
    let world = FakeWorld::new();
    let build: leftover_harness::scenario::Build = match wrong {
        Wrong::KeepsSession => |_| Toy::boxed(Wrong::KeepsSession),
        _ => |_| Toy::boxed(Wrong::Nothing),
    };
    let (Trial { seed, config, plan }, settings) = (&case.trial, Settings::default());
    let scenario = scenario(build);
    let run = run_plan(&world, &scenario, *seed, config, plan, &settings);
    world.block_on(run).expect("the world works")
}

#[test]
fn an_unknown_scenario_is_named_with_those_that_there_are() {
    let known = [scenario(|_| Toy::boxed(Wrong::Nothing))];
    let case = parsed(CASE);
    assert!(case.find(&known).is_ok());
    let lost = Case {
        scenario: "toi".to_owned(),
        ..case
    };
    let problem = lost.find(&known).err().expect("there is none");
    insta::assert_snapshot!(problem, @r#"there is no scenario "toi"; there are toy"#);
}

#[test]
fn a_case_that_shows_what_it_says_passes_and_any_other_verdict_fails() {
    let case = parsed(CASE);
    assert_eq!(case.check(&run(Wrong::Nothing, &case)), Ok(()));
    let calm = parsed(&CASE[..CASE.find("[[strike]]").expect("it is there")]);
    let mismatch = calm
        .check(&run(Wrong::KeepsSession, &calm))
        .expect_err("a session is left");
    insta::assert_snapshot!(mismatch, @r"
    the verdict is another one
      expected:
        clean
      found:
        source: session `holder` is left idle in transaction
    ");
    let left = Case::of(&run(Wrong::KeepsSession, &calm)).expect("it has a verdict");
    assert_eq!(left.check(&run(Wrong::KeepsSession, &left)), Ok(()));
    insta::assert_snapshot!(left.check(&run(Wrong::Nothing, &left)).expect_err("nothing is left"), @r"
    the verdict is another one
      expected:
        source: session `holder` is left idle in transaction
      found:
        clean
    ");
}

/// The case with this strike instead of its own, and what is said when it runs.
fn missed(strike: &str) -> String {
    let head = &CASE[..CASE.find("[[strike]]").expect("it is there")];
    let case = parsed(&format!("{head}[[strike]]\n{strike}"));
    for wrong in [Wrong::Nothing, Wrong::KeepsSession] {
        let mismatch = case.check(&run(wrong, &case)).expect_err("it met nothing");
        assert!(
            matches!(mismatch, Mismatch::NotStruck(_)),
            "{wrong:?}: {mismatch}"
        );
    }
    case.check(&run(Wrong::Nothing, &case))
        .expect_err("it met nothing")
        .to_string()
}

#[test]
fn a_case_whose_plan_meets_nothing_fails_whatever_is_left_and_says_what_is_near() {
    let at = |at: &str, process: &str, role: &str, message: &str| {
        missed(&format!(
            "act = \"cancel\"\nat = \"{at}\"\nprocess = \"{process}\"\nserver = \"source\"\nrole = \"{role}\"\n\
             message = \"{message}\"\nconnection = 9\nnth = 7\n"
        ))
    };
    let said = [
        at("before sending", "run", "worker", "Query SELECT"),
        at("before the delivery", "run", "worker", "Query SELECT"),
        at("before sending", "run", "reader", "Query SELECT"),
        at("before sending", "walk", "worker", "Query SELECT"),
        at("await after sending", "run", "worker", "Query SELECT"),
        missed("act = \"kill\"\nat = \"await before any message\"\nprocess = \"run\"\nawait = 99\n"),
        missed("act = \"kill\"\nat = \"time\"\nprocess = \"run\"\ntime = \"99s\"\n"),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    the plan no longer matches the run:
      met nothing: cancel before sending Query SELECT 7 of source worker #9 in run
      near it: there is Query SELECT with connection 1, nth 1; connection 2, nth 1; connection 3, nth 1; connection 4, nth 1
    the plan no longer matches the run:
      met nothing: cancel before the delivery of Query SELECT 7 of source worker #9 in run
      near it: source worker receives Authentication ok, BackendKeyData, CommandComplete SELECT, ParameterStatus, ReadyForQuery
    the plan no longer matches the run:
      met nothing: cancel before sending Query SELECT 7 of source reader #9 in run
      near it: connections of run are source control, source worker
    the plan no longer matches the run:
      met nothing: cancel before sending Query SELECT 7 of source worker #9 in walk
      near it: "walk" sends nothing; the processes are last drop, run
    the plan no longer matches the run:
      met nothing: cancel at await 1 after sending Query SELECT 7 of source worker #9 in run
      near it: there is Query SELECT with connection 1, nth 1; connection 2, nth 1; connection 3, nth 1; connection 4, nth 1
    the plan no longer matches the run:
      met nothing: kill at await 99 of run, before any message
      near it: run awaits nothing before its first message
    the plan no longer matches the run:
      met nothing: kill after 99s of run
      near it: the last message of run passed at 400ms
    "#);
}
