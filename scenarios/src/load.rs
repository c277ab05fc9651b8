//! The mirror's initial load with nothing in its way, and with others in its way.

use std::time::Duration;

use leftover_harness::config::Config;
use leftover_harness::pipeline::Pipeline;
use leftover_harness::reach::{Promises, Situation};
use leftover_harness::scenario::{Blocker, Boundary, Expect, Scenario};
use leftover_harness::space::Family;

use crate::fixture;
use crate::mirror::MirrorPipeline;

/// The name has a `_`, which is a wildcard of LIKE.
const NAME: &str = "shop_1";

fn in_public(config: &Config) -> Vec<(&'static str, &'static str)> {
    fixture::names(config)
        .iter()
        .map(|name| ("public", *name))
        .collect()
}

/// The mirror of the fixture's tables.
pub(crate) fn mirror(config: &Config) -> Box<dyn Pipeline> {
    let partitions = fixture::partitions(config);
    Box::new(MirrorPipeline::new(
        NAME,
        config.workers,
        &in_public(config),
        partitions,
    ))
}

/// The mirror of the twin's table, where the configuration asks for one.
fn twin(config: &Config) -> Option<Box<dyn Pipeline>> {
    let mirror = MirrorPipeline::new("shop_1_1", 1, &[("public", fixture::TWIN)], 1);
    config.twin.then(|| -> Box<dyn Pipeline> { Box::new(mirror) })
}

/// A scenario of the mirror of the fixture's tables, in which nothing goes wrong.
pub(crate) fn of_mirror(name: &'static str, about: &'static str) -> Scenario {
    Scenario {
        name,
        about,
        expect: Expect::Clean,
        source: |config| fixture::source(config) + &fixture::twin(config),
        target: fixture::nothing,
        build: mirror,
        beside: Some(twin),
        blocker: None,
        families: &[Family::Calm],
        region: |_| true,
        promises: Promises::NONE,
    }
}

fn mirror_of_all(config: &Config) -> Box<dyn Pipeline> {
    let mut tables = in_public(config);
    tables.extend([("public", "nothing_yet"), ("Lager Süd", "Größe & Maß")]);
    let partitions = fixture::partitions(config) + 2;
    Box::new(MirrorPipeline::new(NAME, config.workers, &tables, partitions).of_all_tables())
}

/// `initial-load`.
pub(crate) fn initial_load() -> Scenario {
    let scenario = of_mirror("initial-load", "the mirror loads every table of a database");
    Scenario {
        source: |config| fixture::source(config) + fixture::ODD_ONES,
        build: mirror_of_all,
        beside: None,
        ..scenario
    }
}

const HOLD: Duration = Duration::from_secs(8);

/// `slot-creation-waits`.
pub(crate) fn slot_creation_waits() -> Scenario {
    let about = "slot creation waits for somebody's long transaction, and is stopped there, or not";
    let scenario = of_mirror("slot-creation-waits", about);
    Scenario {
        source: |config| fixture::source(config) + &fixture::twin(config) + fixture::ELSEWHERE,
        blocker: Some(Blocker {
            begin: fixture::ELSEWHERE_BEGIN,
            hold: HOLD,
        }),
        families: &[Family::Calm, Family::Timeout, Family::Kill, Family::Drop],
        region: while_it_waits,
        promises: Promises {
            phases: &["slot"],
            situations: &[
                Situation::EphemeralSlotWithoutClient,
                Situation::SlotCreationWithoutClient,
                Situation::EndedByServerLimit,
            ],
        },
        ..scenario
    }
}

/// Once the creation has left.
fn while_it_waits(boundary: &Boundary) -> bool {
    &*boundary.message == "Query CREATE_REPLICATION_SLOT"
}

/// There is a table for each of the two mirrors.
fn for_two(config: &Config) -> Config {
    Config {
        tables: config.tables.max(2),
        ..config.clone()
    }
}

/// The first table.
fn mirror_of_first(config: &Config) -> Box<dyn Pipeline> {
    let (tables, partitions) = (&in_public(config)[..1], config.blocks as usize);
    Box::new(MirrorPipeline::new("shop", config.workers, tables, partitions))
}

/// The other tables.
fn mirror_of_others(config: &Config) -> Option<Box<dyn Pipeline>> {
    let tables = &in_public(&for_two(config))[1..];
    let partitions = tables.len() * config.blocks as usize;
    let mirror = MirrorPipeline::new("shop_1", config.workers, tables, partitions);
    Some(Box::new(mirror))
}

/// `two-mirrors`: the slot of attempt 1 of `shop` is `leftover_shop_1`, and that of `shop_1` is
/// `leftover_shop_1_1`.
pub(crate) fn two_mirrors() -> Scenario {
    let about = "of two mirrors with similar names one is stopped; the other does not notice";
    let scenario = of_mirror("two-mirrors", about);
    Scenario {
        source: |config| fixture::source(&for_two(config)),
        build: mirror_of_first,
        beside: Some(mirror_of_others),
        families: &[Family::CancelAtMessage, Family::Kill, Family::Drop],
        ..scenario
    }
}
