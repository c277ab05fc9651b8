//! The size and the shape of what a scenario runs on: drawn by a swarm, made smaller by a shrink.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The size and the shape of what a scenario runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many tables the fixture has, from 1 to [`Config::MOST_TABLES`].
    pub tables: u32,
    /// How many blocks each table has, each of them a partition of the load; 0 is an empty table.
    pub blocks: u32,
    /// How many partitions are copied at a time.
    pub workers: u32,
    /// The network's latency each way, in microseconds, drawn anew for each packet: at least, below. A real
    /// network has its own.
    pub latency: [u32; 2],
    /// The receive window of both ends, in bytes; 0 is the world's default. A real kernel chooses its own.
    pub window: u32,
    /// How many sessions of others write into a table of theirs on the source, in transactions that stay open
    /// for a while.
    pub writers: u32,
    /// Whether a mirror with a similar name runs at the same time, where the scenario has one to offer.
    pub twin: bool,
    /// Settings of both servers that differ from their defaults, as in `postgresql.conf`. A world on real
    /// servers sets those that need no restart.
    pub settings: BTreeMap<String, String>,
}

impl Config {
    /// As many tables as the fixtures can make.
    pub const MOST_TABLES: u32 = 4;

    /// The smallest world in which a load has something to do.
    pub fn smallest() -> Self {
        Config {
            tables: 1,
            blocks: 1,
            workers: 1,
            latency: [100, 101],
            ..Config::default()
        }
    }

    /// The latency's range.
    pub fn latency(&self) -> std::ops::Range<Duration> {
        let [least, below] = self.latency.map(|micros| Duration::from_micros(micros.into()));
        least..below.max(least + Duration::from_micros(1))
    }
}

impl Default for Config {
    /// Two tables of four blocks, three workers, a local network, nobody else.
    fn default() -> Self {
        Config {
            tables: 2,
            blocks: 4,
            workers: 3,
            latency: [50, 500],
            window: 0,
            writers: 0,
            twin: false,
            settings: BTreeMap::new(),
        }
    }
}
