//! Rows on their way into a table and out of it: in its heap, and in the log when somebody may decode it.

use std::collections::BTreeMap;
use std::rc::Rc;

use leftover_core::connection::Lsn;

use super::catalog::relation::Relation;
use super::heap::{Ctid, Heap};
use super::host::StatementHost;
use super::sql::value::Value;
use super::wal::{Change, Source};
use super::xid::Xid;

/// What the log needs to know of the tables that one statement writes to, by oid.
pub(super) type Sources = BTreeMap<u32, Option<Rc<Source>>>;

/// A row of a table.
type Row<'a> = (&'a Rc<Relation>, Rc<[Value]>);

impl StatementHost<'_> {
    /// Stores a row, which takes the place of `old` when it is an update.
    pub(super) fn store(&mut self, store: &Rc<Relation>, xid: Xid, values: Vec<Value>, old: Option<Row<'_>>) {
        let lsn = self.state.wal_end();
        self.state.write_wal(64);
        let values: Rc<[Value]> = values.into();
        self.log_row(lsn, xid, old, Some((store, Rc::clone(&values))));
        let rows_per_block = self.state.options.rows_per_block;
        let (database, _) = self.state.database_mut(self.pid);
        let heap = database
            .heaps
            .entry(store.filenode)
            .or_insert_with(|| Heap::new(rows_per_block));
        heap.insert(xid, values);
    }

    /// Deletes a row.
    pub(super) fn remove(&mut self, store: &Rc<Relation>, place: Ctid, xid: Xid) {
        let lsn = self.state.wal_end();
        self.state.write_wal(56);
        if let Some(old) = self.end(store, place, xid) {
            self.log_row(lsn, xid, Some((store, old)), None);
        }
    }

    /// Marks a row as unmade; answers what it was.
    pub(super) fn end(&mut self, store: &Relation, place: Ctid, xid: Xid) -> Option<Rc<[Value]>> {
        let (database, _) = self.state.database_mut(self.pid);
        let heap = database.heaps.get_mut(&store.filenode)?;
        heap.end(place, xid);
        heap.tuple(place).map(|tuple| Rc::clone(&tuple.values))
    }

    /// A record at `lsn` says that one row has gone, one has come, or one has become the other.
    fn log_row(&mut self, lsn: Lsn, xid: Xid, old: Option<Row<'_>>, new: Option<Row<'_>>) {
        if self.state.slots.is_empty() {
            return;
        }
        let old = old.and_then(|(table, row)| Some((self.source(table)?, row)));
        let new = new.and_then(|(table, row)| Some((self.source(table)?, row)));
        let mut log = |change| self.state.log_change(self.pid, xid, lsn, change);
        match (old, new) {
            (Some((from, old)), Some((to, new))) if Rc::ptr_eq(&from, &to) => {
                log(Change::Update(to, old, new));
            }
            // A row that moves to another partition leaves one and appears in the other.
            (old, new) => {
                if let Some((table, row)) = old {
                    log(Change::Delete(table, row));
                }
                if let Some((table, row)) = new {
                    log(Change::Insert(table, row));
                }
            }
        }
    }

    fn source(&mut self, relation: &Rc<Relation>) -> Option<Rc<Source>> {
        let Self {
            state, pid, sources, ..
        } = self;
        let source = sources.entry(relation.oid);
        source.or_insert_with(|| state.source(*pid, relation)).clone()
    }
}
