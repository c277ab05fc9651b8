//! What is found shrinks to the smallest run that shows it, and ends in a story that needs no other words.

use std::cell::Cell;

use leftover_harness::config::Config;
use leftover_harness::run::Settings;
use leftover_harness::shrink::{Limits, Shrunk, shrink};
use leftover_harness::story::story;
use leftover_sim::scenario::SimLab;

fn shrunk(name: &str, seed: u64) -> (Shrunk, String) {
    let scenario = leftover_scenarios::find(name).expect("it is in the catalogue");
    let found = leftover_sim::scenario::run(&scenario, seed, &Config::default(), &Settings::default());
    let found = found.expect("it can be judged");
    let limits = Limits {
        runs: 200,
        expired: &|| false,
    };
    let shrunk = shrink(&SimLab::default(), &scenario, found, limits).expect("something was left");
    let story = story(&scenario, &shrunk.outcome);
    assert!(!shrunk.at_limit, "{} runs: {:?}", shrunk.runs, shrunk.outcome);
    (shrunk, story)
}

#[test]
fn peerdb_2162_shrinks_to_one_drop_in_the_smallest_world() {
    let (shrunk, story) = shrunk("peerdb-2162", 3);
    assert_eq!(shrunk.outcome.config, Config::smallest());
    insta::assert_snapshot!(story, @r#"
    peerdb-2162: PeerDB: DROP MIRROR during the initial load leaves the slot's connection open
    1 table, 1 block, 1 worker, seed 0

        0.0002 s  run: source peerdb/flow/connector #1 connects, sends CREATE PUBLICATION
        0.0029 s  run: source peerdb/flow/slot #1 connects, sends CREATE_REPLICATION_SLOT
        0.0098 s  run: source peerdb/flow/clone #1 connects
        0.0140 s  ** drop before sending Query BEGIN 1 of source peerdb/flow/clone #1 in run
        0.0140 s  run: source peerdb/flow/clone #1 sends BEGIN, closes its socket
        0.0140 s  run fails
        0.0161 s  drop: source peerdb/flow/drop #1 sends SELECT pg_drop_replication_slot, sends DROP PUBLICATION
        0.0406 s  drop returns
        0.0406 s  the server holds what nobody needs any more

    source: walsender `peerdb/flow/slot` is left `idle in transaction` and pins xmin; its slot and publication are gone
      waits for Client/ClientRead; its last statement is: CREATE_REPLICATION_SLOT "peerflow_slot_flow" LOGICAL "pgoutput" EXPORT…
    source: session `peerdb/flow/connector` is left `idle`
      waits for Client/ClientRead; its last statement is: CREATE PUBLICATION peerflow_pub_flow FOR TABLE public.orders
    "#);
}

#[test]
fn flink_2980_shrinks_to_one_table_and_no_fault() {
    let (shrunk, story) = shrunk("flink-2980", 1);
    let smallest = Config {
        // Fewer partitions, and nothing grows with them.
        blocks: 4,
        ..Config::smallest()
    };
    assert_eq!(shrunk.outcome.config, smallest);
    assert!(shrunk.outcome.plan.strikes.is_empty());
    insta::assert_snapshot!(story, @r"
    flink-2980: Flink CDC: the number of connections grows with the number of snapshot splits
    1 table, 4 blocks, 1 worker, seed 0

        0.0022 s  run: source flink/enumerator #1 sends CREATE PUBLICATION, sends SELECT pg_create_logical_replication_slot
        0.0254 s  run: source flink/replication #1 sends CREATE_REPLICATION_SLOT
        0.0730 s  run: source flink/drop-slot #1 sends SELECT pg_drop_replication_slot
        0.0879 s  run: source flink/jdbc #2 connects, sends SELECT
        0.0931 s  run: source flink/replication #2 sends CREATE_REPLICATION_SLOT
        0.0972 s  run: source flink/jdbc #2 sends BEGIN, sends COPY
        0.1238 s  run: source flink/drop-slot #2 sends SELECT pg_drop_replication_slot
        0.1313 s  run: source flink/jdbc #3 connects, sends SELECT, sends BEGIN, sends COPY
        0.2646 s  run returns
        0.2646 s  the server holds what nobody needs any more

    source: sessions `flink/jdbc` grow with the number of partitions: 3 at once for 4 partitions, where 3 in all are allowed
    source: session `flink/jdbc` is left `idle in transaction` (×2)
      waits for Client/ClientRead; its last statement is: COPY (SELECT * FROM public.orders WHERE ctid >= '(1,0)'::tid AND ctid …
    ");
}

#[test]
fn a_shrink_is_the_same_twice_and_ends_at_its_limit() {
    let (once, again) = (shrunk("peerdb-2162", 5).0, shrunk("peerdb-2162", 5).0);
    assert_eq!((once.outcome.hash, once.runs), (again.outcome.hash, again.runs));
    let scenario = leftover_scenarios::find("flink-2980").expect("it is in the catalogue");
    let found = leftover_sim::scenario::run(&scenario, 1, &Config::default(), &Settings::default());
    let found = found.expect("it can be judged");
    let asked = Cell::new(0);
    let limits = Limits {
        runs: 100,
        expired: &|| asked.replace(asked.get() + 1) >= 3,
    };
    let cut = shrink(&SimLab::default(), &scenario, found, limits).expect("something was left");
    assert!(cut.at_limit);
    assert_eq!(cut.runs, 3);
}
