//! All scenarios, in the order of tables.

use leftover_harness::scenario::Scenario;

use crate::{flink, load, peerdb, stops};

/// All scenarios, in the order of tables.
pub fn catalogue() -> Vec<Scenario> {
    vec![
        load::initial_load(),
        stops::dropped(),
        stops::cancelled(),
        stops::timed_out(),
        stops::connection_lost(),
        stops::killed(),
        load::slot_creation_waits(),
        load::two_mirrors(),
        peerdb::scenario(),
        peerdb::scenario_mended(),
        flink::scenario(),
        flink::scenario_mended(),
    ]
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    catalogue().into_iter().find(|scenario| scenario.name == name)
}
