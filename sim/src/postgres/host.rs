//! The server as one statement sees it: the executor's [`Host`].

use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::catalog::constraints;
use super::catalog::relation::{Relation, RelationKind};
use super::catalog::views;
use super::functions::{self, Pending};
use super::heap::Ctid;
use super::locks::LockMode;
use super::session::execute::{Call, Memo};
use super::snapshot::View;
use super::sql::error::PgError;
use super::sql::host::{ColumnDefault, Host, InsertOutcome, Interrupt, OnConflict, Scan, ScanRow};
use super::sql::names;
use super::sql::value::Value;
use super::state::State;
use super::storing::Sources;
use super::transaction::Isolation;
use super::tuples::{at_positions, value_at};
use super::waits::Wait;
use super::xid::INVALID_XID;

/// Where a scan for writing puts the number of the leaf in a block number.
const LEAF_SHIFT: u32 = 22;

/// The server for one statement of one backend.
pub struct StatementHost<'a> {
    /// The server.
    pub state: &'a mut State,
    /// The backend.
    pub pid: i32,
    memo: &'a mut Memo,
    /// What the log needs to know of the tables that were written to.
    pub(super) sources: Sources,
}

pub(super) type Answer<T> = Result<T, Interrupt<Wait>>;

impl<'a> StatementHost<'a> {
    /// The server for a statement.
    pub fn new(state: &'a mut State, pid: i32, memo: &'a mut Memo) -> Self {
        Self {
            state,
            pid,
            memo,
            sources: Sources::new(),
        }
    }

    /// The tables that hold the rows of `relation`: itself, or its leaves.
    pub(super) fn stores(&self, relation: &Rc<Relation>) -> Vec<Rc<Relation>> {
        match relation.kind {
            RelationKind::Partitioned(_) => self.state.leaves(self.pid, relation),
            _ => vec![Rc::clone(relation)],
        }
    }

    fn rows(&mut self, store: &Relation, leaf: u32, columns: &Relation) -> Vec<ScanRow> {
        let snapshot = self.state.statement_snapshot(self.pid);
        let view = View::Snapshot(&snapshot, self.state.own_xid(self.pid));
        let database = self.state.database(self.pid);
        let Some(heap) = database.heaps.get(&store.filenode) else {
            return Vec::new();
        };
        // A leaf may have its columns in another order than its parent.
        let order: Option<Vec<usize>> = if store.oid == columns.oid {
            (!store.whole()).then(|| store.live().map(|(position, _)| position).collect())
        } else {
            Some(
                columns
                    .live()
                    .filter_map(|(_, column)| store.column(&column.name))
                    .collect(),
            )
        };
        let width = store.columns.len();
        heap.tuples()
            .filter(|(_, tuple)| view.sees(&self.state.log, tuple.xmin, tuple.xmax))
            .map(|((block, item), tuple)| {
                let values = match &order {
                    None if tuple.values.len() == width => Rc::clone(&tuple.values),
                    None => (0..width).map(|at| value_at(store, &tuple.values, at)).collect(),
                    Some(order) => order
                        .iter()
                        .map(|&at| value_at(store, &tuple.values, at))
                        .collect(),
                };
                ScanRow {
                    ctid: (block | leaf << LEAF_SHIFT, item),
                    values,
                }
            })
            .collect()
    }

    /// The store and the place in it that a scanned `ctid` of `relation` means.
    fn place(&self, stores: &[Rc<Relation>], relation: &Relation, ctid: Ctid) -> Option<(usize, Ctid)> {
        match relation.kind {
            RelationKind::Partitioned(_) => {
                let leaf = (ctid.0 >> LEAF_SHIFT) as usize;
                (leaf < stores.len()).then_some((leaf, (ctid.0 & ((1 << LEAF_SHIFT) - 1), ctid.1)))
            }
            _ => Some((0, ctid)),
        }
    }

    /// Makes sure that the row can be changed: nobody else is changing it, nor has since the snapshot.
    fn claim(&mut self, store: &Relation, ctid: Ctid) -> Answer<()> {
        let own = self.state.own_xid(self.pid);
        let database = self.state.database(self.pid);
        let Some(tuple) = database
            .heaps
            .get(&store.filenode)
            .and_then(|heap| heap.tuple(ctid))
        else {
            return Ok(());
        };
        let xmax = tuple.xmax;
        if xmax == INVALID_XID {
            return Ok(());
        }
        if let Some(top) = self.state.log.running_top(xmax)
            && Some(top) != own
        {
            return Err(Interrupt::Wait(Wait::transaction(xmax)));
        }
        let level = self.state.ensure_transaction(self.pid).isolation;
        if self.state.log.committed(xmax) && level != Isolation::ReadCommitted {
            let message = "could not serialize access due to concurrent update";
            return Err(PgError::new("40001", message).into());
        }
        Ok(())
    }
}

