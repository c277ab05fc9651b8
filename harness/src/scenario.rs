//! A scenario: what runs, on what, and what can go wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::fault::plan::{At, Plan, Point, When};
use crate::log::{Record, Way};
use crate::pipeline::Pipeline;

/// What a scenario is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is left, whatever strikes.
    Clean,
    /// Something is left, and is found.
    Caught,
}

/// Another session on the source that slot creation must wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// What it does first: opens a transaction and writes in it.
    pub begin: &'static str,
    /// How long after the run's start it commits.
    pub hold: Duration,
}

/// Makes a pipeline.
pub type Build = fn() -> Box<dyn Pipeline>;

/// What runs, on what, and what can go wrong with it.
#[derive(Clone)]
pub struct Scenario {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// What it is about: one line.
    pub about: &'static str,
    /// What it is to show.
    pub expect: Expect,
    /// SQL that makes the source.
    pub source: String,
    /// SQL that makes the target.
    pub target: String,
    /// The pipeline under test.
    pub build: Build,
    /// Another pipeline that runs at the same time, untouched.
    pub beside: Option<Build>,
    /// Another session that slot creation must wait for.
    pub blocker: Option<Blocker>,
    /// What goes wrong: drawn from the seed, among what a run without faults did.
    pub plan: fn(&mut Draw, &Recon) -> Plan,
}

impl Scenario {
    /// The plan of `seed`.
    pub fn plan(&self, seed: u64, recon: &Recon) -> Plan {
        (self.plan)(&mut Draw::new(seed), recon)
    }
}

/// A message of a run without faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Which message.
    pub point: Point,
    /// Its direction.
    pub way: Way,
    /// When it passed, since the run began.
    pub at: Duration,
}

/// What a run without faults did: the places where something can strike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recon {
    /// Every message of the process `run`, in order.
    pub boundaries: Vec<Boundary>,
    /// How often the run's future was polled.
    pub polls: u64,
    /// How long the run took.
    pub duration: Duration,
    /// Whether the next run of the same seed is the same up to the strike.
    pub exact: bool,
}

impl Recon {
    /// Reads the event log of a run without faults.
    pub fn of(records: &[Record], polls: u64, duration: Duration) -> Self {
        let mut counts: BTreeMap<(&crate::log::Actor, Way, &str), u32> = BTreeMap::new();
        let mut boundaries = Vec::new();
        for record in records {
            let (Some(actor), Some(way)) = (&record.actor, record.way) else {
                continue;
            };
            if actor.process != "run" {
                continue;
            }
            let count = counts.entry((actor, way, &record.what)).or_default();
            for _ in 0..record.times {
                *count += 1;
                let point = Point {
                    process: actor.process.clone(),
                    server: actor.server,
                    role: actor.role.clone(),
                    connection: actor.connection,
                    message: record.what.clone(),
                    nth: *count,
                };
                boundaries.push(Boundary {
                    point,
                    way,
                    at: record.at,
                });
            }
        }
        Recon {
            boundaries,
            polls,
            duration,
            exact: true,
        }
    }
}

/// Choices of a plan. They come from the seed and from nothing else.
pub struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// The choices of `seed`.
    pub fn new(seed: u64) -> Self {
        // Apart from the world's own choices, which may start from the same seed.
        Draw(Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x6c65_6674_6f76_6572))
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing to choose from");
        self.0.next_u64() % end
    }

    /// One of `choices`, of which there is at least one.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).expect("an index of a slice")]
    }

    /// A duration below `end`, in whole microseconds.
    pub fn within(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).expect("shorter than 500,000 years");
        Duration::from_micros(self.below(micros.max(1)))
    }

    /// A message of the recon for which `wanted` holds, and a side of it. Where the next run may differ, only
    /// the first of its kind on the first connection of its role. `None` when there is none.
    pub fn boundary(&mut self, recon: &Recon, wanted: impl Fn(&Boundary) -> bool) -> Option<At> {
        let certain = |point: &Point| recon.exact || point.nth == 1 && point.connection == 1;
        let choices: Vec<&Boundary> = recon
            .boundaries
            .iter()
            .filter(|at| certain(&at.point) && wanted(at))
            .collect();
        if choices.is_empty() {
            return None;
        }
        let boundary = *self.one_of(&choices);
        let when = match boundary.way {
            Way::Sent => *self.one_of(&[When::BeforeSend, When::AfterSend]),
            Way::Received => When::BeforeDelivery,
        };
        Some(At::Message {
            point: boundary.point.clone(),
            when,
        })
    }

    /// An await point of the run; where the next run may differ, a time in its first nine tenths.
    pub fn await_point(&mut self, recon: &Recon) -> At {
        if recon.exact && recon.polls > 1 {
            return At::Poll(1 + self.below(recon.polls - 1));
        }
        self.time(recon)
    }

    /// A time while the run goes on.
    pub fn time(&mut self, recon: &Recon) -> At {
        let sure = if recon.exact {
            recon.duration
        } else {
            recon.duration.mul_f64(0.9)
        };
        At::Time(self.within(sure))
    }
}
