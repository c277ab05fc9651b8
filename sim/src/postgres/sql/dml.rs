//! INSERT, and RETURNING.

use std::rc::Rc;

use sqlparser::ast::{self, Expr, ObjectName, OnConflictAction, OnInsert, SelectItem, SetExpr, TableObject};

use super::assign::{Sets, apply_sets, assignable, bind_sets, is_default};
use super::bind::{Binder, Bound, Scope, Visible, plain};
use super::error::PgError;
use super::eval::{Exec, Frame, Row, shared};
use super::execute::{Rows, places};
use super::filler::{Filler, store};
use super::host::{Column, Host, InsertOutcome, OnConflict, Scan, ScanRow};
use super::names;
use super::plan::{Body, Item, Node, Plan};
use super::value::{Type, Value};

/// What RETURNING gives: its columns, and what each is.
pub(crate) type Returning = (Rc<[Column]>, Vec<Item>);

/// A bound INSERT.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) name: ObjectName,
    oid: u32,
    columns: Rc<[Column]>,
    targets: Vec<usize>,
    /// `None` for DEFAULT VALUES.
    source: Option<Plan>,
    /// Cells of VALUES that are `DEFAULT`, by row and place.
    default_cells: Vec<(usize, usize)>,
    /// `None` without ON CONFLICT; inside, `None` for DO NOTHING.
    on_conflict: Option<Option<(Sets, Option<Node>)>>,
    pub(crate) returning: Option<Returning>,
}

impl Insert {
    /// Whether it was bound to this table as it is now.
    pub(crate) fn is_into(&self, target: &Scan) -> bool {
        self.oid == target.oid && self.columns == target.columns
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "the clauses of one statement, in their order"
)]
pub(crate) fn bind_insert<H: Host>(binder: &mut Binder<'_, H>, insert: &ast::Insert) -> Bound<Insert, H> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(PgError::unsupported(insert).into());
    };
    let refused =
        insert.or.is_some() || insert.overwrite || insert.replace_into || !insert.assignments.is_empty();
    if refused {
        return Err(PgError::unsupported(insert).into());
    }
    let scan = binder.host.target(name)?;
    let columns = Rc::clone(&scan.columns);
    let named: Vec<String> = insert.columns.iter().map(names::last).collect();
    let mut targets = places(&columns, &named, &names::last(name))?;
    let mut default_cells = Vec::new();
    let source = match &insert.source {
        None => None,
        Some(query) => {
            let plan = match query.body.as_ref() {
                SetExpr::Values(values) if query.with.is_none() && query.limit_clause.is_none() => {
                    let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
                    values_for(binder, &rows, &columns, &targets, &mut default_cells)?
                }
                _ => binder.query(query)?,
            };
            Some(plan)
        }
    };
    if let Some(plan) = &source {
        let width = plan.columns.len();
        if width > targets.len() {
            return Err(PgError::new("42601", "INSERT has more expressions than target columns").into());
        }
        if width < targets.len() && !named.is_empty() {
            return Err(PgError::new("42601", "INSERT has more target columns than expressions").into());
        }
        targets.truncate(width);
    }
    let alias = insert
        .table_alias
        .as_ref()
        .map_or_else(|| names::last(name), |alias| names::fold(&alias.alias));
    let table = |alias: String| Visible {
        alias,
        columns: Rc::clone(&columns),
        oid: scan.oid,
        merged: Vec::new(),
    };
    let on_conflict = match &insert.on {
        None => None,
        Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
            OnConflictAction::DoNothing => Some(None),
            OnConflictAction::DoUpdate(update) => {
                let sources = vec![table(alias.clone()), table("excluded".into())];
                binder.scopes.push(Scope {
                    sources,
                    ..Scope::default()
                });
                let sets = bind_sets(binder, &update.assignments, &columns, &names::last(name));
                let filter = update
                    .selection
                    .as_ref()
                    .map(|expr| binder.condition(expr, "WHERE"))
                    .transpose();
                binder.scopes.pop();
                Some(Some((sets?, filter?)))
            }
        },
        Some(_) => return Err(PgError::unsupported(insert).into()),
    };
    let returning = match &insert.returning {
        None => None,
        Some(items) => {
            binder.scopes.push(Scope {
                sources: vec![table(alias)],
                ..Scope::default()
            });
            let bound = bind_returning(binder, items);
            binder.scopes.pop();
            Some(bound?)
        }
    };
    Ok(Insert {
        name: name.clone(),
        oid: scan.oid,
        columns,
        targets,
        source,
        default_cells,
        on_conflict,
        returning,
    })
}

