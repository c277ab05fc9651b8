//! What a row must satisfy, and which partition it belongs to.

use std::cmp::Ordering;
use std::rc::Rc;

use super::relation::{Bound, Limit, Relation, RelationKind, ReplicaIdentity, Strategy};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::value::Value;
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

/// Checks NOT NULL.
///
/// # Errors
/// `23502`.
pub fn check_row(relation: &Relation, row: &[Value]) -> Result<(), PgError> {
    for (position, column) in relation.live() {
        if column.not_null && row.get(position).is_none_or(Value::is_null) {
            let shown: Vec<String> = relation
                .live()
                .map(|(at, column)| match row.get(at) {
                    None | Some(Value::Null) => "null".to_owned(),
                    Some(value) => value.to_text(&column.ty),
                })
                .collect();
            let message = format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                column.name, relation.name
            );
            let detail = format!("Failing row contains ({}).", shown.join(", "));
            return Err(PgError::new("23502", message).with_detail(detail));
        }
    }
    Ok(())
}

/// Finds the leaf that a row of a partitioned table belongs to; answers the row in the leaf's column order.
///
/// # Errors
/// `23514` when there is none, `0A000` for hash partitions.
pub fn route(
    state: &State,
    pid: i32,
    relation: &Rc<Relation>,
    row: Vec<Value>,
) -> Result<(Rc<Relation>, Vec<Value>), Interrupt<Wait>> {
    let RelationKind::Partitioned(key) = &relation.kind else {
        return Ok((Rc::clone(relation), row));
    };
    if key.strategy == Strategy::Hash {
        return Err(PgError::unsupported("inserting into a table partitioned by hash").into());
    }
    let values: Vec<&Value> = key.columns.iter().map(|&column| &row[column]).collect();
    let children = state
        .database(pid)
        .children(&state.log, state.catalog_view(pid), relation.oid);
    let holds = |child: &&Rc<Relation>| {
        child
            .parent
            .as_ref()
            .is_some_and(|(_, bound)| takes(bound, &values))
    };
    let default = |child: &&Rc<Relation>| matches!(child.parent, Some((_, Bound::Default)));
    let Some(child) = children
        .iter()
        .find(holds)
        .or_else(|| children.iter().find(default))
    else {
        let message = format!("no partition of relation \"{}\" found for row", relation.name);
        return Err(PgError::new("23514", message).into());
    };
    let mut moved = vec![Value::Null; child.columns.len()];
    for (from, column) in relation.live() {
        if let Some(to) = child.column(&column.name) {
            moved[to] = row[from].clone();
        }
    }
    route(state, pid, child, moved)
}

fn takes(bound: &Bound, values: &[&Value]) -> bool {
    match bound {
        Bound::List(list) => list.contains(values[0]),
        Bound::Range(from, to) => {
            !values.iter().any(|value| value.is_null())
                && compare(values, from) != Ordering::Less
                && compare(values, to) == Ordering::Less
        }
        Bound::Hash(..) | Bound::Default => false,
    }
}

fn compare(values: &[&Value], limits: &[Limit]) -> Ordering {
    for (value, limit) in values.iter().zip(limits) {
        let order = match limit {
            Limit::MinValue => return Ordering::Greater,
            Limit::MaxValue => return Ordering::Less,
            Limit::Value(limit) => value.sort_cmp(limit),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// UPDATE and DELETE of a published table need a replica identity (OB-108).
///
/// # Errors
/// `55000`.
pub fn check_replica_identity(
    state: &State,
    pid: i32,
    relation: &Relation,
    verb: &str,
) -> Result<(), PgError> {
    let view = state.catalog_view(pid);
    let database = state.database(pid);
    let which = if verb == "update" { 1 } else { 2 };
    let noun = if verb == "update" { "updates" } else { "deletes" };
    let covers = |p: &super::database::Publication| {
        (p.all_tables || p.tables.contains_key(&relation.oid) || p.schemas.contains(&relation.schema))
            && p.publishes[which]
    };
    let published = database
        .publications
        .iter(&state.log, view)
        .any(|(_, publication)| covers(publication));
    if !published || relation.persistence != 'p' {
        return Ok(());
    }
    let identified = match relation.replica_identity {
        ReplicaIdentity::Full | ReplicaIdentity::Index(_) => true,
        ReplicaIdentity::Nothing => false,
        ReplicaIdentity::Default => {
            let indexes = database.indexes(&state.log, view, relation.oid);
            indexes
                .iter()
                .any(|index| index.index().is_some_and(|index| index.primary))
        }
    };
    if identified || matches!(relation.kind, RelationKind::Partitioned(_)) {
        return Ok(());
    }
    let message = format!(
        "cannot {verb} table \"{}\" because it does not have a replica identity and publishes {noun}",
        relation.name
    );
    let hint = format!(
        "To enable {} the table, set REPLICA IDENTITY using ALTER TABLE.",
        if which == 1 { "updating" } else { "deleting from" }
    );
    Err(PgError::new("55000", message).with_hint(hint))
}
