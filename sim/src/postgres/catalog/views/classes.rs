//! Relations and their parts.

use std::rc::Rc;

use super::build::{NULL, Table, character, oid};
use crate::postgres::catalog::definitions;
use crate::postgres::catalog::relation::{ColumnSource, Relation, RelationKind, ReplicaIdentity, Strategy};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

fn relations(state: &State, pid: i32) -> impl Iterator<Item = &Rc<Relation>> {
    state
        .database(pid)
        .relations
        .iter(&state.log, state.catalog_view(pid))
        .map(|(_, relation)| relation)
}

fn numbers(columns: &[usize]) -> Value {
    let numbers: Vec<Value> = columns
        .iter()
        .map(|column| Value::Int(*column as i64 + 1))
        .collect();
    Value::Array(numbers.into())
}

fn int2_array() -> Type {
    Type::Array(std::sync::Arc::new(Type::Int2))
}

/// `pg_class`, without the system catalogs.
pub fn pg_class(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("relname", Type::Name),
        ("relnamespace", Type::Oid),
        ("reltype", Type::Oid),
        ("relowner", Type::Oid),
        ("relam", Type::Oid),
        ("relfilenode", Type::Oid),
        ("reltablespace", Type::Oid),
        ("relpages", Type::Int4),
        ("reltuples", Type::Float4),
        ("reltoastrelid", Type::Oid),
        ("relhasindex", Type::Bool),
        ("relisshared", Type::Bool),
        ("relpersistence", Type::QChar),
        ("relkind", Type::QChar),
        ("relnatts", Type::Int2),
        ("relchecks", Type::Int2),
        ("relhasrules", Type::Bool),
        ("relhastriggers", Type::Bool),
        ("relrowsecurity", Type::Bool),
        ("relreplident", Type::QChar),
        ("relispartition", Type::Bool),
        ("relpartbound", Type::Text),
    ]);
    let database = state.database(pid);
    for relation in relations(state, pid) {
        let heap = database.heaps.get(&relation.filenode);
        let indexed =
            relations(state, pid).any(|r| r.index().is_some_and(|index| index.table == relation.oid));
        let identity = match relation.replica_identity {
            ReplicaIdentity::Default => 'd',
            ReplicaIdentity::Full => 'f',
            ReplicaIdentity::Nothing => 'n',
            ReplicaIdentity::Index(_) => 'i',
        };
        table.row([
            oid(relation.oid),
            relation.name.clone().into(),
            oid(relation.schema),
            oid(0),
            oid(relation.owner),
            oid(if relation.relkind() == 'r' { 2 } else { 0 }),
            oid(if relation.relkind() == 'p' {
                0
            } else {
                relation.filenode
            }),
            oid(0),
            heap.map_or(0, |heap| i64::from(heap.blocks())).into(),
            // Never analysed here.
            Value::Float(-1.0),
            oid(0),
            indexed.into(),
            false.into(),
            character(relation.persistence),
            character(relation.relkind()),
            (relation.columns.len() as i64).into(),
            (relation.checks.len() as i64).into(),
            false.into(),
            false.into(),
            false.into(),
            character(identity),
            relation.parent.is_some().into(),
            relation
                .parent
                .as_ref()
                .map(|(_, bound)| definitions::bound(bound))
                .into(),
        ]);
    }
}

/// `pg_attribute`, without the system columns.
pub fn pg_attribute(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("attrelid", Type::Oid),
        ("attname", Type::Name),
        ("atttypid", Type::Oid),
        ("attlen", Type::Int2),
        ("attnum", Type::Int2),
        ("attndims", Type::Int4),
        ("atttypmod", Type::Int4),
        ("attnotnull", Type::Bool),
        ("atthasdef", Type::Bool),
        ("atthasmissing", Type::Bool),
        ("attidentity", Type::QChar),
        ("attgenerated", Type::QChar),
        ("attisdropped", Type::Bool),
        ("attislocal", Type::Bool),
        ("attcollation", Type::Oid),
    ]);
    for relation in relations(state, pid) {
        for (position, column) in relation.columns.iter().enumerate() {
            let identity = match column.source {
                ColumnSource::Identity { always: true, .. } => "a",
                ColumnSource::Identity { always: false, .. } => "d",
                _ => "",
            };
            let has_default = matches!(
                column.source,
                ColumnSource::Default(_) | ColumnSource::Generated(_) | ColumnSource::Serial { .. }
            );
            let name = match column.dropped {
                true => format!("........pg.dropped.{}........", position + 1),
                false => column.name.clone(),
            };
            table.row([
                oid(relation.oid),
                name.into(),
                oid(if column.dropped { 0 } else { column.ty.oid() }),
                i64::from(column.ty.typlen()).into(),
                (position as i64 + 1).into(),
                i64::from(matches!(column.ty, Type::Array(_))).into(),
                column.ty.typmod().into(),
                column.not_null.into(),
                has_default.into(),
                column.missing.is_some().into(),
                identity.into(),
                if matches!(column.source, ColumnSource::Generated(_)) {
                    "s"
                } else {
                    ""
                }
                .into(),
                column.dropped.into(),
                relation.parent.is_none().into(),
                oid(super::types::collation_of(column)),
            ]);
        }
    }
}

/// `pg_attrdef`; `adbin` is the expression's text, which `pg_get_expr` gives back.
pub fn pg_attrdef(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("adrelid", Type::Oid),
        ("adnum", Type::Int2),
        ("adbin", Type::Text),
    ]);
    for relation in relations(state, pid) {
        for (position, column) in relation.live() {
            let Some(text) = definitions::default(state, pid, column) else {
                continue;
            };
            let id = relation.oid.wrapping_mul(64).wrapping_add(position as u32);
            table.row([
                oid(id),
                oid(relation.oid),
                (position as i64 + 1).into(),
                text.into(),
            ]);
        }
    }
}