/// VALUES of an INSERT: each cell takes its column's type, and may be `DEFAULT`.
fn values_for<H: Host>(
    binder: &mut Binder<'_, H>,
    rows: &[&[Expr]],
    columns: &[Column],
    targets: &[usize],
    default_cells: &mut Vec<(usize, usize)>,
) -> Bound<Plan, H> {
    binder.scopes.push(Scope::default());
    let mut bound = Vec::new();
    let width = rows.first().map_or(0, |row| row.len());
    for (at, row) in rows.iter().enumerate() {
        if row.len() != width {
            return Err(PgError::new("42601", "VALUES lists must all be the same length").into());
        }
        let mut cells = Vec::new();
        for (place, expr) in row.iter().enumerate() {
            if is_default(expr) {
                default_cells.push((at, place));
                cells.push(Node::Const(Value::Null));
                continue;
            }
            let Some(target) = targets.get(place) else {
                return Err(PgError::new("42601", "INSERT has more expressions than target columns").into());
            };
            let typed = binder.expr(expr)?;
            cells.push(assignable(binder, typed, &columns[*target])?.0);
        }
        bound.push(cells);
    }
    binder.scopes.pop();
    let shown = targets
        .iter()
        .take(width)
        .map(|target| columns[*target].clone())
        .collect();
    Ok(plain(shown, Body::Values(bound)))
}

/// Runs an INSERT.
pub(crate) fn insert<H: Host>(host: &mut H, bound: &Insert, parameters: &[Value]) -> Bound<Rows, H> {
    let given = match &bound.source {
        Some(plan) => Exec { host, parameters }.plan(plan, None)?,
        None => vec![Vec::new()],
    };
    let source_types: Vec<Type> = bound
        .source
        .iter()
        .flat_map(|plan| &plan.columns)
        .map(|column| column.ty.clone())
        .collect();
    let targets = if bound.source.is_some() {
        bound.targets.as_slice()
    } else {
        &[]
    };
    let mut filler = Filler::new(host, &bound.name, Rc::clone(&bound.columns))?;
    let mut rows = Vec::new();
    for (at, row) in given.into_iter().enumerate() {
        let mut cells = vec![None; bound.columns.len()];
        for (place, (value, target)) in row.into_iter().zip(targets).enumerate() {
            if !bound.default_cells.contains(&(at, place)) {
                let column = &bound.columns[*target];
                cells[*target] = Some(store(value, &source_types[place], column)?);
            }
        }
        rows.push(filler.fill(host, cells, false)?);
    }
    let mode = if bound.on_conflict.is_some() {
        OnConflict::Report
    } else {
        OnConflict::Fail
    };
    let outcomes = host.insert(&bound.name, rows.clone(), mode)?;
    let mut stored: Vec<Row> = Vec::new();
    let mut updates = Vec::new();
    for (row, outcome) in rows.into_iter().zip(outcomes) {
        match (outcome, &bound.on_conflict) {
            (InsertOutcome::Inserted, _) => stored.push(vec![Some(ScanRow {
                ctid: (0, 0),
                values: shared(row),
            })]),
            (InsertOutcome::Conflict(existing), Some(Some((sets, filter)))) => {
                let excluded = ScanRow {
                    ctid: (0, 0),
                    values: shared(row),
                };
                let pair = vec![Some(existing.clone()), Some(excluded)];
                if updates.iter().any(|(ctid, _)| *ctid == existing.ctid) {
                    let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                    return Err(PgError::new("21000", message).into());
                }
                let changed = apply_sets(host, parameters, sets, filter.as_ref(), &pair, &filler)?;
                if let Some(values) = changed {
                    stored.push(vec![Some(ScanRow {
                        ctid: existing.ctid,
                        values: shared(values.clone()),
                    })]);
                    updates.push((existing.ctid, values));
                }
            }
            (InsertOutcome::Conflict(_), _) => {}
        }
    }
    if !updates.is_empty() {
        host.update(&bound.name, updates)?;
    }
    let tag = format!("INSERT 0 {}", stored.len());
    returning(host, parameters, bound.returning.as_ref(), &stored, tag)
}

/// Binds what stands behind RETURNING.
pub(crate) fn bind_returning<H: Host>(
    binder: &mut Binder<'_, H>,
    items: &[SelectItem],
) -> Bound<Returning, H> {
    let (columns, items) = binder.items(items)?;
    Ok((columns.into(), items))
}

/// The rows of RETURNING.
pub(crate) fn returning<H: Host>(
    host: &mut H,
    parameters: &[Value],
    items: Option<&Returning>,
    stored: &[Row],
    tag: String,
) -> Bound<Rows, H> {
    let Some((columns, items)) = items else {
        return Ok(Rows {
            tag,
            ..Rows::default()
        });
    };
    let mut exec = Exec { host, parameters };
    let mut rows = Vec::new();
    for row in stored {
        let frame = Frame {
            row,
            aggregates: &[],
            outer: None,
        };
        let mut values = Vec::new();
        for item in items {
            let (Item::Value(node) | Item::Set(node)) = item;
            values.push(exec.eval(node, &frame)?);
        }
        rows.push(values);
    }
    Ok(Rows {
        columns: Rc::clone(columns),
        rows,
        tag,
    })
}
