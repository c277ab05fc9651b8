//! What is simpler: a smaller configuration, a plainer fault, an earlier place. The simplest comes first.

use std::time::Duration;

use crate::config::Config;
use crate::fault::plan::{Act, At, Await, Fault, Passed, Persistence, Point, Scope};
use crate::log::Way;
use crate::scenario::Recon;
use crate::world::Silence;

/// From the plainest on. A delay ends no connection, so none of them is a plainer form of it.
const FAULTS: [Fault; 7] = [
    Fault::Fin,
    Fault::Reset,
    Fault::HalfClose,
    Fault::Stall,
    Fault::Silence(Silence::Both),
    Fault::Silence(Silence::ToServer),
    Fault::Silence(Silence::ToClient),
];

/// Configurations that are smaller in one thing.
pub(super) fn simpler_configs(config: &Config) -> Vec<Config> {
    let least = Config::smallest();
    let mut simpler = Vec::new();
    let mut with = |change: &dyn Fn(&mut Config)| {
        let mut smaller = config.clone();
        change(&mut smaller);
        if smaller != *config && !simpler.contains(&smaller) {
            simpler.push(smaller);
        }
    };
    with(&|smaller| smaller.settings.clear());
    for key in config.settings.keys() {
        with(&|smaller| drop(smaller.settings.remove(key)));
    }
    with(&|smaller| smaller.twin = least.twin);
    with(&|smaller| smaller.window = least.window);
    with(&|smaller| smaller.latency = least.latency);
    for number in [
        (|config| &mut config.writers) as fn(&mut Config) -> &mut u32,
        |config| &mut config.tables,
        |config| &mut config.blocks,
        |config| &mut config.workers,
    ] {
        let (now, end) = (*number(&mut config.clone()), *number(&mut least.clone()));
        if now > end {
            for smaller_number in [end, end.max(now / 2), now - 1] {
                with(&|smaller| *number(smaller) = smaller_number);
            }
        }
    }
    simpler
}

/// Acts that are plainer than this one.
pub(super) fn simpler_acts(act: &Act) -> Vec<Act> {
    let Act::Fault {
        fault,
        scope,
        persistence,
    } = act
    else {
        return Vec::new();
    };
    let plainer = FAULTS.iter().position(|known| known == fault).unwrap_or(0);
    let mut simpler = Vec::new();
    for fault in FAULTS[..plainer].iter().chain([fault]) {
        for scope in [Scope::Connection, *scope] {
            for persistence in [Persistence::Once, *persistence] {
                let instead = Act::Fault {
                    fault: *fault,
                    scope,
                    persistence,
                };
                if instead != *act && !simpler.contains(&instead) {
                    simpler.push(instead);
                }
            }
        }
    }
    simpler
}

/// Places of the same meaning that are earlier.
pub(super) fn simpler_places(at: &At, recon: &Recon) -> Vec<At> {
    match at {
        At::Message { point, when } => {
            let points = earlier_points(point, when.way(), recon).into_iter();
            points.map(|point| At::Message { point, when: *when }).collect()
        }
        At::Await(at) => {
            let numbers = [1, at.nth.div_ceil(2), at.nth - at.nth.min(1)];
            let sooner = numbers.into_iter().filter(|nth| (1..at.nth).contains(nth));
            let sooner = sooner.map(|nth| Await { nth, ..at.clone() });
            let elsewhere = at.after.iter().flat_map(|Passed { way, point }| {
                let points = earlier_points(point, *way, recon).into_iter();
                points.map(|point| Await {
                    after: Some(Passed { way: *way, point }),
                    ..at.clone()
                })
            });
            elsewhere.chain(sooner).map(At::Await).collect()
        }
        At::Time { process, after } => {
            let rounded = [9, 8, 7, 6, 5, 4, 3].map(|digits| {
                let unit = 10u128.pow(digits);
                let nanos = after.as_nanos() / unit * unit;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            });
            let mut rounded = rounded.to_vec();
            rounded.dedup();
            let shorter = rounded.into_iter().filter(|rounded| rounded < after);
            let process = || process.clone();
            shorter
                .map(|after| At::Time {
                    process: process(),
                    after,
                })
                .collect()
        }
    }
}

/// The same message with lower ordinals, as far as the run has it.
fn earlier_points(point: &Point, way: Way, recon: &Recon) -> Vec<Point> {
    let (connection, nth) = (point.connection, point.nth);
    let ordinals = [
        (1, 1),
        (1, nth),
        (connection, 1),
        (connection.div_ceil(2), nth),
        (connection, nth.div_ceil(2)),
        (connection.saturating_sub(1), nth),
        (connection, nth.saturating_sub(1)),
    ];
    let mut points: Vec<Point> = Vec::new();
    for (connection, nth) in ordinals {
        let earlier = Point {
            connection,
            nth,
            ..point.clone()
        };
        let passes = || {
            let mut all = recon.boundaries.iter();
            all.any(|known| known.way == way && known.point() == earlier)
        };
        if earlier != *point && !points.contains(&earlier) && passes() {
            points.push(earlier);
        }
    }
    points
}
