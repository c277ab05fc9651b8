//! Snapshots: which transactions count as done.

use super::xid::{INVALID_XID, TransactionLog, Xid};

/// The set of transactions whose effects a statement sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Every id below was finished.
    pub xmin: Xid,
    /// No id from here on counts.
    pub xmax: Xid,
    /// Ids between that were running, in order.
    pub running: Vec<Xid>,
}

impl Snapshot {
    /// A snapshot of now.
    pub fn take(log: &TransactionLog) -> Self {
        Self {
            xmin: log.oldest_running(),
            xmax: log.next(),
            running: log.running().collect(),
        }
    }

    /// Whether the transaction of `xid` had committed when this snapshot was taken.
    pub fn includes(&self, log: &TransactionLog, xid: Xid) -> bool {
        let Some(top) = log.top(xid) else { return false };
        if top >= self.xmax || (top >= self.xmin && self.running.binary_search(&top).is_ok()) {
            return false;
        }
        log.committed(top)
    }
}

/// How a reader decides what it sees.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// Through a snapshot, and its own transaction's work.
    Snapshot(&'a Snapshot, Option<Xid>),
    /// All that is committed now, and its own transaction's work: how the catalogs are read.
    Now(Option<Xid>),
}

impl View<'_> {
    fn done(&self, log: &TransactionLog, xid: Xid) -> bool {
        let (own, done) = match *self {
            View::Snapshot(snapshot, own) => (own, snapshot.includes(log, xid)),
            View::Now(own) => (own, log.committed(xid)),
        };
        done || (own.is_some() && log.top(xid) == own)
    }

    /// Whether something made by `xmin` and unmade by `xmax` is there.
    pub fn sees(&self, log: &TransactionLog, xmin: Xid, xmax: Xid) -> bool {
        self.done(log, xmin) && (xmax == INVALID_XID || !self.done(log, xmax))
    }
}
