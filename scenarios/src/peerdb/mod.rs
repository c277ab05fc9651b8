//! PeerDB #2162: DROP MIRROR during the initial load leaves the slot's connection `idle in transaction`.
//!
//! The objects and the order of events are those of the published record (2024-10):
//! - the snapshot worker process keeps the connection that created the slot, and with it the exported
//!   snapshot, in a map from flow to connector ([`worker`]); the server's own limits are switched off on it;
//! - the workflow sets replication up, clones the tables, and **after success** closes that connection
//!   ([`workflow`]): the only releaser there is;
//! - DROP MIRROR asks the workflow to cancel and starts the drop workflow at once. The cancelled workflow
//!   returns early. The drop finds the permanent slot inactive, drops it and the publication, and is content.
//!
//! An oracle that looks at slots and publications is content too: only sessions show it. In the mended form
//! the release is a deferred step, registered right after the acquisition, in a context of its own.
//!
//! Not modelled: the window in which the slot is created after the drop has looked for it (corpus entry 2).

pub mod worker;
pub mod workflow;

use leftover_harness::config::Config;
use leftover_harness::pipeline::Pipeline;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Boundary, Expect, Scenario};
use leftover_harness::space::Family;

use crate::fixture;
use workflow::{CLONE, PeerDb, Release};

/// As published.
pub(crate) fn scenario() -> Scenario {
    Scenario {
        name: "peerdb-2162",
        about: "PeerDB: DROP MIRROR during the initial load leaves the slot's connection open",
        expect: Expect::Caught,
        source: fixture::source,
        target: fixture::target,
        build: buggy,
        beside: None,
        blocker: None,
        families: &[Family::Drop],
        region: while_cloning,
        promises: Promises::NONE,
    }
}

/// With the release registered right after the acquisition.
pub(crate) fn scenario_mended() -> Scenario {
    Scenario {
        name: "peerdb-2162-mended",
        about: "PeerDB, mended: the release is registered right after the acquisition",
        expect: Expect::Clean,
        build: mended,
        ..scenario()
    }
}

fn buggy(config: &Config) -> Box<dyn Pipeline> {
    Box::new(PeerDb::new(config, Release::AfterSuccess))
}

fn mended(config: &Config) -> Box<dyn Pipeline> {
    Box::new(PeerDb::new(config, Release::Deferred))
}

/// DROP MIRROR while a partition is copied.
fn while_cloning(boundary: &Boundary) -> bool {
    boundary.actor.role == CLONE && boundary.message.starts_with("Query")
}
