//! Partitioned tables: their key and the bounds of their partitions.

use sqlparser::ast::{Expr, ForValues, FunctionArg, FunctionArgExpr, FunctionArguments, PartitionBoundValue};

use super::columns::literal;
use crate::postgres::catalog::relation::{Bound, Limit, PartitionKey, Relation, Strategy};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;

/// Reads `PARTITION BY RANGE (a, b)`.
pub(crate) fn key(relation: &Relation, by: &Expr) -> Result<PartitionKey, PgError> {
    let unsupported = || PgError::unsupported(format!("PARTITION BY {by}"));
    let Expr::Function(function) = by else {
        return Err(unsupported());
    };
    let strategy = match names::last(&function.name).as_str() {
        "range" => Strategy::Range,
        "list" => Strategy::List,
        "hash" => Strategy::Hash,
        _ => return Err(unsupported()),
    };
    let FunctionArguments::List(list) = &function.args else {
        return Err(unsupported());
    };
    let mut columns = Vec::new();
    for argument in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))) = argument else {
            return Err(unsupported());
        };
        let name = names::fold(ident);
        let missing = || {
            PgError::new(
                "42703",
                format!("column \"{name}\" named in partition key does not exist"),
            )
        };
        columns.push(relation.column(&name).ok_or_else(missing)?);
    }
    Ok(PartitionKey { strategy, columns })
}

/// Reads `FOR VALUES …`.
pub(crate) fn bound(
    parent: &Relation,
    key: &PartitionKey,
    values: Option<&ForValues>,
) -> Result<Bound, PgError> {
    let ty = |at: usize| {
        parent.columns[key.columns[at.min(key.columns.len() - 1)]]
            .ty
            .clone()
    };
    let limits = |values: &[PartitionBoundValue]| -> Result<Vec<Limit>, PgError> {
        let limit = |(at, value): (usize, &PartitionBoundValue)| {
            Ok(match value {
                PartitionBoundValue::MinValue => Limit::MinValue,
                PartitionBoundValue::MaxValue => Limit::MaxValue,
                PartitionBoundValue::Expr(expr) => Limit::Value(literal(expr, &ty(at))?),
            })
        };
        values.iter().enumerate().map(limit).collect()
    };
    Ok(match values {
        Some(ForValues::In(list)) => Bound::List(
            list.iter()
                .map(|expr| literal(expr, &ty(0)))
                .collect::<Result<_, _>>()?,
        ),
        Some(ForValues::From { from, to }) => Bound::Range(limits(from)?, limits(to)?),
        Some(ForValues::With { modulus, remainder }) => Bound::Hash(*modulus, *remainder),
        Some(ForValues::Default) | None => Bound::Default,
    })
}
