//! Transaction ids and what became of them (`pg_xact`).

use std::collections::BTreeMap;

/// A transaction id. Sixty-four bits: no wraparound here.
pub type Xid = u64;

/// No transaction: the `xmax` of a live tuple.
pub const INVALID_XID: Xid = 0;
/// Always committed: what the server was created with.
pub const FROZEN_XID: Xid = 2;
const FIRST_XID: Xid = 731;

/// What became of a transaction id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Running,
    Committed,
    Aborted,
    /// A savepoint's id, which shares the fate of the id it was set in.
    Within(Xid),
}

/// Who runs a top-level transaction id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runner {
    /// The backend.
    pub pid: i32,
}

/// The fate of every transaction id, and those that run.
#[derive(Debug, Default)]
pub struct TransactionLog {
    fates: Vec<Fate>,
    running: BTreeMap<Xid, Runner>,
}

impl TransactionLog {
    /// The id that the next transaction gets.
    pub fn next(&self) -> Xid {
        FIRST_XID + self.fates.len() as Xid
    }

    /// Gives out a top-level id.
    pub fn assign(&mut self, pid: i32) -> Xid {
        let xid = self.next();
        self.fates.push(Fate::Running);
        self.running.insert(xid, Runner { pid });
        xid
    }

    /// Gives out an id for a savepoint inside `parent`.
    pub fn assign_within(&mut self, parent: Xid) -> Xid {
        let xid = self.next();
        self.fates.push(Fate::Within(parent));
        xid
    }

    /// Ends a top-level transaction.
    pub fn finish(&mut self, xid: Xid, committed: bool) {
        self.running.remove(&xid);
        self.set(xid, if committed { Fate::Committed } else { Fate::Aborted });
    }

    /// Undoes a savepoint's id.
    pub fn abort_within(&mut self, xid: Xid) {
        self.set(xid, Fate::Aborted);
    }

    fn set(&mut self, xid: Xid, fate: Fate) {
        if let Some(slot) = xid
            .checked_sub(FIRST_XID)
            .and_then(|index| self.fates.get_mut(index as usize))
        {
            *slot = fate;
        }
    }

    fn fate(&self, xid: Xid) -> Fate {
        match xid.checked_sub(FIRST_XID) {
            None => Fate::Committed,
            Some(index) => self.fates.get(index as usize).copied().unwrap_or(Fate::Running),
        }
    }

    /// The top-level id that `xid` belongs to, or `None` when it was undone on the way.
    pub fn top(&self, mut xid: Xid) -> Option<Xid> {
        loop {
            match self.fate(xid) {
                Fate::Within(parent) => xid = parent,
                Fate::Aborted => return None,
                Fate::Running | Fate::Committed => return Some(xid),
            }
        }
    }

    /// Whether `xid` has committed.
    pub fn committed(&self, xid: Xid) -> bool {
        self.top(xid).is_some_and(|top| self.fate(top) == Fate::Committed)
    }

    /// The running top-level transaction that `xid` belongs to.
    pub fn running_top(&self, xid: Xid) -> Option<Xid> {
        self.top(xid).filter(|&top| self.fate(top) == Fate::Running)
    }

    /// Running top-level transactions, oldest first.
    pub fn running(&self) -> impl Iterator<Item = Xid> + '_ {
        self.running.keys().copied()
    }

    /// The oldest running transaction, or the next id.
    pub fn oldest_running(&self) -> Xid {
        self.running.keys().next().copied().unwrap_or_else(|| self.next())
    }

    /// The backend that runs `xid`.
    pub fn runner(&self, xid: Xid) -> Option<i32> {
        self.running.get(&xid).map(|runner| runner.pid)
    }
}
