//! ALTER TABLE.

use std::rc::Rc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Ident, Owner, RenameTableNameKind,
    ReplicaIdentity as IdentityOption,
};

use super::columns::{define, literal};
use super::create_table::{add_constraint, check_free};
use super::indexes::{self, NewIndex};
use super::rewrite;
use super::{Answer, notice, tag};
use crate::postgres::catalog::relation::{ColumnSource, Relation, ReplicaIdentity};
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::state::State;

/// `ALTER TABLE`.
pub(crate) fn run(state: &mut State, pid: i32, alter: &AlterTable) -> Answer {
    if let (true, Err(error)) = (alter.if_exists, state.table(pid, &alter.name)) {
        notice(state, pid, "00000", format!("{}, skipping", error.message));
        return tag("ALTER TABLE");
    }
    let table = state.locked_table(pid, &alter.name, LockMode::AccessExclusive)?;
    state.require_owner(pid, &table)?;
    let mut relation = (*table).clone();
    let mut new_indexes = Vec::new();
    for operation in &alter.operations {
        apply(state, pid, &mut relation, operation, &mut new_indexes)?;
    }
    relation.refresh();
    let xid = state.writing_xid(pid);
    state.write_wal(128);
    let (database, log) = state.database_mut(pid);
    database.relations.put(log, xid, relation.oid, relation.clone());
    for index in new_indexes {
        indexes::add(state, pid, &relation, index)?;
    }
    tag("ALTER TABLE")
}

