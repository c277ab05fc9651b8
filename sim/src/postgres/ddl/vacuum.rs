//! VACUUM: removes what nobody can see any more, and says what it could not (OB-68, 69).

use sqlparser::ast::ObjectName;

use super::{Answer, tag};
use crate::postgres::backend_row::Kind;
use crate::postgres::catalog::relation::{Relation, RelationKind};
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::state::State;
use crate::postgres::transaction::Block;
use crate::postgres::xid::Xid;
use std::rc::Rc;

impl State {
    /// The oldest transaction whose effects, or whose absence, a snapshot in this database may still need.
    pub fn horizon(&self, pid: i32) -> Xid {
        let database = &self.backend_ref(pid).database;
        let others = self
            .backends
            .values()
            .filter(|b| b.pid != pid && b.database == *database && b.kind != Kind::OutOfBand);
        let needed = others
            .filter_map(|b| b.transaction.as_ref())
            .flat_map(|t| [t.xmin(), t.xid.filter(|_| !t.undone)]);
        needed.flatten().min().unwrap_or_else(|| self.log.next())
    }
}

/// The one catalog that can be vacuumed: its rows have versions.
const CATALOG: &str = "pg_class";

/// `VACUUM [tables]`.
pub(crate) fn run(state: &mut State, pid: i32, tables: &[ObjectName]) -> Answer {
    if state.ensure_transaction(pid).block == Block::Explicit {
        return Err(PgError::new("25001", "VACUUM cannot run inside a transaction block").into());
    }
    let mut relations: Vec<Rc<Relation>> = Vec::new();
    let (catalogs, tables): (Vec<_>, Vec<_>) = tables.iter().partition(|name| names::last(name) == CATALOG);
    for name in &tables {
        relations.push(state.locked_table(pid, name, LockMode::ShareUpdateExclusive)?);
    }
    if tables.is_empty() && catalogs.is_empty() {
        let view = state.catalog_view(pid);
        let all = state
            .database(pid)
            .relations
            .iter(&state.log, view)
            .map(|(_, relation)| Rc::clone(relation));
        relations = all
            .filter(|relation| matches!(relation.kind, RelationKind::Table))
            .collect();
    }
    let horizon = state.horizon(pid);
    for relation in relations {
        let (database, log) = state.database_mut(pid);
        let Some(heap) = database.heaps.get_mut(&relation.filenode) else {
            continue;
        };
        let counts = heap.vacuum(log, horizon);
        report(state, pid, &relation.name, counts, horizon);
    }
    if !catalogs.is_empty() {
        // A slot needs the catalog as it was (OB-69).
        let needed = state.slots.iter().filter_map(|slot| slot.catalog_xmin).min();
        let horizon = needed.map_or(horizon, |needed| needed.min(horizon));
        let (database, log) = state.database_mut(pid);
        let counts = database.relations.vacuum(log, horizon);
        report(state, pid, CATALOG, counts, horizon);
    }
    tag("VACUUM")
}

fn report(state: &mut State, pid: i32, table: &str, (gone, kept): (u64, u64), horizon: Xid) {
    let message = format!(
        "table \"{table}\": tuples: {gone} removed, {kept} are dead but not yet removable, oldest xmin: {horizon}"
    );
    let info = PgError {
        severity: "INFO",
        ..PgError::new("00000", message)
    };
    state.backend(pid).notices.push(info);
}
