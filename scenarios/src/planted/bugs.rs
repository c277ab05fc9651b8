//! The planted bugs as scenarios: one for each law of the core, and the loader that keeps them all.

use std::time::Duration;

use leftover_harness::config::Config;
use leftover_harness::pipeline::Pipeline;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Blocker, Boundary, Build, Expect, Scenario};
use leftover_harness::space::Family;

use super::loader::{Loader, Planted};
use crate::fixture;

/// Longer than a drop waits for a slot that is in use.
const LONG: Duration = Duration::from_secs(40);

/// The loader that keeps the laws: everything strikes anywhere, and nothing is left.
pub(super) fn sound() -> Scenario {
    Scenario {
        name: "planted-none",
        about: "no bug is planted: the small loader that the others are made from",
        expect: Expect::Clean,
        source: |config| fixture::source(config) + fixture::ELSEWHERE,
        // Without keys: a row that comes twice is there twice.
        target: |config| fixture::target(config).replace(" PRIMARY KEY", ""),
        build: |config| Box::new(Loader::new(config, None)),
        beside: None,
        blocker: None,
        families: &[
            Family::Cancel,
            Family::CancelAtMessage,
            Family::Timeout,
            Family::Kill,
            Family::Drop,
            Family::Fin,
            Family::Reset,
            Family::Silence,
            Family::Error,
            Family::Terminate,
        ],
        region: |_| true,
        promises: Promises::NONE,
    }
}

macro_rules! planted {
    ($planted:ident) => {
        |config: &Config| -> Box<dyn Pipeline> { Box::new(Loader::new(config, Some(Planted::$planted))) }
    };
}

fn bug(
    name: &'static str,
    about: &'static str,
    build: Build,
    families: &'static [Family],
    region: fn(&Boundary) -> bool,
) -> Scenario {
    Scenario {
        name,
        about,
        expect: Expect::Caught,
        build,
        families,
        region,
        ..sound()
    }
}

/// The bugs, in the order of the laws that they break.
pub(super) fn bugs() -> Vec<Scenario> {
    let mut bugs = laws_1_to_5();
    bugs.extend(laws_6_to_9());
    bugs
}

fn laws_1_to_5() -> Vec<Scenario> {
    vec![
        bug(
            "planted-recorded-afterwards",
            "law 1: a slot is written down when the server has answered",
            planted!(RecordedAfterwards),
            &[Family::CancelAtMessage, Family::Kill],
            while_it_creates,
        ),
        bug(
            "planted-detached",
            "law 2: the snapshot's connection is kept by a task that outlives the load",
            planted!(Detached),
            &[Family::Cancel, Family::CancelAtMessage],
            while_it_reads,
        ),
        bug(
            "planted-closing-is-release",
            "law 3: a drop takes the closing of a busy session's socket for the end of its backend",
            planted!(ClosingIsRelease),
            &[Family::Drop],
            while_it_reads,
        ),
        bug(
            "planted-teardown-on-the-broken",
            "law 4: a load that is dropped cleans up on the session that it was stopped in",
            planted!(TeardownOnTheBroken),
            &[Family::Drop],
            |boundary| while_it_reads(boundary) && boundary.message.starts_with("Copy"),
        ),
        bug(
            "planted-pattern",
            "law 5: the slot of an interrupted attempt is matched with LIKE, in which _ is a wildcard",
            planted!(Pattern),
            &[Family::Kill],
            while_it_reads,
        ),
    ]
}

fn laws_6_to_9() -> Vec<Scenario> {
    vec![
        bug(
            "planted-no-limits",
            "law 6: connections do not tell the server when to give them up",
            planted!(NoLimits),
            &[Family::Silence],
            while_it_reads,
        ),
        bug(
            "planted-held-until-the-end",
            "law 7: the sessions of a failed attempt are held until the end of the run",
            planted!(HeldUntilTheEnd),
            &[Family::Error],
            while_it_reads,
        ),
        Scenario {
            blocker: Some(Blocker {
                begin: fixture::ELSEWHERE_BEGIN,
                hold: LONG,
            }),
            ..bug(
                "planted-error-swallowed",
                "law 8: a drop that cannot remove the slot says that nothing is left",
                planted!(ErrorSwallowed),
                &[Family::Drop],
                around_the_creation,
            )
        },
        bug(
            "planted-forgotten-first",
            "law 8: a drop forgets an attempt before it has removed it, and dropping again does nothing",
            planted!(ForgottenFirst),
            &[Family::Cancel],
            while_it_reads,
        ),
        bug(
            "planted-unanswered-is-undone",
            "law 9: a COMMIT without an answer is taken for one that did not happen, and copied again",
            planted!(UnansweredIsUndone),
            &[Family::Fin, Family::Reset],
            |boundary| boundary.message.ends_with("COMMIT"),
        ),
    ]
}

fn while_it_creates(boundary: &Boundary) -> bool {
    boundary.message.ends_with("CREATE_REPLICATION_SLOT")
}

/// The holder's messages, and one that comes while the server is still at work on the slot.
fn around_the_creation(boundary: &Boundary) -> bool {
    let role = &boundary.actor.role;
    role.ends_with("/holder") || role.ends_with("/writer") && *boundary.message == *"BackendKeyData"
}

fn while_it_reads(boundary: &Boundary) -> bool {
    boundary.actor.role.ends_with("/reader")
}
