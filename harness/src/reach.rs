//! Reach marks: which phases the faults have struck, and which rare situations the runs have been in. A sweep
//! that never came near a situation says nothing about it, however many of its runs are clean.
//!
//! [`Reached`] is of one run and [`Reach`] of many; a scenario [`Promises`] what a sweep of it reaches.

use std::collections::BTreeMap;

use crate::fault::Struck;
use crate::fault::plan::{Act, At, Point, Strike};
use crate::log::EventLog;
use crate::pipeline::Pipeline;
use crate::space::Family;
use crate::world::Server;

/// The phase in which a pipeline removes what it left: a cancel that strikes there strikes the cleanup itself.
pub const CLEAN_UP: &str = "clean up";

/// Something rare that a run may get into, and in which things are left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Situation {
    /// A slot was still ephemeral when the client that had asked for it was gone.
    EphemeralSlotWithoutClient,
    /// A slot creation waited for a transaction when its client was gone.
    SlotCreationWithoutClient,
    /// A backend found no room for what it had to say to its client.
    BlockedInClientWrite,
    /// A cancel request reached a backend that ran nothing.
    CancelMetIdle,
    /// A session was ended by a limit that the server had been told.
    EndedByServerLimit,
    /// A COPY from the client was undone because the client was lost.
    CopyInLostClient,
    /// A COMMIT was sent to the target, and nothing more was heard on that connection.
    CommitUnknown,
    /// A cancel struck a drop, or what cleans up after the run.
    CleanupCancelled,
}

impl Situation {
    /// All of them, in the order of tables.
    pub const ALL: [Situation; 8] = [
        Situation::EphemeralSlotWithoutClient,
        Situation::SlotCreationWithoutClient,
        Situation::BlockedInClientWrite,
        Situation::CancelMetIdle,
        Situation::EndedByServerLimit,
        Situation::CopyInLostClient,
        Situation::CommitUnknown,
        Situation::CleanupCancelled,
    ];

    /// The situation in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Situation::EphemeralSlotWithoutClient => "slot row ephemeral while its client left",
            Situation::SlotCreationWithoutClient => "slot creation waits and its client has gone",
            Situation::BlockedInClientWrite => "backend blocked in ClientWrite",
            Situation::CancelMetIdle => "cancel request met an idle backend",
            Situation::EndedByServerLimit => "session ended by its own server limit",
            Situation::CopyInLostClient => "COPY in aborted by a lost client",
            Situation::CommitUnknown => "commit outcome unknown",
            Situation::CleanupCancelled => "cleanup itself cancelled",
        }
    }
}

/// A set of situations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Situations(u8);

impl Situations {
    /// Adds one.
    pub fn note(&mut self, situation: Situation) {
        self.0 |= 1 << situation as u8;
    }

    /// Adds all of another set.
    pub fn add(&mut self, other: Situations) {
        self.0 |= other.0;
    }

    /// Whether it is in the set.
    pub fn contains(self, situation: Situation) -> bool {
        self.0 & (1 << situation as u8) != 0
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Situation> {
        let all = Situation::ALL.into_iter();
        all.filter(move |situation| self.contains(*situation))
    }
}

/// What a sweep of a scenario must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promises {
    /// Something strikes in each of these phases.
    pub phases: &'static [&'static str],
    /// Each of these situations comes up.
    pub situations: &'static [Situation],
}

impl Promises {
    /// Nothing in particular.
    pub const NONE: Promises = Promises {
        phases: &[],
        situations: &[],
    };
}

/// A single thing to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Something struck in this phase.
    Phase(&'static str),
    /// A run was in this situation.
    Situation(Situation),
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mark::Situation(situation) => f.write_str(situation.as_str()),
            Mark::Phase(phase) => write!(f, "a fault in phase `{phase}`"),
        }
    }
}

/// What one run has reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// The situations in which it was.
    pub situations: Situations,
    /// What struck, each with the phase that it hit.
    pub strikes: Vec<(&'static str, Family)>,
}

impl Reached {
    /// The marks of a run of `pipeline` that has ended. `noted` is what the servers noted.
    pub(crate) fn of(pipeline: &dyn Pipeline, strikes: &[Struck], log: &EventLog, noted: Situations) -> Self {
        let mut reached = Reached {
            situations: noted,
            strikes: Vec::new(),
        };
        for struck in strikes.iter().filter(|struck| struck.times > 0) {
            let (phase, strike) = (phase(pipeline, struck), &struck.strike);
            if strike.act == Act::Cancel && (phase == CLEAN_UP || is_drop(strike)) {
                reached.situations.note(Situation::CleanupCancelled);
            }
            reached.strikes.push((phase, Family::of(strike)));
        }
        if log.is_last_word(Server::Target, pipeline.commit()) {
            reached.situations.note(Situation::CommitUnknown);
        }
        reached
    }
}

fn is_drop(strike: &Strike) -> bool {
    matches!(strike.at.process(), "drop" | "last drop" | "last drop again")
}

/// The phase that a strike has hit.
fn phase(pipeline: &dyn Pipeline, struck: &Struck) -> &'static str {
    let at = &struck.strike.at;
    match at.process() {
        "run" => {}
        "drop" => return "drop",
        "last drop" | "last drop again" => return "last drop",
        "next run" => return "next run",
        _ => return "beside",
    }
    let after: Option<&Point> = match at {
        At::Message { point, .. } => Some(point),
        At::Await(at) => at.after.as_ref().map(|passed| &passed.point),
        At::Time { .. } => struck.last.as_ref(),
    };
    match after {
        Some(point) => pipeline.phase(point),
        None => pipeline.phases().first().copied().unwrap_or("run"),
    }
}

/// What many runs have reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// In how many runs each situation came up.
    pub situations: BTreeMap<Situation, u64>,
    /// How often each family has struck in each phase.
    pub struck: BTreeMap<(&'static str, Family), u64>,
}

impl Reach {
    /// Adds a run.
    pub fn add(&mut self, reached: &Reached) {
        for situation in reached.situations.iter() {
            *self.situations.entry(situation).or_default() += 1;
        }
        for strike in &reached.strikes {
            *self.struck.entry(*strike).or_default() += 1;
        }
    }

    /// Adds what others have reached.
    pub fn merge(&mut self, other: &Reach) {
        for (situation, runs) in &other.situations {
            *self.situations.entry(*situation).or_default() += runs;
        }
        for (strike, times) in &other.struck {
            *self.struck.entry(*strike).or_default() += times;
        }
    }

    /// How often anything has struck in this phase.
    pub fn in_phase(&self, phase: &str) -> u64 {
        let in_phase = self.struck.iter().filter(|((known, _), _)| *known == phase);
        in_phase.map(|(_, times)| times).sum()
    }

    /// Those of `promises` that nothing has reached.
    pub fn missing(&self, promises: &Promises) -> Vec<Mark> {
        let phases = promises.phases.iter().filter(|phase| self.in_phase(phase) == 0);
        let situations = promises.situations.iter();
        let situations = situations.filter(|situation| !self.situations.contains_key(situation));
        phases
            .map(|phase| Mark::Phase(phase))
            .chain(situations.map(|situation| Mark::Situation(*situation)))
            .collect()
    }
}
