//! Indexes: catalog rows, and the entries that make unique ones unique.

use sqlparser::ast::{CreateIndex, Expr, IndexColumn};

use super::columns::{blank, free_name};
use super::{Answer, notice, tag};
use crate::postgres::catalog::relation::{IndexDefinition, Relation, RelationKind};
use crate::postgres::heap::Heap;
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::state::State;

/// What a new index is.
pub(crate) struct NewIndex {
    pub name: Option<String>,
    pub columns: Vec<usize>,
    pub unique: bool,
    pub primary: bool,
    pub constraint: bool,
}

/// The positions of an index's columns.
pub(crate) fn positions(relation: &Relation, columns: &[IndexColumn]) -> Result<Vec<usize>, PgError> {
    let position = |column: &IndexColumn| {
        let Expr::Identifier(ident) = &column.column.expr else {
            return Err(PgError::unsupported(format!(
                "an index over the expression {}",
                column.column.expr
            )));
        };
        let name = names::fold(ident);
        let missing = || PgError::new("42703", format!("column \"{name}\" named in key does not exist"));
        relation.column(&name).ok_or_else(missing)
    };
    columns.iter().map(position).collect()
}

/// Adds an index to a table, and to its partitions.
pub(crate) fn add(state: &mut State, pid: i32, table: &Relation, new: NewIndex) -> Result<u32, PgError> {
    let column_names: Vec<&str> = new
        .columns
        .iter()
        .map(|at| table.columns[*at].name.as_str())
        .collect();
    let name = match new.name {
        Some(name) => {
            super::create_table::check_free(state, pid, table.schema, &name)?;
            name
        }
        None => {
            let base = match (new.primary, new.constraint) {
                (true, _) => format!("{}_pkey", table.name),
                (_, true) => format!("{}_{}_key", table.name, column_names.join("_")),
                _ => format!("{}_{}_idx", table.name, column_names.join("_")),
            };
            free_name(state, pid, table.schema, &base)
        }
    };
    let definition = IndexDefinition {
        table: table.oid,
        columns: new.columns.clone(),
        unique: new.unique,
        primary: new.primary,
        constraint: new.constraint,
    };
    let index = blank(state, pid, table.schema, &name, RelationKind::Index(definition));
    let (oid, xid) = (index.oid, state.writing_xid(pid));
    if new.unique && !matches!(table.kind, RelationKind::Partitioned(_)) {
        check_unique(state, pid, table, &new.columns, &name)?;
        let rows_per_block = state.options.rows_per_block;
        let (database, _) = state.database_mut(pid);
        let heap = database
            .heaps
            .entry(table.filenode)
            .or_insert_with(|| Heap::new(rows_per_block));
        heap.add_unique(oid, new.columns.clone());
    }
    let (database, log) = state.database_mut(pid);
    database.relations.put(log, xid, oid, index);
    let view = state.catalog_view(pid);
    for child in state.database(pid).children(&state.log, view, table.oid) {
        let columns = column_names
            .iter()
            .filter_map(|name| child.column(name))
            .collect();
        let below = NewIndex {
            name: None,
            columns,
            unique: new.unique,
            primary: new.primary,
            constraint: new.constraint,
        };
        add(state, pid, &child, below)?;
    }
    Ok(oid)
}

/// The rows that are there must have different keys.
fn check_unique(
    state: &State,
    pid: i32,
    table: &Relation,
    columns: &[usize],
    name: &str,
) -> Result<(), PgError> {
    let Some(heap) = state.database(pid).heaps.get(&table.filenode) else {
        return Ok(());
    };
    let view = state.catalog_view(pid);
    let mut seen = std::collections::BTreeSet::new();
    for (_, tuple) in heap
        .tuples()
        .filter(|(_, tuple)| view.sees(&state.log, tuple.xmin, tuple.xmax))
    {
        let key: Option<Vec<_>> = columns
            .iter()
            .map(|at| tuple.values.get(*at).filter(|value| !value.is_null()).cloned())
            .collect();
        if key.is_some_and(|key| !seen.insert(key)) {
            return Err(PgError::new(
                "23505",
                format!("could not create unique index \"{name}\""),
            ));
        }
    }
    Ok(())
}

/// `CREATE INDEX`.
pub(crate) fn create(state: &mut State, pid: i32, create: &CreateIndex) -> Answer {
    if create.predicate.is_some() {
        return Err(PgError::unsupported(create).into());
    }
    let table = state.locked_table(pid, &create.table_name, LockMode::Share)?;
    state.require_owner(pid, &table)?;
    let name = create.name.as_ref().map(names::last);
    if let Some(name) = &name
        && create.if_not_exists
    {
        let view = state.catalog_view(pid);
        if state
            .database(pid)
            .relation(&state.log, view, table.schema, name)
            .is_some()
        {
            notice(
                state,
                pid,
                "42P07",
                format!("relation \"{name}\" already exists, skipping"),
            );
            return tag("CREATE INDEX");
        }
    }
    let columns = positions(&table, &create.columns)?;
    add(
        state,
        pid,
        &table,
        NewIndex {
            name,
            columns,
            unique: create.unique,
            primary: false,
            constraint: false,
        },
    )?;
    tag("CREATE INDEX")
}
