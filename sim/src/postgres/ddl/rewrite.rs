//! ALTER COLUMN … TYPE: the transaction stores the table anew, so that older snapshots find it empty (OB-105).

use sqlparser::ast::DataType;

use crate::postgres::catalog::relation::{ColumnSource, Relation, RelationKind};
use crate::postgres::heap::Heap;
use crate::postgres::sql::cast::{CastKind, cast};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;
use crate::postgres::tuples::value_at;

/// Gives a column another type, and its values too.
///
/// # Errors
/// `42804`, `42846` and what a value's cast causes, `23505` when a key is no longer unique, `0A000` for what is not an ordinary
/// column of a table on its own.
pub(super) fn change_type(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    position: usize,
    data_type: &DataType,
) -> Result<(), PgError> {
    let to = Type::from_ast(data_type)?;
    let from = std::mem::replace(&mut relation.columns[position].ty, to.clone());
    if from == to && from.typmod() == to.typmod() {
        return Ok(());
    }
    if from.is_string() && !to.is_string() {
        let column = &relation.columns[position].name;
        let message = format!(
            "column \"{column}\" cannot be cast automatically to type {}",
            to.name()
        );
        return Err(PgError::new("42804", message));
    }
    let plain = relation
        .columns
        .iter()
        .all(|column| matches!(column.source, ColumnSource::Nothing | ColumnSource::Default(_)));
    if !plain || !matches!(relation.kind, RelationKind::Table) || relation.parent.is_some() {
        return Err(PgError::unsupported("another type for a column of such a table"));
    }
    relation.columns[position].modifier = to.typmod();
    let rows = converted(state, pid, relation, position, &from, &to)?;
    store_anew(state, pid, relation, rows)
}

/// The rows that are there now, with this column cast.
fn converted(
    state: &State,
    pid: i32,
    relation: &Relation,
    position: usize,
    from: &Type,
    to: &Type,
) -> Result<Vec<Vec<Value>>, PgError> {
    let view = state.catalog_view(pid);
    let heap = state.database(pid).heaps.get(&relation.filenode);
    let tuples = heap.into_iter().flat_map(Heap::tuples);
    tuples
        .filter(|(_, tuple)| view.sees(&state.log, tuple.xmin, tuple.xmax))
        .map(|(_, tuple)| {
            let all = 0..relation.columns.len();
            let mut values: Vec<Value> = all.map(|at| value_at(relation, &tuple.values, at)).collect();
            let value = std::mem::take(&mut values[position]);
            values[position] = cast(value, from, to, CastKind::Assignment)?;
            Ok(values)
        })
        .collect()
}

/// A new storage with these rows.
fn store_anew(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    rows: Vec<Vec<Value>>,
) -> Result<(), PgError> {
    let xid = state.writing_xid(pid);
    let own = state.own_xid(pid);
    let mut heap = Heap::new(state.options.rows_per_block);
    let old = state.database(pid).heaps.get(&relation.filenode);
    let mut unique = Vec::new();
    for (index, columns) in old.into_iter().flat_map(Heap::unique_columns) {
        heap.add_unique(index, columns.to_vec());
        unique.push(index);
    }
    for values in rows {
        let taken = |index: &u32| heap.conflict(&state.log, own, *index, &values, &[]).is_some();
        if unique.iter().any(taken) {
            return Err(PgError::new("23505", "could not create unique index"));
        }
        heap.insert(xid, values.into());
        state.write_wal(64);
    }
    for column in &mut relation.columns {
        column.missing = None;
    }
    relation.filenode = state.new_oid();
    let (database, _) = state.database_mut(pid);
    database.heaps.insert(relation.filenode, heap);
    Ok(())
}