/// `pg_constraint`: primary keys, unique and check constraints.
pub fn pg_constraint(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("conname", Type::Name),
        ("connamespace", Type::Oid),
        ("contype", Type::QChar),
        ("condeferrable", Type::Bool),
        ("condeferred", Type::Bool),
        ("convalidated", Type::Bool),
        ("conrelid", Type::Oid),
        ("contypid", Type::Oid),
        ("conindid", Type::Oid),
        ("conparentid", Type::Oid),
        ("confrelid", Type::Oid),
        ("conislocal", Type::Bool),
        ("conkey", int2_array()),
        ("confkey", int2_array()),
    ]);
    let mut add = |id: u32, name: &str, schema: u32, kind: char, on: u32, index: u32, columns: Value| {
        table.row([
            oid(id),
            name.into(),
            oid(schema),
            character(kind),
            false.into(),
            false.into(),
            true.into(),
            oid(on),
            oid(0),
            oid(index),
            oid(0),
            oid(0),
            true.into(),
            columns,
            NULL,
        ]);
    };
    for relation in relations(state, pid) {
        if let Some(index) = relation.index().filter(|index| index.constraint) {
            let kind = if index.primary { 'p' } else { 'u' };
            let columns = numbers(&index.columns);
            add(
                relation.oid,
                &relation.name,
                relation.schema,
                kind,
                index.table,
                relation.oid,
                columns,
            );
        }
        for check in &relation.checks {
            add(
                check.oid,
                &check.name,
                relation.schema,
                'c',
                relation.oid,
                0,
                NULL,
            );
        }
    }
}

/// `pg_index`; `indkey` is an array here.
pub fn pg_index(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("indexrelid", Type::Oid),
        ("indrelid", Type::Oid),
        ("indnatts", Type::Int2),
        ("indnkeyatts", Type::Int2),
        ("indisunique", Type::Bool),
        ("indisprimary", Type::Bool),
        ("indisexclusion", Type::Bool),
        ("indimmediate", Type::Bool),
        ("indisvalid", Type::Bool),
        ("indisready", Type::Bool),
        ("indislive", Type::Bool),
        ("indisreplident", Type::Bool),
        ("indkey", int2_array()),
        ("indexprs", Type::Text),
        ("indpred", Type::Text),
    ]);
    for relation in relations(state, pid) {
        let Some(index) = relation.index() else { continue };
        let of = state.relation(pid, index.table);
        let identity = of.is_some_and(|of| of.replica_identity == ReplicaIdentity::Index(relation.oid));
        let count = index.columns.len() as i64;
        table.row([
            oid(relation.oid),
            oid(index.table),
            count.into(),
            count.into(),
            index.unique.into(),
            index.primary.into(),
            false.into(),
            true.into(),
            true.into(),
            true.into(),
            true.into(),
            identity.into(),
            numbers(&index.columns),
            NULL,
            NULL,
        ]);
    }
}

/// `pg_inherits`.
pub fn pg_inherits(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("inhrelid", Type::Oid),
        ("inhparent", Type::Oid),
        ("inhseqno", Type::Int4),
        ("inhdetachpending", Type::Bool),
    ]);
    for relation in relations(state, pid) {
        if let Some((parent, _)) = &relation.parent {
            table.row([oid(relation.oid), oid(*parent), Value::Int(1), false.into()]);
        }
    }
}

/// `pg_partitioned_table`.
pub fn pg_partitioned_table(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("partrelid", Type::Oid),
        ("partstrat", Type::QChar),
        ("partnatts", Type::Int2),
        ("partdefid", Type::Oid),
        ("partattrs", int2_array()),
    ]);
    for relation in relations(state, pid) {
        if let RelationKind::Partitioned(key) = &relation.kind {
            let strategy = match key.strategy {
                Strategy::Range => 'r',
                Strategy::List => 'l',
                Strategy::Hash => 'h',
            };
            let count = key.columns.len() as i64;
            table.row([
                oid(relation.oid),
                character(strategy),
                count.into(),
                oid(0),
                numbers(&key.columns),
            ]);
        }
    }
}

/// `pg_namespace`.
pub fn pg_namespace(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("nspname", Type::Name),
        ("nspowner", Type::Oid),
        ("nspacl", Type::Text),
    ]);
    for (id, schema) in state
        .database(pid)
        .schemas
        .iter(&state.log, state.catalog_view(pid))
    {
        table.row([oid(*id), schema.name.clone().into(), oid(schema.owner), NULL]);
    }
}

/// `pg_sequence`.
pub fn pg_sequence(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("seqrelid", Type::Oid),
        ("seqtypid", Type::Oid),
        ("seqstart", Type::Int8),
        ("seqincrement", Type::Int8),
    ]);
    for relation in relations(state, pid).filter(|relation| relation.relkind() == 'S') {
        let increment = state
            .database(pid)
            .sequences
            .get(&relation.oid)
            .map_or(1, |sequence| sequence.increment);
        table.row([oid(relation.oid), oid(20), Value::Int(1), increment.into()]);
    }
}

/// `pg_tables`.
pub fn pg_tables(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("schemaname", Type::Name),
        ("tablename", Type::Name),
        ("tableowner", Type::Name),
        ("hasindexes", Type::Bool),
    ]);
    for relation in relations(state, pid).filter(|relation| matches!(relation.relkind(), 'r' | 'p')) {
        let indexed =
            relations(state, pid).any(|r| r.index().is_some_and(|index| index.table == relation.oid));
        table.row([
            state.schema_name(pid, relation.schema).into(),
            relation.name.clone().into(),
            state.role_name(relation.owner).into(),
            indexed.into(),
        ]);
    }
}
