//! Binding of aggregates.

use sqlparser::ast::{Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause};

use super::bind::{Binder, Bound, direction};
use super::error::PgError;
use super::host::Host;
use super::names;
use super::plan::{Aggregate, AggregateKind, Node, SortKey, Typed};
use super::value::Type;

impl<H: Host> Binder<'_, H> {
    pub(super) fn aggregate(
        &mut self,
        function: &Function,
        kind: AggregateKind,
        args: &[FunctionArg],
        distinct: bool,
        clauses: &[FunctionArgumentClause],
    ) -> Bound<Typed, H> {
        if !std::mem::replace(&mut self.scope().aggregates_allowed, false) {
            let message = "aggregate functions are not allowed here";
            return Err(PgError::new("42803", message).into());
        }
        let bound = self.aggregate_parts(function, kind, args, distinct, clauses);
        self.scope().aggregates_allowed = true;
        let aggregate = bound?;
        let ty = aggregate.ty.clone();
        let known = self
            .scope()
            .aggregates
            .iter()
            .position(|other| *other == aggregate);
        let index = known.unwrap_or_else(|| {
            self.scope().aggregates.push(aggregate);
            self.scope().aggregates.len() - 1
        });
        Ok(Typed {
            node: Node::Aggregate { depth: 0, index },
            ty,
        })
    }

    fn aggregate_parts(
        &mut self,
        function: &Function,
        kind: AggregateKind,
        args: &[FunctionArg],
        distinct: bool,
        clauses: &[FunctionArgumentClause],
    ) -> Bound<Aggregate, H> {
        let star = matches!(args, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let mut bound = Vec::new();
        if !star {
            for arg in args {
                bound.push(self.function_arg(&names::last(&function.name), arg)?);
            }
        }
        let mut bound = bound.into_iter();
        let argument = bound.next();
        let delimiter = match bound.next() {
            Some(delimiter) => Some(self.coerce(delimiter, &Type::Text)?.node),
            None => None,
        };
        let arity = if kind == AggregateKind::StringAgg { 2 } else { 1 };
        if bound.next().is_some() || (args.len() != arity) || (star && kind != AggregateKind::Count) {
            return Err(PgError::undefined_function(&function.to_string()).into());
        }
        let argument = match argument {
            Some(typed) if typed.ty == Type::Unknown => {
                let bool = matches!(kind, AggregateKind::BoolAnd | AggregateKind::BoolOr);
                Some(self.coerce(typed, if bool { &Type::Bool } else { &Type::Text })?)
            }
            other => other,
        };
        let argument_type = argument.as_ref().map_or(Type::Int8, |typed| typed.ty.clone());
        let ty = aggregate_type(kind, &argument_type).ok_or_else(|| {
            PgError::undefined_function(&format!(
                "{}({})",
                names::last(&function.name),
                argument_type.base().name()
            ))
        })?;
        let filter = match &function.filter {
            Some(filter) => Some(self.condition(filter, "FILTER")?),
            None => None,
        };
        let mut order = Vec::new();
        for clause in clauses {
            let FunctionArgumentClause::OrderBy(keys) = clause else {
                return Err(PgError::unsupported(function).into());
            };
            for key in keys {
                let (descending, nulls_first) = direction(key)?;
                order.push(SortKey {
                    node: self.expr(&key.expr)?.node,
                    descending,
                    nulls_first,
                });
            }
        }
        Ok(Aggregate {
            kind,
            argument,
            delimiter,
            distinct,
            filter,
            order,
            ty,
        })
    }
}

/// The aggregate of this name.
pub(super) fn aggregate_kind(name: &str) -> Option<AggregateKind> {
    Some(match name {
        "count" => AggregateKind::Count,
        "sum" => AggregateKind::Sum,
        "min" => AggregateKind::Min,
        "max" => AggregateKind::Max,
        "avg" => AggregateKind::Avg,
        "bool_and" | "every" => AggregateKind::BoolAnd,
        "bool_or" => AggregateKind::BoolOr,
        "string_agg" => AggregateKind::StringAgg,
        "array_agg" => AggregateKind::ArrayAgg,
        _ => return None,
    })
}

fn aggregate_type(kind: AggregateKind, ty: &Type) -> Option<Type> {
    Some(match (kind, ty) {
        (AggregateKind::Count, _) => Type::Int8,
        (AggregateKind::Sum, Type::Int2 | Type::Int4) => Type::Int8,
        (
            AggregateKind::Sum | AggregateKind::Avg,
            Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric(_),
        ) => Type::Numeric(None),
        (AggregateKind::Sum, Type::Float4 | Type::Float8 | Type::Interval) => ty.clone(),
        (AggregateKind::Avg, Type::Float4 | Type::Float8) => Type::Float8,
        (AggregateKind::Min | AggregateKind::Max, Type::Bool | Type::Json | Type::Uuid | Type::Xid) => {
            return None;
        }
        (AggregateKind::Min | AggregateKind::Max, ty) if ty.is_string() && !matches!(ty, Type::Bpchar(_)) => {
            Type::Text
        }
        (AggregateKind::Min | AggregateKind::Max, ty) => ty.base(),
        (AggregateKind::BoolAnd | AggregateKind::BoolOr, Type::Bool) => Type::Bool,
        (AggregateKind::StringAgg, ty) if ty.is_string() => Type::Text,
        (AggregateKind::ArrayAgg, Type::Array(_)) => return None,
        (AggregateKind::ArrayAgg, ty) => Type::Array(ty.base().into()),
        _ => return None,
    })
}