impl Host for StatementHost<'_> {
    type Wait = Wait;

    fn scan(&mut self, name: &ObjectName, only: bool, for_write: bool) -> Answer<Scan> {
        let parts = names::parts(name);
        if let Some(view) = self.state.catalog(self.pid, &parts) {
            let scan = views::scan(view, self.state, self.pid);
            // A query of a view takes a snapshot too.
            self.state.statement_snapshot(self.pid);
            return Ok(scan);
        }
        let mode = if for_write {
            LockMode::RowExclusive
        } else {
            LockMode::AccessShare
        };
        let relation = self.state.locked_table(self.pid, name, mode)?;
        if !for_write {
            self.state.require(self.pid, &relation, "SELECT")?;
        }
        if matches!(relation.kind, RelationKind::Sequence) {
            return Ok(views::sequence(self.state, self.pid, &relation));
        }
        let mut rows = Vec::new();
        if !(only && matches!(relation.kind, RelationKind::Partitioned(_))) {
            for (leaf, store) in self.stores(&relation).into_iter().enumerate() {
                self.state.lock_relation(self.pid, store.oid, mode)?;
                let leaf = if for_write { leaf as u32 } else { 0 };
                rows.extend(self.rows(&store, leaf, &relation));
            }
        }
        Ok(Scan {
            columns: Rc::clone(&relation.scan_columns),
            rows,
            oid: relation.oid,
        })
    }

    fn target(&mut self, name: &ObjectName) -> Answer<Scan> {
        let relation = self.state.locked_table(self.pid, name, LockMode::RowExclusive)?;
        Ok(Scan {
            columns: Rc::clone(&relation.scan_columns),
            rows: Vec::new(),
            oid: relation.oid,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Answer<Value>> {
        let (function, pure) = functions::find(name)?;
        let mut run = |pending: &mut Option<Pending>| {
            function(&mut functions::Call {
                state: self.state,
                pid: self.pid,
                name,
                arguments,
                pending,
            })
        };
        if pure {
            return Some(run(&mut None));
        }
        let number = self.memo.number();
        let mut pending = match self.memo.call(number) {
            Some(Call::Answered(value)) => return Some(Ok(value.clone())),
            Some(call @ Call::Pending(_)) => match std::mem::replace(call, Call::Answered(Value::Null)) {
                Call::Pending(pending) => Some(pending),
                Call::Answered(_) => None,
            },
            None => None,
        };
        let answer = run(&mut pending);
        match (&answer, pending) {
            (Ok(value), _) => self.memo.keep(number, Call::Answered(value.clone())),
            (Err(_), Some(pending)) => self.memo.keep(number, Call::Pending(pending)),
            (Err(_), None) => {}
        }
        Some(answer)
    }

    fn relation_oid(&mut self, name: &[String]) -> Option<u32> {
        self.state.named(self.pid, name)
    }

    fn relation_name(&mut self, oid: u32) -> Option<String> {
        self.state.regclass(self.pid, oid)
    }

    fn admit(&mut self, name: &ObjectName, rows: &[Vec<Value>]) -> Answer<()> {
        self.placed(name, rows.to_vec()).map(drop)
    }

    fn insert(
        &mut self,
        name: &ObjectName,
        rows: Vec<Vec<Value>>,
        on_conflict: OnConflict,
    ) -> Answer<Vec<InsertOutcome>> {
        let placed = self.placed(name, rows)?;
        if on_conflict == OnConflict::Fail && !placed.is_empty() {
            // A row is stored before its key is looked at: whoever is refused, or waits, has an xid.
            self.state.writing_xid(self.pid);
        }
        let mut outcomes = Vec::with_capacity(placed.len());
        for (store, row) in &placed {
            outcomes.push(match self.conflict(store, row, &[])? {
                None => InsertOutcome::Inserted,
                Some((index, _)) if on_conflict == OnConflict::Fail => {
                    return Err(self.violation(store, index, row).into());
                }
                Some((_, ctid)) => {
                    let heap = self.state.database(self.pid).heaps.get(&store.filenode);
                    let values = heap
                        .and_then(|heap| heap.tuple(ctid))
                        .map(|tuple| Rc::clone(&tuple.values));
                    InsertOutcome::Conflict(ScanRow {
                        ctid,
                        values: values.unwrap_or_default(),
                    })
                }
            });
        }
        if !outcomes.contains(&InsertOutcome::Inserted) {
            return Ok(outcomes);
        }
        let xid = self.state.writing_xid(self.pid);
        for ((store, row), outcome) in placed.into_iter().zip(&mut outcomes) {
            if *outcome != InsertOutcome::Inserted {
                continue;
            }
            // Rows of one statement can be in each other's way.
            match self.conflict(&store, &row, &[])? {
                Some((index, _)) if on_conflict == OnConflict::Fail => {
                    return Err(self.violation(&store, index, &row).into());
                }
                Some((_, ctid)) => {
                    *outcome = InsertOutcome::Conflict(ScanRow {
                        ctid,
                        values: row.into(),
                    })
                }
                None => {
                    self.store(&store, xid, row, None);
                }
            }
        }
        Ok(outcomes)
    }

    fn update(&mut self, name: &ObjectName, rows: Vec<(Ctid, Vec<Value>)>) -> Answer<()> {
        let relation = self.state.locked_table(self.pid, name, LockMode::RowExclusive)?;
        self.state.require(self.pid, &relation, "UPDATE")?;
        constraints::check_replica_identity(self.state, self.pid, &relation, "update")?;
        let stores = self.stores(&relation);
        if !rows.is_empty() {
            // Whoever changes a row has an xid before it waits for another one who does.
            self.state.writing_xid(self.pid);
        }
        let mut changes = Vec::with_capacity(rows.len());
        for (ctid, row) in rows {
            let Some((leaf, place)) = self.place(&stores, &relation, ctid) else {
                continue;
            };
            self.claim(&stores[leaf], place)?;
            let row = at_positions(&relation, row);
            let (store, row) = match relation.kind {
                RelationKind::Partitioned(_) => constraints::route(self.state, self.pid, &relation, row)?,
                _ => (Rc::clone(&stores[0]), row),
            };
            self.check(&store, &row)?;
            changes.push((leaf, place, store, row));
        }
        let leaving: Vec<Ctid> = changes.iter().map(|(_, place, ..)| *place).collect();
        for (_, _, store, row) in &changes {
            if let Some((index, _)) = self.conflict(store, row, &leaving)? {
                return Err(self.violation(store, index, row).into());
            }
        }
        let xid = self.state.writing_xid(self.pid);
        let mut leaving = Vec::with_capacity(changes.len());
        for (leaf, place, ..) in &changes {
            leaving.push(self.end(&stores[*leaf], *place, xid));
        }
        for ((leaf, _, store, row), old) in changes.into_iter().zip(leaving) {
            if let Some((index, _)) = self.conflict(&store, &row, &[])? {
                return Err(self.violation(&store, index, &row).into());
            }
            self.store(&store, xid, row, old.map(|old| (&stores[leaf], old)));
        }
        Ok(())
    }

    fn delete(&mut self, name: &ObjectName, rows: Vec<Ctid>) -> Answer<()> {
        let relation = self.state.locked_table(self.pid, name, LockMode::RowExclusive)?;
        self.state.require(self.pid, &relation, "DELETE")?;
        constraints::check_replica_identity(self.state, self.pid, &relation, "delete from")?;
        let stores = self.stores(&relation);
        if !rows.is_empty() {
            self.state.writing_xid(self.pid);
        }
        let mut places = Vec::with_capacity(rows.len());
        for ctid in rows {
            let Some((leaf, place)) = self.place(&stores, &relation, ctid) else {
                continue;
            };
            self.claim(&stores[leaf], place)?;
            places.push((leaf, place));
        }
        if places.is_empty() {
            return Ok(());
        }
        let xid = self.state.writing_xid(self.pid);
        for (leaf, place) in places {
            self.remove(&stores[leaf], place, xid);
        }
        Ok(())
    }

    fn defaults(&mut self, name: &ObjectName) -> Answer<Vec<ColumnDefault>> {
        let relation = self.state.table(self.pid, name)?;
        Ok(relation
            .live()
            .map(|(_, column)| column.source.as_default())
            .collect())
    }
}
