//! The mirror's initial load with nothing in its way, and with others in its way.

use std::time::Duration;

use leftover_harness::fault::plan::{Act, At, Plan, Strike, Then};
use leftover_harness::pipeline::Pipeline;
use leftover_harness::scenario::{Blocker, Draw, Expect, Recon, Scenario};

use crate::fixture;
use crate::mirror::MirrorPipeline;

/// The name has a `_`, which is a wildcard of LIKE.
const NAME: &str = "shop_1";
const ORDERS: (&str, &str) = ("public", "orders");
const LINES: (&str, &str) = ("public", "lines");

/// The mirror of the two tables.
pub(crate) fn mirror() -> Box<dyn Pipeline> {
    Box::new(MirrorPipeline::new(NAME, &[ORDERS, LINES], fixture::PARTITIONS))
}

/// A scenario of the mirror of the two tables, in which nothing goes wrong.
pub(crate) fn of_mirror(name: &'static str, about: &'static str) -> Scenario {
    Scenario {
        name,
        about,
        expect: Expect::Clean,
        source: fixture::SOURCE.to_owned(),
        target: String::new(),
        build: mirror,
        beside: None,
        blocker: None,
        plan: |_, _| Plan::calm(),
    }
}

fn mirror_of_all() -> Box<dyn Pipeline> {
    let tables = [
        ORDERS,
        LINES,
        ("public", "nothing_yet"),
        ("Lager Süd", "Größe & Maß"),
    ];
    Box::new(MirrorPipeline::new(NAME, &tables, fixture::PARTITIONS + 2).of_all_tables())
}

/// `initial-load`.
pub(crate) fn initial_load() -> Scenario {
    let scenario = of_mirror("initial-load", "the mirror loads every table of a database");
    let source = format!("{}\n{}", fixture::SOURCE, fixture::ODD_ONES);
    Scenario {
        source,
        build: mirror_of_all,
        ..scenario
    }
}

const HOLD: Duration = Duration::from_secs(8);

/// `slot-creation-waits`.
pub(crate) fn slot_creation_waits() -> Scenario {
    let about = "slot creation waits for somebody's long transaction, and is stopped there, or not";
    let scenario = of_mirror("slot-creation-waits", about);
    Scenario {
        source: format!("{}\n{}", fixture::SOURCE, fixture::ELSEWHERE),
        blocker: Some(Blocker {
            begin: fixture::ELSEWHERE_BEGIN,
            hold: HOLD,
        }),
        plan: stop_while_it_waits,
        ..scenario
    }
}

fn stop_while_it_waits(draw: &mut Draw, _: &Recon) -> Plan {
    // After the setup, and before the transaction ends.
    let at = At::Time(Duration::from_secs(1) + draw.within(HOLD - Duration::from_secs(2)));
    let then = *draw.one_of(&[Then::Drop, Then::RunThenDrop]);
    let act = draw
        .one_of(&[None, Some(Act::Cancel), Some(Act::Kill), Some(Act::Drop)])
        .clone();
    let strikes = act.map(|act| Strike { at, act }).into_iter().collect();
    Plan { strikes, then }
}

fn mirror_of_orders() -> Box<dyn Pipeline> {
    Box::new(MirrorPipeline::new("shop", &[ORDERS], fixture::PARTITIONS / 2))
}

fn mirror_of_lines() -> Box<dyn Pipeline> {
    Box::new(MirrorPipeline::new("shop_1", &[LINES], fixture::PARTITIONS / 2))
}

/// `two-mirrors`: the slot of attempt 1 of `shop` is `leftover_shop_1`, and that of `shop_1` is
/// `leftover_shop_1_1`.
pub(crate) fn two_mirrors() -> Scenario {
    let about = "of two mirrors with similar names one is stopped; the other does not notice";
    let scenario = of_mirror("two-mirrors", about);
    Scenario {
        build: mirror_of_orders,
        beside: Some(mirror_of_lines),
        plan: stop_one,
        ..scenario
    }
}

fn stop_one(draw: &mut Draw, recon: &Recon) -> Plan {
    let act = draw.one_of(&[Act::Cancel, Act::Kill, Act::Drop]).clone();
    let at = draw.boundary(recon, |_| true).unwrap_or(At::Poll(1));
    let then = *draw.one_of(&[Then::Drop, Then::RunThenDrop]);
    Plan {
        strikes: vec![Strike { at, act }],
        then,
    }
}
