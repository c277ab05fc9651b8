//! CREATE TABLE and CREATE SCHEMA.

use std::rc::Rc;

use sqlparser::ast::{CreateTable, Expr, TableConstraint};

use super::columns::{blank, define};
use super::indexes::{NewIndex, add, positions};
use super::{Answer, notice, partitions, tag};
use crate::postgres::catalog::database::Schema;
use crate::postgres::catalog::relation::{ColumnSource, Constraint, Relation, RelationKind};
use crate::postgres::heap::Heap;
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::names;
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

/// `42P07` when the schema has a relation of this name.
pub(crate) fn check_free(state: &State, pid: i32, schema: u32, name: &str) -> Result<(), PgError> {
    let view = state.catalog_view(pid);
    if state
        .database(pid)
        .relation(&state.log, view, schema, name)
        .is_some()
    {
        return Err(PgError::new(
            "42P07",
            format!("relation \"{name}\" already exists"),
        ));
    }
    Ok(())
}

fn may_create(state: &State, pid: i32, schema: u32) -> Result<(), PgError> {
    let (role, view) = (state.role(pid), state.catalog_view(pid));
    let database = state.database(pid);
    let owner = database
        .schemas
        .get(&state.log, view, &schema)
        .map(|schema| schema.owner);
    if role.superuser || owner == Some(role.oid) || (schema == 2200 && database.owner == role.oid) {
        return Ok(());
    }
    let name = state.schema_name(pid, schema);
    Err(PgError::new(
        "42501",
        format!("permission denied for schema {name}"),
    ))
}

/// Puts a new relation into the catalogs, locked.
pub(crate) fn put(state: &mut State, pid: i32, relation: Relation) -> Result<(), Interrupt<Wait>> {
    let oid = relation.oid;
    let xid = state.writing_xid(pid);
    state.write_wal(256);
    let (database, log) = state.database_mut(pid);
    database.relations.put(log, xid, oid, relation);
    state.lock_relation(pid, oid, LockMode::AccessExclusive)
}

/// `CREATE TABLE`.
pub(crate) fn run(state: &mut State, pid: i32, create: &CreateTable) -> Answer {
    if create.temporary || create.query.is_some() || create.like.is_some() || create.inherits.is_some() {
        return Err(PgError::unsupported(create).into());
    }
    let parts = names::parts(&create.name);
    let (schema, name) = state.creation_schema(pid, &parts)?;
    may_create(state, pid, schema)?;
    // Somebody else who is making, or dropping, something of this name decides first.
    let own = state.own_xid(pid);
    let same = |relation: &Relation| relation.schema == schema && relation.name == name;
    if let Some(xid) = state
        .database(pid)
        .relations
        .changing_where(&state.log, own, same)
    {
        return Err(Interrupt::Wait(Wait::transaction(xid)));
    }
    if let Err(error) = check_free(state, pid, schema, &name) {
        if create.if_not_exists {
            notice(
                state,
                pid,
                "42P07",
                format!("relation \"{name}\" already exists, skipping"),
            );
            return tag("CREATE TABLE");
        }
        return Err(error.into());
    }
    let parent = match &create.partition_of {
        Some(parent) => Some(state.locked_table(pid, parent, LockMode::ShareUpdateExclusive)?),
        None => None,
    };
    let (relation, indexes) = define_table(state, pid, schema, create, parent.as_deref())?;
    put(state, pid, relation.clone())?;
    let rows_per_block = state.options.rows_per_block;
    let (database, _) = state.database_mut(pid);
    database
        .heaps
        .insert(relation.filenode, Heap::new(rows_per_block));
    for index in indexes {
        add(state, pid, &relation, index)?;
    }
    tag("CREATE TABLE")
}

/// The new table's definition, and the indexes that it needs.
fn define_table(
    state: &mut State,
    pid: i32,
    schema: u32,
    create: &CreateTable,
    parent: Option<&Relation>,
) -> Result<(Relation, Vec<NewIndex>), PgError> {
    let name = names::last(&create.name);
    let mut relation = blank(state, pid, schema, &name, RelationKind::Table);
    relation.persistence = if create.unlogged { 'u' } else { 'p' };
    let mut indexes = Vec::new();
    if let Some(parent) = parent {
        below(state, pid, &mut relation, parent, create, &mut indexes)?;
    }
    for definition in &create.columns {
        let position = relation.columns.len();
        let (column, carried) = define(state, pid, &relation, position, definition)?;
        if relation.column(&column.name).is_some() {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(PgError::new("42701", message));
        }
        let name = column.name.clone();
        relation.columns.push(column);
        indexes.extend(carried.index(position));
        for expr in carried.checks {
            add_check(state, &mut relation, None, Some(&name), expr);
        }
    }
    for constraint in &create.constraints {
        add_constraint(state, &mut relation, constraint, &mut indexes)?;
    }
    if let Some(by) = &create.partition_by {
        relation.kind = RelationKind::Partitioned(partitions::key(&relation, by)?);
    }
    if indexes.iter().filter(|index| index.primary).count() > 1 {
        let message = format!("multiple primary keys for table \"{name}\" are not allowed");
        return Err(PgError::new("42P16", message));
    }
    relation.refresh();
    Ok((relation, indexes))
}

