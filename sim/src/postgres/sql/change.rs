//! UPDATE and DELETE.

use std::fmt::Display;
use std::rc::Rc;

use sqlparser::ast::{
    self, Expr, FromTable, ObjectName, SelectItem, TableFactor, TableWithJoins, UpdateTableFromKind,
};

use super::assign::{Sets, apply_sets, bind_sets};
use super::bind::{Binder, Bound, Scope};
use super::dml::{Returning, bind_returning, returning};
use super::error::PgError;
use super::eval::{Exec, Row, shared};
use super::execute::Rows;
use super::filler::Filler;
use super::host::{Column, Host, ScanRow};
use super::names;
use super::plan::{Join, JoinKind, Node, Source};
use super::plans::Slot;
use super::value::{Type, Value};

/// A bound UPDATE or DELETE: the table is its first source.
pub(crate) struct Change {
    name: ObjectName,
    columns: Rc<[Column]>,
    joins: Vec<Join>,
    filter: Option<Node>,
    sets: Sets,
    returning: Option<Returning>,
}

impl Change {
    pub(crate) fn returning_columns(self) -> Option<Vec<Column>> {
        self.returning.map(|(columns, _)| columns.to_vec())
    }
}

pub(crate) fn bind_update<H: Host>(binder: &mut Binder<'_, H>, update: &ast::Update) -> Bound<Change, H> {
    let others = match &update.from {
        None => &[][..],
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => from.as_slice(),
    };
    if update.or.is_some() || update.limit.is_some() || !update.order_by.is_empty() {
        return Err(PgError::unsupported(update).into());
    }
    let parts = Parts {
        table: &update.table,
        others,
        filter: update.selection.as_ref(),
    };
    bind_change(
        binder,
        &parts,
        &update.assignments,
        update.returning.as_deref(),
        update,
    )
}

pub(crate) fn bind_delete<H: Host>(binder: &mut Binder<'_, H>, delete: &ast::Delete) -> Bound<Change, H> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let refused = !delete.tables.is_empty() || delete.limit.is_some() || !delete.order_by.is_empty();
    let [table] = from.as_slice() else {
        return Err(PgError::unsupported(delete).into());
    };
    if refused {
        return Err(PgError::unsupported(delete).into());
    }
    let others = delete.using.as_deref().unwrap_or(&[]);
    let parts = Parts {
        table,
        others,
        filter: delete.selection.as_ref(),
    };
    bind_change(binder, &parts, &[], delete.returning.as_deref(), delete)
}

struct Parts<'a> {
    table: &'a TableWithJoins,
    others: &'a [TableWithJoins],
    filter: Option<&'a Expr>,
}

fn bind_change<H: Host>(
    binder: &mut Binder<'_, H>,
    parts: &Parts<'_>,
    assignments: &[ast::Assignment],
    items: Option<&[SelectItem]>,
    text: &dyn Display,
) -> Bound<Change, H> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = &parts.table.relation
    else {
        return Err(PgError::unsupported(text).into());
    };
    if !parts.table.joins.is_empty() {
        return Err(PgError::unsupported(text).into());
    }
    binder.scopes.push(Scope::default());
    let (name, only) = &super::only::take(name);
    let scan = binder.host.scan(name, *only, true)?;
    let visible = alias
        .as_ref()
        .map_or_else(|| names::last(name), |alias| names::fold(&alias.name));
    binder.show(visible, Rc::clone(&scan.columns), scan.oid, alias.as_ref())?;
    let mut joins = vec![Join {
        kind: JoinKind::Inner,
        source: Source::Rows(Slot::of(scan.rows)),
        filter: None,
        on: None,
    }];
    joins.extend(binder.from(parts.others)?);
    let filter = parts
        .filter
        .map(|filter| binder.condition(filter, "WHERE"))
        .transpose()?;
    let columns = Rc::clone(&scan.columns);
    let sets = bind_sets(binder, assignments, &columns, &names::last(name))?;
    let returning = items.map(|items| bind_returning(binder, items)).transpose()?;
    binder.scopes.pop();
    Ok(Change {
        name: name.clone(),
        columns,
        joins,
        filter,
        sets,
        returning,
    })
}

/// The joined rows, the first for each row of the table.
fn targets<H: Host>(host: &mut H, parameters: &[Value], change: &Change) -> Bound<Vec<Row>, H> {
    let rows = Exec { host, parameters }.joined(&change.joins, change.filter.as_ref(), None)?;
    let mut seen = std::collections::BTreeSet::new();
    Ok(rows
        .into_iter()
        .filter(|row| row[0].as_ref().is_some_and(|row| seen.insert(row.ctid)))
        .collect())
}

/// Runs an UPDATE.
pub(crate) fn update<H: Host>(
    host: &mut H,
    update: &ast::Update,
    parameters: &[Value],
    declared: &[Option<Type>],
) -> Bound<Rows, H> {
    let change = bind_update(&mut Binder::new(host, declared), update)?;
    let filler = Filler::new(host, &change.name, Rc::clone(&change.columns))?;
    let (mut updates, mut stored) = (Vec::new(), Vec::new());
    for mut row in targets(host, parameters, &change)? {
        let Some(values) = apply_sets(host, parameters, &change.sets, None, &row, &filler)? else {
            continue;
        };
        let ctid = row[0].as_ref().map_or((0, 0), |row| row.ctid);
        row[0] = Some(ScanRow {
            ctid,
            values: shared(values.clone()),
        });
        stored.push(row);
        updates.push((ctid, values));
    }
    let tag = format!("UPDATE {}", updates.len());
    if !updates.is_empty() {
        host.update(&change.name, updates)?;
    }
    returning(host, parameters, change.returning.as_ref(), &stored, tag)
}

/// Runs a DELETE.
pub(crate) fn delete<H: Host>(
    host: &mut H,
    delete: &ast::Delete,
    parameters: &[Value],
    declared: &[Option<Type>],
) -> Bound<Rows, H> {
    let change = bind_delete(&mut Binder::new(host, declared), delete)?;
    let rows = targets(host, parameters, &change)?;
    let ctids: Vec<(u32, u16)> = rows
        .iter()
        .filter_map(|row| row[0].as_ref())
        .map(|row| row.ctid)
        .collect();
    let tag = format!("DELETE {}", ctids.len());
    if !ctids.is_empty() {
        host.delete(&change.name, ctids)?;
    }
    returning(host, parameters, change.returning.as_ref(), &rows, tag)
}