fn apply(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    operation: &AlterTableOperation,
    new_indexes: &mut Vec<NewIndex>,
) -> Result<(), PgError> {
    match operation {
        AlterTableOperation::AddColumn {
            if_not_exists,
            column_def,
            ..
        } => {
            add_column(state, pid, relation, column_def, *if_not_exists, new_indexes)?;
        }
        AlterTableOperation::DropColumn {
            column_names,
            if_exists,
            ..
        } => {
            drop_columns(state, pid, relation, column_names, *if_exists)?;
        }
        AlterTableOperation::AddConstraint { constraint, .. } => {
            add_constraint(state, relation, constraint, new_indexes)?;
        }
        AlterTableOperation::DropConstraint { name, if_exists, .. } => {
            drop_constraint(state, pid, relation, &names::fold(name), *if_exists)?;
        }
        AlterTableOperation::ReplicaIdentity { identity } => {
            relation.replica_identity = replica_identity(state, pid, relation, identity)?;
        }
        AlterTableOperation::OwnerTo { new_owner } => {
            let name = match new_owner {
                Owner::Ident(ident) => names::fold(ident),
                _ => state.backend_ref(pid).role.clone(),
            };
            let role = state.roles.get(&name);
            let missing = || PgError::new("42704", format!("role \"{name}\" does not exist"));
            relation.owner = role.ok_or_else(missing)?.oid;
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => {
            let name = names::last(name);
            check_free(state, pid, relation.schema, &name)?;
            relation.name = name;
        }
        AlterTableOperation::RenameColumn {
            old_column_name,
            new_column_name,
        } => {
            let old = names::fold(old_column_name);
            let position = relation
                .column(&old)
                .ok_or_else(|| missing_column(relation, &old))?;
            relation.columns[position].name = names::fold(new_column_name);
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            let name = names::fold(column_name);
            let position = relation
                .column(&name)
                .ok_or_else(|| missing_column(relation, &name))?;
            alter_column(state, pid, relation, position, op)?;
        }
        other => return Err(PgError::unsupported(format!("ALTER TABLE … {other}"))),
    }
    Ok(())
}

fn add_column(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    definition: &ColumnDef,
    if_not_exists: bool,
    new_indexes: &mut Vec<NewIndex>,
) -> Result<(), PgError> {
    let position = relation.columns.len();
    let (mut column, carried) = define(state, pid, relation, position, definition)?;
    if relation.column(&column.name).is_some() {
        let message = format!(
            "column \"{}\" of relation \"{}\" already exists",
            column.name, relation.name
        );
        if if_not_exists {
            notice(state, pid, "42701", format!("{message}, skipping"));
            return Ok(());
        }
        return Err(PgError::new("42701", message));
    }
    if let ColumnSource::Default(expr) = &column.source {
        column.missing = Some(literal(expr, &column.ty)?);
    }
    relation.columns.push(column);
    new_indexes.extend(carried.index(position));
    Ok(())
}

fn drop_columns(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    columns: &[Ident],
    if_exists: bool,
) -> Result<(), PgError> {
    for name in columns.iter().map(names::fold) {
        match relation.column(&name) {
            Some(position) => relation.columns[position].dropped = true,
            None if if_exists => {
                notice(
                    state,
                    pid,
                    "00000",
                    format!("column \"{name}\" does not exist, skipping"),
                );
            }
            None => return Err(missing_column(relation, &name)),
        }
    }
    Ok(())
}

fn missing_column(relation: &Relation, name: &str) -> PgError {
    PgError::new(
        "42703",
        format!(
            "column \"{name}\" of relation \"{}\" does not exist",
            relation.name
        ),
    )
}

fn alter_column(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    position: usize,
    operation: &AlterColumnOperation,
) -> Result<(), PgError> {
    match operation {
        AlterColumnOperation::SetNotNull => {
            let view = state.catalog_view(pid);
            let heap = state.database(pid).heaps.get(&relation.filenode);
            let visible = heap.into_iter().flat_map(|heap| heap.tuples());
            let has_null = visible
                .filter(|(_, tuple)| view.sees(&state.log, tuple.xmin, tuple.xmax))
                .any(|(_, tuple)| tuple.values.get(position).is_none_or(|value| value.is_null()));
            let column = &mut relation.columns[position];
            if has_null {
                let message = format!(
                    "column \"{}\" of relation \"{}\" contains null values",
                    column.name, relation.name
                );
                return Err(PgError::new("23502", message));
            }
            column.not_null = true;
        }
        AlterColumnOperation::DropNotNull => relation.columns[position].not_null = false,
        AlterColumnOperation::SetDefault { value } => {
            relation.columns[position].source = ColumnSource::Default(Rc::new(value.clone()));
        }
        AlterColumnOperation::SetDataType {
            data_type,
            using: None,
            ..
        } => rewrite::change_type(state, pid, relation, position, data_type)?,
        AlterColumnOperation::DropDefault => relation.columns[position].source = ColumnSource::Nothing,
        other => return Err(PgError::unsupported(format!("ALTER COLUMN … {other}"))),
    }
    Ok(())
}

fn drop_constraint(
    state: &mut State,
    pid: i32,
    relation: &mut Relation,
    name: &str,
    if_exists: bool,
) -> Result<(), PgError> {
    let before = relation.checks.len();
    relation.checks.retain(|check| check.name != name);
    if relation.checks.len() < before {
        return Ok(());
    }
    let view = state.catalog_view(pid);
    let indexes = state.database(pid).indexes(&state.log, view, relation.oid);
    let found = indexes
        .iter()
        .find(|index| index.name == name && index.index().is_some_and(|index| index.constraint));
    let Some(index) = found else {
        let message = format!(
            "constraint \"{name}\" of relation \"{}\" does not exist",
            relation.name
        );
        if if_exists {
            notice(state, pid, "00000", format!("{message}, skipping"));
            return Ok(());
        }
        return Err(PgError::new("42704", message));
    };
    super::drop::remove_index(state, pid, relation.filenode, index.oid);
    Ok(())
}

fn replica_identity(
    state: &State,
    pid: i32,
    relation: &Relation,
    option: &IdentityOption,
) -> Result<ReplicaIdentity, PgError> {
    Ok(match option {
        IdentityOption::Nothing => ReplicaIdentity::Nothing,
        IdentityOption::Full => ReplicaIdentity::Full,
        IdentityOption::Default => ReplicaIdentity::Default,
        IdentityOption::Index(name) => {
            let name = names::fold(name);
            let view = state.catalog_view(pid);
            let indexes = state.database(pid).indexes(&state.log, view, relation.oid);
            let found = indexes.iter().find(|index| index.name == name);
            let missing = || {
                PgError::new(
                    "42704",
                    format!("index \"{name}\" for table \"{}\" does not exist", relation.name),
                )
            };
            ReplicaIdentity::Index(found.ok_or_else(missing)?.oid)
        }
    })
}
