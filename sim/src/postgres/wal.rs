//! What the write-ahead log holds for logical decoding: the row changes of each transaction, kept only while there is a
//! slot. Without one nothing is recorded: the log is then a count of bytes ([`State::write_wal`]).
//!
//! A transaction that wrote before the first slot was there is not missed: the slot's creation waits for its end.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use leftover_core::connection::Lsn;

use super::activity::WaitEvent;
use super::catalog::database::Publication;
use super::catalog::relation::{Relation, ReplicaIdentity};
use super::functions::time;
use super::sql::value::Value;
use super::state::State;
use super::xid::Xid;

/// How often a server logs its running transactions. Only such a record lets a slot's `restart_lsn` move, and only
/// then what was confirmed is saved (OB-101 to 103).
const RUNNING_TRANSACTIONS: Duration = Duration::from_secs(15);

/// A table as the catalog had it when a row of it changed.
#[derive(Debug)]
pub struct LoggedTable {
    /// Its definition.
    pub relation: Rc<Relation>,
    /// Its schema's name.
    pub namespace: String,
    /// Positions of its replica identity's columns; none without one and for FULL.
    pub key: Vec<usize>,
}

/// Where a change happened, with all that decoding needs to know of it: decoding reads the catalog as it was then
/// (OB-93).
#[derive(Debug)]
pub struct Source {
    /// The table that stores the row.
    pub table: LoggedTable,
    /// The partitioned tables above it, nearest first.
    pub ancestors: Vec<LoggedTable>,
    /// The publications that there were.
    pub publications: Vec<Rc<Publication>>,
}

/// What happened to a row. Its values are at the positions of the table that stores it.
#[derive(Debug)]
pub enum Change {
    /// A new row.
    Insert(Rc<Source>, Rc<[Value]>),
    /// A row and what it became.
    Update(Rc<Source>, Rc<[Value]>, Rc<[Value]>),
    /// A row that is gone.
    Delete(Rc<Source>, Rc<[Value]>),
    /// Tables emptied by one command, and its options CASCADE and RESTART IDENTITY.
    Truncate {
        /// The tables.
        tables: Vec<Rc<Source>>,
        /// CASCADE.
        cascade: bool,
        /// RESTART IDENTITY.
        restart: bool,
    },
}

/// One record of a change.
#[derive(Debug)]
pub struct Logged {
    /// Where in the log it starts.
    pub lsn: Lsn,
    /// The id that wrote it: a transaction's, or that of a savepoint in it.
    pub xid: Xid,
    /// What it says.
    pub change: Change,
}

/// A transaction that has committed, and changed rows.
#[derive(Debug)]
pub struct Committed {
    /// Its id.
    pub xid: Xid,
    /// Its database's oid.
    pub database: u32,
    /// Where its commit record starts.
    pub commit: Lsn,
    /// Where that ends.
    pub end: Lsn,
    /// When it committed, in microseconds since 2000-01-01.
    pub at: i64,
    /// What it changed, in order.
    pub changes: Vec<Logged>,
}

impl Source {
    /// Whether nothing of the catalog has changed between the two.
    pub fn same(&self, other: &Source) -> bool {
        let mut publications = self.publications.iter().zip(&other.publications);
        Rc::ptr_eq(&self.table.relation, &other.table.relation)
            && self.publications.len() == other.publications.len()
            && publications.all(|(one, other)| Rc::ptr_eq(one, other))
    }
}

impl LoggedTable {
    /// Its oid.
    pub fn oid(&self) -> u32 {
        self.relation.oid
    }
}

impl Committed {
    /// Where its first change is.
    fn first(&self) -> Lsn {
        self.changes.first().map_or(self.commit, |change| change.lsn)
    }
}

/// The changes that slots may still need.
#[derive(Debug, Default)]
pub struct ChangeLog {
    /// Of transactions that run, by top-level id.
    running: BTreeMap<Xid, Vec<Logged>>,
    /// Of those that have committed, in commit order.
    committed: VecDeque<Rc<Committed>>,
}

impl ChangeLog {
    /// The first transaction in `database` whose commit record is at `from` or later.
    pub fn next(&self, database: u32, from: Lsn) -> Option<Rc<Committed>> {
        let index = self.committed.partition_point(|known| known.commit < from);
        let mut later = self.committed.range(index..);
        later.find(|known| known.database == database).cloned()
    }

    /// From where the log is needed to send what commits at `from` or later.
    fn needed(&self, from: Lsn) -> Lsn {
        let running = self.running.values().filter_map(|changes| changes.first());
        let later = self.committed.iter().filter(|known| known.commit >= from);
        let first = running
            .map(|change| change.lsn)
            .chain(later.map(|known| known.first()));
        first.fold(from, Lsn::min)
    }

    fn clear(&mut self) {
        self.running.clear();
        self.committed.clear();
    }
}

