//! Definitions as text: what `pg_get_expr`, `pg_get_constraintdef` and their kin print.

use super::relation::{Bound, ColumnDefinition, ColumnSource, Limit, Relation, RelationKind, Strategy};
use crate::postgres::sql::names::{quote_ident, quote_literal};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// A column's default as text; also of generated and serial columns.
pub fn default(state: &State, pid: i32, column: &ColumnDefinition) -> Option<String> {
    match &column.source {
        ColumnSource::Default(expr) | ColumnSource::Generated(expr) => Some(expr.to_string()),
        ColumnSource::Serial { sequence } => {
            let name = state
                .regclass(pid, *sequence)
                .unwrap_or_else(|| sequence.to_string());
            Some(format!("nextval({}::regclass)", quote_literal(&name)))
        }
        ColumnSource::Nothing | ColumnSource::Identity { .. } => None,
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Text(text) => quote_literal(text),
        Value::Timestamp(_) => quote_literal(&value.to_text(&Type::Timestamptz(None))),
        Value::Date(_) => quote_literal(&value.to_text(&Type::Date)),
        other => quote_literal(&other.to_text(&Type::Text)),
    }
}

/// `pg_get_expr(relpartbound, …)`.
pub fn bound(bound: &Bound) -> String {
    let limits = |limits: &[Limit]| {
        let texts = limits.iter().map(|limit| match limit {
            Limit::MinValue => "MINVALUE".to_owned(),
            Limit::MaxValue => "MAXVALUE".to_owned(),
            Limit::Value(value) => literal(value),
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    match bound {
        Bound::Range(from, to) => format!("FOR VALUES FROM ({}) TO ({})", limits(from), limits(to)),
        Bound::List(values) => {
            format!(
                "FOR VALUES IN ({})",
                values.iter().map(literal).collect::<Vec<_>>().join(", ")
            )
        }
        Bound::Hash(modulus, remainder) => {
            format!("FOR VALUES WITH (modulus {modulus}, remainder {remainder})")
        }
        Bound::Default => "DEFAULT".to_owned(),
    }
}

fn columns(table: &Relation, columns: &[usize]) -> String {
    let name = |position: &usize| {
        table
            .columns
            .get(*position)
            .map_or_else(String::new, |c| quote_ident(&c.name))
    };
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// `pg_get_constraintdef`.
pub fn constraint(state: &State, pid: i32, oid: u32) -> Option<String> {
    let database = state.database(pid);
    for (_, relation) in database.relations.iter(&state.log, state.catalog_view(pid)) {
        if relation.oid == oid {
            let index = relation.index().filter(|index| index.constraint)?;
            let table = state.relation(pid, index.table)?;
            let word = if index.primary { "PRIMARY KEY" } else { "UNIQUE" };
            return Some(format!("{word} ({})", columns(&table, &index.columns)));
        }
        if let Some(check) = relation.checks.iter().find(|check| check.oid == oid) {
            return Some(format!("CHECK (({}))", check.expr));
        }
    }
    None
}

/// `pg_get_indexdef`.
pub fn index(state: &State, pid: i32, oid: u32) -> Option<String> {
    let relation = state.relation(pid, oid)?;
    let index = relation.index()?;
    let table = state.relation(pid, index.table)?;
    let unique = if index.unique { "UNIQUE " } else { "" };
    let schema = quote_ident(&state.schema_name(pid, table.schema));
    Some(format!(
        "CREATE {unique}INDEX {} ON {schema}.{} USING btree ({})",
        quote_ident(&relation.name),
        quote_ident(&table.name),
        columns(&table, &index.columns)
    ))
}

/// `pg_get_partkeydef`.
pub fn partition_key(state: &State, pid: i32, oid: u32) -> Option<String> {
    let relation = state.relation(pid, oid)?;
    let RelationKind::Partitioned(key) = &relation.kind else {
        return None;
    };
    let strategy = match key.strategy {
        Strategy::Range => "RANGE",
        Strategy::List => "LIST",
        Strategy::Hash => "HASH",
    };
    Some(format!("{strategy} ({})", columns(&relation, &key.columns)))
}
