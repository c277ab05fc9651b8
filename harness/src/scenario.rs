//! A scenario: what runs, on what, and what can go wrong with it.

use std::sync::Arc;
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::config::Config;
use crate::fault::AwaitsAfter;
use crate::fault::plan::{Passed, Plan, Point};
use crate::log::{Actor, EventLog, Way};
use crate::pipeline::Pipeline;
use crate::reach::Promises;
use crate::space::{Family, Space};

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
pub type Build = fn(&Config) -> Box<dyn Pipeline>;

/// Makes a pipeline, or none, as the configuration asks.
pub type BuildBeside = fn(&Config) -> Option<Box<dyn Pipeline>>;

/// Makes a fixture's SQL.
pub type Fixture = fn(&Config) -> String;

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
    pub source: Fixture,
    /// SQL that makes the target.
    pub target: Fixture,
    /// The pipeline under test.
    pub build: Build,
    /// Another pipeline that runs at the same time, untouched; some have one only when the configuration asks
    /// for a twin.
    pub beside: Option<BuildBeside>,
    /// Another session that slot creation must wait for.
    pub blocker: Option<Blocker>,
    /// What can go wrong, at least one.
    pub families: &'static [Family],
    /// At which messages, and after which, it can go wrong.
    pub region: fn(&Boundary) -> bool,
    /// What a sweep of it must reach, or it shows less than it says.
    pub promises: Promises,
}

impl Scenario {
    /// The plan of `seed`: one family, then one thing of it at one place.
    pub fn plan(&self, seed: u64, recon: &Recon) -> Plan {
        let mut draw = Draw::new(seed);
        let family = *draw.one_of(self.families);
        let space = Space::new(recon, "run", family, self.region);
        if space.is_empty() {
            return Plan::calm();
        }
        space.plan(draw.index(space.len()))
    }
}

/// A message of a run without faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Its connection.
    pub actor: Arc<Actor>,
    /// Its kind.
    pub message: Arc<str>,
    /// The how-many-eth message of that kind on that connection in that direction, from 1.
    pub nth: u32,
    /// Its direction.
    pub way: Way,
    /// When it passed, since the run began.
    pub at: Duration,
}

impl Boundary {
    /// The place of this message in a plan.
    pub fn point(&self) -> Point {
        Point {
            process: self.actor.process.clone(),
            server: self.actor.server,
            role: self.actor.role.clone(),
            connection: self.actor.connection,
            message: self.message.to_string(),
            nth: self.nth,
        }
    }

    /// What an await after this message says of it.
    pub fn passed(&self) -> Passed {
        Passed {
            way: self.way,
            point: self.point(),
        }
    }
}

/// What a run did: the places where something can strike in the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recon {
    /// Every message of every process, in order.
    pub boundaries: Vec<Boundary>,
    /// Every await of every process, in order.
    pub awaits: Vec<AwaitsAfter>,
    /// Whether the next run of the same seed is the same up to the strike.
    pub exact: bool,
}

impl Recon {
    /// Reads the event log of a run, and its awaits.
    pub fn of(log: &EventLog, awaits: Vec<AwaitsAfter>) -> Self {
        let mut boundaries = Vec::new();
        log.each_message(|actor, way, message, at, nth| {
            boundaries.push(Boundary {
                actor: Arc::clone(actor),
                message: Arc::clone(message),
                nth,
                way,
                at,
            });
        });
        Recon {
            boundaries,
            awaits,
            exact: true,
        }
    }

    /// Whether the next run has this message too: where runs differ, the first of its kind on the first
    /// connection of its role.
    pub fn is_certain(&self, at: &Boundary) -> bool {
        self.exact || at.nth == 1 && at.actor.connection == 1
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
        &choices[self.index(choices.len())]
    }

    /// An index below `end`, which is not 0.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below an index")
    }
}
