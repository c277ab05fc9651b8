//! All scenarios, in the order of tables.

use leftover_harness::scenario::Scenario;

use crate::planted::{PREFIX, planted};
use crate::{flink, load, peerdb, stops};

/// All scenarios, in the order of tables.
pub fn catalogue() -> Vec<Scenario> {
    let mut scenarios = of_mirror();
    scenarios.extend([
        peerdb::scenario(),
        peerdb::scenario_mended(),
        flink::scenario(),
        flink::scenario_mended(),
    ]);
    scenarios
}

/// Those of our own mirror, of which we claim that nothing is left whatever strikes, and however often. A model
/// of somebody's code claims no more than its region and one fault.
pub fn of_mirror() -> Vec<Scenario> {
    vec![
        load::initial_load(),
        stops::dropped(),
        stops::cancelled(),
        stops::timed_out(),
        stops::stopped(),
        stops::connection_lost(),
        stops::killed(),
        stops::terminated(),
        stops::server_error(),
        stops::crashed(),
        load::slot_creation_waits(),
        load::two_mirrors(),
    ]
}

/// The catalogue and the planted scenarios: all that a name can mean.
pub fn everything() -> Vec<Scenario> {
    let mut scenarios = catalogue();
    scenarios.extend(planted());
    scenarios
}

/// The scenarios that a pattern which begins so can mean: planted ones only for one that names them.
pub fn meant_by(pattern: &str) -> Vec<Scenario> {
    if pattern.starts_with(PREFIX) {
        planted()
    } else {
        catalogue()
    }
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    meant_by(name).into_iter().find(|scenario| scenario.name == name)
}
