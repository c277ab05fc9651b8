//! What a mirror says of what it did.

use std::fmt;

use crate::connection::Lsn;
use crate::failure::{Failure, Side};
use crate::names::{Attempt, MirrorName, TableName};

/// A table that was not loaded, though all were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The table.
    pub table: TableName,
    /// Why.
    pub reason: &'static str,
}

/// A finished initial load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The attempt whose slot and publication stay, for streaming to go on from.
    pub attempt: Attempt,
    /// The slot, and the publication of the same name.
    pub slot: String,
    /// What commits after this point comes from the slot.
    pub consistent_point: Lsn,
    /// How many tables hold the source's rows.
    pub tables: usize,
    /// How many rows were copied by this run; none when the load had already been finished.
    pub rows: u64,
    /// Tables that cannot be mirrored.
    pub skipped: Vec<Skipped>,
}

/// How a load that did not fail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadOutcome {
    /// The target holds the source's rows as of the consistent point.
    Loaded(Loaded),
    /// It was told to stop. Its sessions are gone and so is its slot, whose snapshot no one holds any more.
    Stopped(Cleaned),
}

/// Something of a mirror's on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A session, by `application_name`.
    Session(String),
    /// A replication slot.
    Slot(String),
    /// A publication.
    Publication(String),
    /// The schema with the mirror's record.
    Record(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Session(name) => write!(f, "session {name}"),
            Thing::Slot(name) => write!(f, "replication slot {name}"),
            Thing::Publication(name) => write!(f, "publication {name}"),
            Thing::Record(name) => write!(f, "schema {name}"),
        }
    }
}

/// Something of a mirror's, and where it is or was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// Where.
    pub side: Side,
    /// What.
    pub thing: Thing,
}

/// Something that may still be there because nobody could look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayBeLeft {
    /// The server that could not be asked.
    pub side: Side,
    /// What may be there, by name.
    pub things: Vec<Thing>,
    /// Why it is not known.
    pub because: Failure,
}

/// What cleaning up removed and what it could not verify.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// What was there and is gone, as seen on the servers.
    pub removed: Vec<Located>,
    /// What may be left. Empty when everything was verified on the servers.
    pub may_be_left: Vec<MayBeLeft>,
}

impl Cleaned {
    /// Whether every server was asked and had nothing left.
    pub fn is_verified(&self) -> bool {
        self.may_be_left.is_empty()
    }
}

/// What is known of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The mirror.
    pub mirror: MirrorName,
    /// The newest attempt in the target's record and how far it got.
    pub attempt: Option<(Attempt, State)>,
    /// Sessions, slots and publications of the mirror on the source, and sessions and record on the target.
    pub things: Vec<Located>,
}

/// How far an attempt got, as the target's record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is loading, or was when it was last heard of.
    Loading,
    /// The load is complete as of this point.
    Loaded(Lsn),
    /// A later attempt has taken its place.
    Abandoned,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Loading => f.write_str("loading"),
            State::Loaded(point) => write!(f, "loaded at {point}"),
            State::Abandoned => f.write_str("abandoned"),
        }
    }
}
