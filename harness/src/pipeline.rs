//! The pipeline under test: anything that runs and stops.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::fault::plan::Point;
use crate::process::Env;

/// Anything that reads one server, writes another, and stops: our mirror, a model of somebody's bug, a user's
/// own code.
///
/// The value stands for what outlives one call: the program's configuration, its catalogue, its helper
/// processes. It lives until the verdict. Everything else belongs to the future that a call returns.
pub trait Pipeline: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;

    /// Runs until the initial load is complete, or until `env.stop` asks it to stop, where it can.
    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>>;

    /// What its user does to get rid of it, from another process. It may be called while `run` runs. By
    /// default there is nothing to get rid of.
    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        drop(env);
        Box::pin(std::future::ready(Ok(DropReport::default())))
    }

    /// The phases of a run, in their order: at least one.
    fn phases(&self) -> &'static [&'static str] {
        &["run"]
    }

    /// In which of them a run sends or gets this message.
    fn phase(&self, at: &Point) -> &'static str {
        let _only_one = at;
        "run"
    }

    /// The message that ends a transaction of the load on the target: until its answer comes, nobody knows
    /// whether it is committed.
    fn commit(&self) -> &'static str {
        "Query COMMIT"
    }

    /// How its sessions, slots and publications are recognised.
    fn ours(&self) -> Ours;

    /// How many sessions it may have.
    fn budget(&self) -> Budget;

    /// The tables that must hold equal rows once `run` returned `Ok`.
    fn tables(&self) -> Vec<TablePair> {
        Vec::new()
    }
}

/// What a complete run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunReport {
    /// How many partitions were copied.
    pub partitions: usize,
    /// How many rows were copied.
    pub rows: u64,
    /// That it was stopped before it was complete, and how that ended.
    pub stopped: Option<Stopped>,
}

impl RunReport {
    /// The load is complete.
    pub fn loaded(partitions: usize, rows: u64) -> Self {
        RunReport {
            partitions,
            rows,
            stopped: None,
        }
    }
}

/// What a run that was asked to stop says of the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// The load starts anew next time: no slot is needed until then.
    Undone,
    /// The load may be complete, and then goes on from its slot.
    MayGoOn,
}

/// What a drop says.
#[must_use = "what may be left must be followed up"]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DropReport {
    /// What it removed.
    pub removed: Vec<String>,
    /// What may still be there because it could not be verified; a text names an object by containing its
    /// name. Empty is the promise that nothing is left.
    pub may_be_left: Vec<String>,
}

/// Why a pipeline's call failed, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PipelineError(pub String);

impl PipelineError {
    /// Wraps any error.
    pub fn new(error: impl std::fmt::Display) -> Self {
        PipelineError(error.to_string())
    }
}

/// Decides whether a name is one of ours.
pub type Predicate = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// How the sessions, slots and publications of a pipeline are recognised: exactly, never by pattern.
#[derive(Clone)]
pub struct Ours {
    /// Every `application_name` of this pipeline starts with it, and no other's does.
    pub session_prefix: String,
    /// Whether a slot of this name is this pipeline's.
    pub slot: Predicate,
    /// Whether a publication of this name is this pipeline's.
    pub publication: Predicate,
    /// Names of other owners that look like ours; the harness puts such objects beside the pipeline.
    pub lookalikes: Lookalikes,
}

/// Names that look like a pipeline's own and are not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookalikes {
    /// An `application_name`.
    pub session: Option<String>,
    /// A replication slot, inactive: that is no proof that it is an orphan (OB-70).
    pub slot: Option<String>,
    /// A publication.
    pub publication: Option<String>,
}

impl Ours {
    /// Sessions by prefix; slots and publications by their exact names.
    pub fn exactly(session_prefix: &str, slots: &[&str], publications: &[&str]) -> Self {
        let one_of = |names: &[&str]| -> Predicate {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Arc::new(move |name| names.iter().any(|known| known == name))
        };
        Ours {
            session_prefix: session_prefix.to_owned(),
            slot: one_of(slots),
            publication: one_of(publications),
            lookalikes: Lookalikes::default(),
        }
    }
}

/// What a pipeline may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Sessions of one run on the source, at any instant.
    pub source_sessions: usize,
    /// Sessions of one run on the target, at any instant.
    pub target_sessions: usize,
    /// Sessions of one drop on each server, at any instant.
    pub drop_sessions: usize,
    /// The longest that an abandoned slot creation waits on the server (its lock timeout).
    pub slot_creation: Duration,
    /// How long its sessions may stay when a call has returned: nothing for one that waits until they are
    /// closed, a moment for one whose connections are detached tasks.
    pub closing: Duration,
}

/// A table on both servers, as SQL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePair {
    /// Its quoted name on the source.
    pub source: String,
    /// Its quoted name on the target.
    pub target: String,
}
