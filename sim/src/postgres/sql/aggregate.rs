//! Aggregates.

use std::collections::BTreeSet;

use super::arithmetic::arithmetic;
use super::bind::Bound;
use super::cast::to_numeric;
use super::error::PgError;
use super::eval::{Exec, Frame, Row};
use super::host::Host;
use super::plan::{Aggregate, AggregateKind};
use super::run::sort_keys;
use super::value::{Numeric, Type, Value};

impl<H: Host> Exec<'_, H> {
    /// The value of an aggregate over the rows of one group.
    pub(crate) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        rows: &[Row],
        outer: Option<&Frame<'_>>,
    ) -> Bound<Value, H> {
        let mut inputs: Vec<(Vec<Value>, Value, Value)> = Vec::new();
        for row in rows {
            let frame = Frame {
                row,
                aggregates: &[],
                outer,
            };
            if let Some(filter) = &aggregate.filter
                && self.truth(filter, &frame)? != Some(true)
            {
                continue;
            }
            let value = match &aggregate.argument {
                Some(argument) => self.eval(&argument.node, &frame)?,
                None => Value::Bool(true),
            };
            if value.is_null() && aggregate.kind != AggregateKind::ArrayAgg {
                continue;
            }
            let delimiter = match &aggregate.delimiter {
                Some(delimiter) => self.eval(delimiter, &frame)?,
                None => Value::Null,
            };
            let mut keys = Vec::new();
            for key in &aggregate.order {
                keys.push(self.eval(&key.node, &frame)?);
            }
            inputs.push((keys, value, delimiter));
        }
        if aggregate.distinct {
            let mut seen = BTreeSet::new();
            inputs.retain(|(_, value, _)| seen.insert(value.clone()));
            inputs.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        }
        if !aggregate.order.is_empty() {
            inputs.sort_by(|(a, ..), (b, ..)| sort_keys(a, b, &aggregate.order));
        }
        let argument = aggregate
            .argument
            .as_ref()
            .map_or(Type::Int8, |argument| argument.ty.clone());
        Ok(finish(aggregate, &argument, inputs)?)
    }
}

fn finish(
    aggregate: &Aggregate,
    argument: &Type,
    inputs: Vec<(Vec<Value>, Value, Value)>,
) -> Result<Value, PgError> {
    let count = inputs.len();
    let mut values = inputs.iter().map(|(_, value, _)| value);
    Ok(match aggregate.kind {
        AggregateKind::Count => Value::Int(count as i64),
        AggregateKind::ArrayAgg if count == 0 => Value::Null,
        AggregateKind::ArrayAgg => Value::Array(values.cloned().collect()),
        AggregateKind::Min => values.min().cloned().unwrap_or_default(),
        AggregateKind::Max => values.max().cloned().unwrap_or_default(),
        AggregateKind::BoolAnd if count == 0 => Value::Null,
        AggregateKind::BoolAnd => Value::Bool(values.all(|value| value.as_bool() == Some(true))),
        AggregateKind::BoolOr if count == 0 => Value::Null,
        AggregateKind::BoolOr => Value::Bool(values.any(|value| value.as_bool() == Some(true))),
        AggregateKind::StringAgg if count == 0 => Value::Null,
        AggregateKind::StringAgg => {
            let mut out = String::new();
            for (index, (_, value, delimiter)) in inputs.iter().enumerate() {
                if index > 0 {
                    out.push_str(delimiter.as_str().unwrap_or(""));
                }
                out.push_str(value.as_str().unwrap_or(""));
            }
            out.into()
        }
        AggregateKind::Sum => sum(&aggregate.ty, argument, values)?,
        AggregateKind::Avg => {
            let total = sum(&aggregate.ty, argument, values)?;
            let divisor = match &aggregate.ty {
                Type::Float8 => Value::Float(count as f64),
                _ => Value::Numeric(Box::new(Numeric::from(count as i64))),
            };
            arithmetic('/', &aggregate.ty, &total, &divisor)?
        }
    })
}

fn sum<'a>(ty: &Type, argument: &Type, values: impl Iterator<Item = &'a Value>) -> Result<Value, PgError> {
    let mut total = Value::Null;
    for value in values {
        let value = match (ty, value) {
            (Type::Numeric(_), value) => {
                to_numeric(value, argument)?.map_or(Value::Null, |numeric| Value::Numeric(Box::new(numeric)))
            }
            (_, value) => value.clone(),
        };
        total = if total.is_null() {
            value
        } else {
            arithmetic('+', ty, &total, &value)?
        };
    }
    Ok(total)
}