impl State {
    /// A transaction has written its last record, which started at `commit`.
    pub(super) fn log_end(&mut self, pid: i32, xid: Xid, committed: bool, commit: Lsn) {
        if self.slots.is_empty() {
            self.changes.clear();
            return;
        }
        let changes = self.changes.running.remove(&xid);
        if !committed {
            return;
        }
        let mut changes = changes.unwrap_or_default();
        changes.retain(|change| change.xid == xid || self.log.committed(change.xid));
        if !changes.is_empty() {
            let committed = Committed {
                xid,
                database: self.database(pid).oid,
                commit,
                end: self.wal_end(),
                at: time::micros(self.now()),
                changes,
            };
            self.changes.committed.push_back(Rc::new(committed));
        }
        let kept = self.slots.iter().filter_map(|slot| slot.restart_lsn).min();
        let kept = kept.unwrap_or_else(|| self.wal_end());
        while self
            .changes
            .committed
            .pop_front_if(|known| known.end <= kept)
            .is_some()
        {}
        self.wake_streams();
    }

    /// Wakes the walsenders that wait for more log.
    fn wake_streams(&mut self) {
        let Self { slots, backends, .. } = self;
        for pid in slots.iter().filter_map(|slot| slot.active_pid) {
            if let Some(backend) = backends.get_mut(pid)
                && backend.activity.wait == Some(WaitEvent::WalSenderWaitForWal)
            {
                backend.wake();
            }
        }
    }

    /// A slot's client has confirmed everything before `lsn`: whatever it says is believed, but never backwards (OB-99).
    pub(super) fn confirm(&mut self, slot: &str, lsn: Lsn) {
        let (now, end) = (self.now(), self.wal_end());
        let Self {
            slots, changes, log, ..
        } = self;
        let Some(slot) = slots.get_mut(slot) else {
            return;
        };
        if slot.confirmed_flush.is_none_or(|known| known < lsn) {
            slot.confirmed_flush = Some(lsn);
        }
        let passed = slot.running_transactions.is_some_and(|record| record <= lsn);
        if passed || now.saturating_sub(slot.saved_at) >= RUNNING_TRANSACTIONS {
            let needed = changes.needed(lsn).min(end);
            slot.restart_lsn = slot.restart_lsn.map(|known| known.max(needed));
            slot.running_transactions = None;
            slot.catalog_xmin = slot.catalog_xmin.max(Some(log.oldest_running()));
            slot.saved = slot.confirmed_flush;
            slot.saved_at = now;
        }
    }

    /// What decoding must know of a table whose rows change now; none while nobody could decode it.
    pub(super) fn source(&self, pid: i32, relation: &Rc<Relation>) -> Option<Rc<Source>> {
        if self.slots.is_empty() || relation.persistence != 'p' {
            return None;
        }
        let view = self.catalog_view(pid);
        let mut ancestors = Vec::new();
        let mut above = relation.parent.as_ref().map(|(oid, _)| *oid);
        while let Some(parent) = above.and_then(|oid| self.relation(pid, oid)) {
            above = parent.parent.as_ref().map(|(oid, _)| *oid);
            ancestors.push(self.logged_table(pid, &parent));
        }
        let publications = self.database(pid).publications.iter(&self.log, view);
        Some(Rc::new(Source {
            table: self.logged_table(pid, relation),
            ancestors,
            publications: publications.map(|(_, known)| Rc::clone(known)).collect(),
        }))
    }

    fn logged_table(&self, pid: i32, relation: &Rc<Relation>) -> LoggedTable {
        let identity = |index: &Relation| match relation.replica_identity {
            ReplicaIdentity::Default => index.index().is_some_and(|definition| definition.primary),
            ReplicaIdentity::Index(oid) => index.oid == oid,
            ReplicaIdentity::Full | ReplicaIdentity::Nothing => false,
        };
        let indexes = self
            .database(pid)
            .indexes(&self.log, self.catalog_view(pid), relation.oid);
        let index = indexes.iter().find(|index| identity(index));
        let definition = index.and_then(|index| index.index());
        LoggedTable {
            relation: Rc::clone(relation),
            namespace: self.schema_name(pid, relation.schema),
            key: definition.map(|found| found.columns.clone()).unwrap_or_default(),
        }
    }

    /// A change is in the log at `lsn`.
    pub(super) fn log_change(&mut self, pid: i32, xid: Xid, lsn: Lsn, change: Change) {
        if let Some(top) = self.own_xid(pid) {
            let changes = self.changes.running.entry(top).or_default();
            changes.push(Logged { lsn, xid, change });
        }
    }

    /// TRUNCATE has emptied these tables, their partitions among them; its record is at `lsn`. It has changed their
    /// definitions: each has a new storage.
    pub(super) fn log_truncate(
        &mut self,
        pid: i32,
        lsn: Lsn,
        tables: &[u32],
        (cascade, restart): (bool, bool),
    ) {
        let logged = |oid: &u32| self.source(pid, &self.relation(pid, *oid)?);
        let tables: Vec<Rc<Source>> = tables.iter().filter_map(logged).collect();
        if !tables.is_empty() {
            let xid = self.writing_xid(pid);
            let change = Change::Truncate {
                tables,
                cascade,
                restart,
            };
            self.log_change(pid, xid, lsn, change);
        }
    }
}
