//! VACUUM: removes what nobody can see any more, and says what it could not (OB-68, 69).

use sqlparser::ast::ObjectName;

use super::{Answer, tag};
use crate::postgres::backend_row::Kind;
use crate::postgres::catalog::relation::{Relation, RelationKind};
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
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

/// `VACUUM [tables]`.
pub(crate) fn run(state: &mut State, pid: i32, tables: &[ObjectName]) -> Answer {
    if state.ensure_transaction(pid).block == Block::Explicit {
        return Err(PgError::new("25001", "VACUUM cannot run inside a transaction block").into());
    }
    let mut relations: Vec<Rc<Relation>> = Vec::new();
    for name in tables {
        relations.push(state.locked_table(pid, name, LockMode::ShareUpdateExclusive)?);
    }
    if tables.is_empty() {
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
        let (gone, kept) = heap.vacuum(log, horizon);
        let message = format!(
            "table \"{}\": tuples: {gone} removed, {kept} are dead but not yet removable, oldest xmin: {horizon}",
            relation.name
        );
        let info = PgError {
            severity: "INFO",
            ..PgError::new("00000", message)
        };
        state.backend(pid).notices.push(info);
    }
    tag("VACUUM")
}
