//! One backend's transaction: its block, its ids, its snapshots.

use std::rc::Rc;

use leftover_core::clock::Instant;

use super::locks::{LockMode, LockTag};
use super::settings::Mark;
use super::snapshot::Snapshot;
use super::xid::Xid;

/// `transaction_isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A snapshot for each statement.
    ReadCommitted,
    /// One snapshot.
    RepeatableRead,
    /// One snapshot (conflicts between readers and writers are not looked for here).
    Serializable,
}

impl Isolation {
    /// The level that a setting's value names.
    pub fn parse(text: &str) -> Self {
        match text {
            "serializable" => Isolation::Serializable,
            "repeatable read" => Isolation::RepeatableRead,
            _ => Isolation::ReadCommitted,
        }
    }

    /// As `SHOW transaction_isolation` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read committed",
            Isolation::RepeatableRead => "repeatable read",
            Isolation::Serializable => "serializable",
        }
    }
}

/// How far a transaction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// One message: a simple query, or a pipeline up to its Sync.
    Implicit,
    /// From BEGIN to COMMIT or ROLLBACK.
    Explicit,
}

/// A savepoint and the id of what was written since.
#[derive(Debug, Clone)]
pub struct Savepoint {
    /// Its name.
    pub name: String,
    /// Its id, once something was written.
    pub xid: Option<Xid>,
    /// The locks that the transaction held when it was set: later ones go with it.
    pub locks: Vec<(LockTag, LockMode)>,
    /// The settings then.
    pub settings: Mark,
}

/// A transaction.
#[derive(Debug)]
pub struct Transaction {
    /// How far it reaches.
    pub block: Block,
    /// Whether a statement has failed: only ROLLBACK is taken.
    pub failed: bool,
    /// Whether what it did is already undone; its block is still open.
    pub undone: bool,
    /// `xact_start`.
    pub started: Instant,
    /// Its isolation level.
    pub isolation: Isolation,
    /// Whether it may only read.
    pub read_only: bool,
    /// Its id, once something was written.
    pub xid: Option<Xid>,
    /// Its savepoints.
    pub savepoints: Vec<Savepoint>,
    /// The snapshot of the whole transaction (above READ COMMITTED).
    pub snapshot: Option<Rc<Snapshot>>,
    /// The snapshot of the running statement.
    pub statement: Option<Rc<Snapshot>>,
    /// Whether a query has run: too late to import a snapshot.
    pub queried: bool,
    /// Snapshots it has exported, by name: each pins its xmin to the end, above and at READ COMMITTED.
    pub exported: Vec<(String, Rc<Snapshot>)>,
}

impl Transaction {
    /// A new transaction.
    pub fn new(block: Block, now: Instant, isolation: Isolation, read_only: bool) -> Self {
        Self {
            block,
            failed: false,
            undone: false,
            started: now,
            isolation,
            read_only,
            xid: None,
            savepoints: Vec::new(),
            snapshot: None,
            statement: None,
            queried: false,
            exported: Vec::new(),
        }
    }

    /// The oldest id that its snapshots need.
    pub fn xmin(&self) -> Option<Xid> {
        self.snapshot
            .iter()
            .chain(&self.statement)
            .chain(
                self.exported
                    .iter()
                    .map(|(_, snapshot)| snapshot)
                    .filter(|_| !self.undone),
            )
            .map(|snapshot| snapshot.xmin)
            .min()
    }
}
