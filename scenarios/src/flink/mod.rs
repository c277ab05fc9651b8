//! Flink CDC #2980: the number of connections grows with the number of snapshot splits.
//!
//! No fault is needed. One reader and one context serve every split ([`context`]):
//! - `configure` makes a new JDBC connection for **each** split, which opens a session at once, and overwrites
//!   the handle of the last one;
//! - it also makes a new replication connection for each split, with a decoder that holds that split's JDBC
//!   connection, although only the first one is kept;
//! - the end of a split closes the kept replication connection and its decoder's JDBC connection: the first
//!   one, again and again;
//! - the end of the job closes the JDBC connection of the last split.
//!
//! What lies between is held by nobody. Since autocommit is off and nobody commits, each of those sessions is
//! `idle in transaction`. In the mended form a connection is made only where there is none, the transaction
//! ends with the split, and the context closes both at its end.

pub mod context;
pub mod job;

use leftover_harness::config::Config;
use leftover_harness::pipeline::Pipeline;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Expect, Scenario};
use leftover_harness::space::Family;

use crate::fixture;
use context::Connections;
use job::Flink;

/// As published.
pub(crate) fn scenario() -> Scenario {
    Scenario {
        name: "flink-2980",
        about: "Flink CDC: the number of connections grows with the number of snapshot splits",
        expect: Expect::Caught,
        source: fixture::source,
        target: fixture::target,
        build: buggy,
        beside: None,
        blocker: None,
        families: &[Family::Calm],
        region: |_| true,
        promises: Promises::NONE,
    }
}

/// With one connection for all splits.
pub(crate) fn scenario_mended() -> Scenario {
    Scenario {
        name: "flink-2980-mended",
        about: "Flink CDC, mended: a connection is made only where there is none, and closed at the end",
        expect: Expect::Clean,
        build: mended,
        ..scenario()
    }
}

fn buggy(config: &Config) -> Box<dyn Pipeline> {
    Box::new(Flink::new(config, Connections::PerSplit))
}

fn mended(config: &Config) -> Box<dyn Pipeline> {
    Box::new(Flink::new(config, Connections::Guarded))
}