/// Takes a partition's columns and keys from its parent.
fn below(
    state: &State,
    pid: i32,
    relation: &mut Relation,
    parent: &Relation,
    create: &CreateTable,
    indexes: &mut Vec<NewIndex>,
) -> Result<(), PgError> {
    let RelationKind::Partitioned(key) = &parent.kind else {
        return Err(PgError::new(
            "42809",
            format!("\"{}\" is not partitioned", parent.name),
        ));
    };
    relation.parent = Some((
        parent.oid,
        partitions::bound(parent, key, create.for_values.as_ref())?,
    ));
    relation.columns = parent.live().map(|(_, column)| column.clone()).collect();
    for column in &mut relation.columns {
        // An identity belongs to the root; a partition's rows come through it.
        if matches!(column.source, ColumnSource::Identity { .. }) {
            column.source = ColumnSource::Nothing;
        }
    }
    let view = state.catalog_view(pid);
    for index in state.database(pid).indexes(&state.log, view, parent.oid) {
        let Some(index) = index.index() else { continue };
        let columns = index
            .columns
            .iter()
            .filter_map(|at| relation.column(&parent.columns[*at].name))
            .collect();
        let (unique, primary, constraint) = (index.unique, index.primary, index.constraint);
        indexes.push(NewIndex {
            name: None,
            columns,
            unique,
            primary,
            constraint,
        });
    }
    Ok(())
}

pub(crate) fn add_check(
    state: &mut State,
    relation: &mut Relation,
    name: Option<String>,
    column: Option<&str>,
    expr: Expr,
) {
    let name = name.unwrap_or_else(|| match column {
        Some(column) => format!("{}_{column}_check", relation.name),
        None => format!("{}_check", relation.name),
    });
    let oid = state.new_oid();
    relation.checks.push(Constraint {
        oid,
        name,
        expr: Rc::new(expr),
    });
}

/// Adds a table constraint to a definition; the indexes that it needs are made later.
pub(crate) fn add_constraint(
    state: &mut State,
    relation: &mut Relation,
    constraint: &TableConstraint,
    indexes: &mut Vec<NewIndex>,
) -> Result<(), PgError> {
    match constraint {
        TableConstraint::PrimaryKey(key) => {
            let columns = positions(relation, &key.columns)?;
            for column in &columns {
                relation.columns[*column].not_null = true;
            }
            let name = key.name.as_ref().map(names::fold);
            indexes.push(NewIndex {
                name,
                columns,
                unique: true,
                primary: true,
                constraint: true,
            });
        }
        TableConstraint::Unique(key) => {
            let columns = positions(relation, &key.columns)?;
            let name = key.name.as_ref().map(names::fold);
            indexes.push(NewIndex {
                name,
                columns,
                unique: true,
                primary: false,
                constraint: true,
            });
        }
        TableConstraint::Check(check) => {
            let name = check.name.as_ref().map(names::fold);
            add_check(state, relation, name, None, (*check.expr).clone());
        }
        other => return Err(PgError::unsupported(format!("the constraint {other}"))),
    }
    Ok(())
}

/// `CREATE SCHEMA`.
pub(crate) fn schema(state: &mut State, pid: i32, name: &str, if_not_exists: bool) -> Answer {
    let role = state.role(pid);
    let (owner, may) = (role.oid, role.superuser || role.oid == state.database(pid).owner);
    if !may {
        let database = &state.backend_ref(pid).database;
        return Err(PgError::new("42501", format!("permission denied for database {database}")).into());
    }
    let own = state.own_xid(pid);
    if let Some(xid) = state
        .database(pid)
        .schemas
        .changing_where(&state.log, own, |schema| schema.name == name)
    {
        return Err(Interrupt::Wait(Wait::transaction(xid)));
    }
    let view = state.catalog_view(pid);
    if state.database(pid).schema(&state.log, view, name).is_some() {
        let message = format!("schema \"{name}\" already exists");
        if if_not_exists {
            notice(state, pid, "42P06", format!("{message}, skipping"));
            return tag("CREATE SCHEMA");
        }
        return Err(PgError::new("42P06", message).into());
    }
    let (oid, xid) = (state.new_oid(), state.writing_xid(pid));
    let (database, log) = state.database_mut(pid);
    database.schemas.put(
        log,
        xid,
        oid,
        Schema {
            name: name.to_owned(),
            owner,
        },
    );
    tag("CREATE SCHEMA")
}
