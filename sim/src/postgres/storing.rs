//! Rows on their way into a table and out of it: in its heap, and in the log when somebody may decode it.

use std::collections::BTreeMap;
use std::rc::Rc;

use leftover_core::connection::Lsn;
use sqlparser::ast::ObjectName;

use super::catalog::constraints;
use super::catalog::relation::{Relation, RelationKind};
use super::heap::{Conflict, Ctid, Heap};
use super::host::{Answer, StatementHost};
use super::locks::LockMode;
use super::sql::check::holds;
use super::sql::error::PgError;
use super::sql::host::Interrupt;
use super::sql::value::Value;
use super::tuples::{at_positions, value_at};
use super::waits::Wait;
use super::wal::{Change, Source};
use super::xid::Xid;

/// What the log needs to know of the tables that one statement writes to, by oid.
pub(super) type Sources = BTreeMap<u32, Option<Rc<Source>>>;

/// A row of a table.
type Row<'a> = (&'a Rc<Relation>, Rc<[Value]>);

impl StatementHost<'_> {
    /// What stands in the way of storing these values in `store`.
    pub(super) fn conflict(
        &mut self,
        store: &Relation,
        values: &[Value],
        except: &[Ctid],
    ) -> Answer<Option<(u32, Ctid)>> {
        let own = self.state.own_xid(self.pid);
        let database = self.state.database(self.pid);
        let Some(heap) = database.heaps.get(&store.filenode) else {
            return Ok(None);
        };
        for (index, _) in heap.unique_columns() {
            match heap.conflict(&self.state.log, own, index, values, except) {
                None => {}
                Some(Conflict::Undecided(xid)) => return Err(Interrupt::Wait(Wait::transaction(xid))),
                Some(Conflict::Row(ctid)) => return Ok(Some((index, ctid))),
            }
        }
        Ok(None)
    }

    /// The tables that store these rows of `name`, each with its row in that table's column order.
    pub(super) fn placed(
        &mut self,
        name: &ObjectName,
        rows: Vec<Vec<Value>>,
    ) -> Answer<Vec<(Rc<Relation>, Vec<Value>)>> {
        let relation = self.state.locked_table(self.pid, name, LockMode::RowExclusive)?;
        self.state.require(self.pid, &relation, "INSERT")?;
        let stores = self.stores(&relation);
        let mut placed = Vec::with_capacity(rows.len());
        for row in rows {
            let row = at_positions(&relation, row);
            let (store, row) = match relation.kind {
                RelationKind::Partitioned(_) => constraints::route(self.state, self.pid, &relation, row)?,
                RelationKind::Table => (Rc::clone(&stores[0]), row),
                _ => {
                    return Err(
                        PgError::new("42809", format!("cannot insert into \"{}\"", relation.name)).into(),
                    );
                }
            };
            self.check(&store, &row)?;
            self.state
                .lock_relation(self.pid, store.oid, LockMode::RowExclusive)?;
            placed.push((store, row));
        }
        Ok(placed)
    }

    /// CHECK constraints of the table that stores the row.
    pub(super) fn check(&mut self, store: &Relation, row: &[Value]) -> Answer<()> {
        constraints::check_row(store, row)?;
        if store.checks.is_empty() {
            return Ok(());
        }
        let live: Vec<Value> = store.live().map(|(at, _)| value_at(store, row, at)).collect();
        for check in &store.checks {
            if !holds(self, &store.scan_columns, &live, &check.expr)? {
                let message = format!(
                    "new row for relation \"{}\" violates check constraint \"{}\"",
                    store.name, check.name
                );
                return Err(PgError::new("23514", message).into());
            }
        }
        Ok(())
    }

    pub(super) fn violation(&self, store: &Relation, index: u32, values: &[Value]) -> PgError {
        let name = self.state.relation(self.pid, index);
        let columns: Vec<usize> = name
            .as_ref()
            .and_then(|r| r.index())
            .map(|i| i.columns.clone())
            .unwrap_or_default();
        let name = name.map_or_else(String::new, |relation| relation.name.clone());
        let of = |at: &usize| values.get(*at).zip(store.columns.get(*at));
        let keys: Vec<&str> = columns
            .iter()
            .filter_map(|at| of(at).map(|(_, c)| c.name.as_str()))
            .collect();
        let shown: Vec<String> = columns
            .iter()
            .filter_map(|at| of(at).map(|(v, c)| v.to_text(&c.ty)))
            .collect();
        let detail = format!("Key ({})=({}) already exists.", keys.join(", "), shown.join(", "));
        let message = format!("duplicate key value violates unique constraint \"{name}\"");
        PgError::new("23505", message).with_detail(detail)
    }

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
