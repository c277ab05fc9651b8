//! Evaluation of bound expressions.

use std::rc::Rc;

use super::bind::Bound;
use super::cast::{CastKind, cast};
use super::error::PgError;
use super::host::{Host, Interrupt, ScanRow};
use super::names;
use super::plan::{Comparison, Node};
use super::truth::compare;
use super::value::{Interval, Type, Value};

/// One row of each source of a query; `None` where an outer join found none.
pub(crate) type Row = Vec<Option<ScanRow>>;

/// Where the names of a query point to while one row is looked at, and the queries around it.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) row: &'a [Option<ScanRow>],
    pub(crate) aggregates: &'a [Value],
    pub(crate) outer: Option<&'a Frame<'a>>,
}

impl<'a> Frame<'a> {
    fn at(&self, depth: usize) -> &Frame<'a> {
        let mut frame = self;
        for _ in 0..depth {
            frame = frame.outer.expect("binding counted the queries around");
        }
        frame
    }

    fn source(&self, depth: usize, source: usize) -> Option<&ScanRow> {
        self.at(depth).row.get(source)?.as_ref()
    }
}

/// Runs one statement.
pub(crate) struct Exec<'h, H: Host> {
    pub(crate) host: &'h mut H,
    pub(crate) parameters: &'h [Value],
}

impl<H: Host> Exec<'_, H> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    pub(crate) fn eval(&mut self, node: &Node, frame: &Frame<'_>) -> Bound<Value, H> {
        Ok(match node {
            Node::Const(value) => value.clone(),
            Node::Param(index, ty) => match self.parameters.get(*index) {
                Some(Value::Text(text)) if !ty.is_string() => ty.parse_text(text)?,
                Some(value) => value.clone(),
                None => {
                    let message = format!("there is no parameter ${}", index + 1);
                    return Err(PgError::new("42P02", message).into());
                }
            },
            Node::Column {
                depth,
                source,
                column,
            } => frame
                .source(*depth, *source)
                .and_then(|row| row.values.get(*column))
                .cloned()
                .unwrap_or_default(),
            Node::Ctid { depth, source } => match frame.source(*depth, *source) {
                Some(row) => Value::Tid(row.ctid.0, row.ctid.1),
                None => Value::Null,
            },
            Node::TableOid { depth, source, oid } => match frame.source(*depth, *source) {
                Some(_) => Value::from(*oid),
                None => Value::Null,
            },
            Node::WholeRow {
                depth,
                source,
                columns,
            } => match frame.source(*depth, *source) {
                Some(row) => Value::Record(
                    columns
                        .iter()
                        .zip(row.values.iter())
                        .map(|(c, value)| (c.ty.clone(), value.clone()))
                        .collect(),
                ),
                None => Value::Null,
            },
            Node::Aggregate { depth, index } => frame
                .at(*depth)
                .aggregates
                .get(*index)
                .cloned()
                .unwrap_or_default(),
            Node::Cast { node, from, to } => {
                let value = self.eval(node, frame)?;
                self.cast(value, from, to)?
            }
            Node::Arithmetic(operator, ty, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                super::arithmetic::arithmetic(*operator, ty, &left, &right)?
            }
            Node::Call { run, args, types } => {
                let values = self.all(args, frame)?;
                if run.strict && values.iter().any(Value::is_null) {
                    Value::Null
                } else {
                    (run.run)(&values, types)?
                }
            }
            Node::HostCall { name, args, types } => self.host_call(name, args, types, frame)?,
            Node::Scalar(plan) => {
                let mut rows = self.plan(plan, Some(frame))?;
                if rows.len() > 1 {
                    let message = "more than one row returned by a subquery used as an expression";
                    return Err(PgError::new("21000", message).into());
                }
                rows.pop().and_then(|mut row| row.pop()).unwrap_or_default()
            }
            Node::ArrayQuery(plan) => {
                let rows = self.plan(plan, Some(frame))?;
                Value::Array(rows.into_iter().filter_map(|mut row| row.pop()).collect())
            }
            Node::Array(nodes) => Value::Array(self.all(nodes, frame)?.into()),
            Node::Row(fields) => {
                let mut values = Vec::new();
                for (ty, node) in fields {
                    values.push((ty.clone(), self.eval(node, frame)?));
                }
                Value::Record(values.into())
            }
            Node::Index(array, index) => match (self.eval(array, frame)?, self.eval(index, frame)?) {
                (Value::Array(values), Value::Int(index @ 1..)) => {
                    values.get(index as usize - 1).cloned().unwrap_or_default()
                }
                _ => Value::Null,
            },
            Node::Field(record, index) => match self.eval(record, frame)? {
                Value::Record(fields) => fields
                    .get(*index)
                    .map(|field| field.1.clone())
                    .unwrap_or_default(),
                _ => Value::Null,
            },
            _ => self.conditional(node, frame)?,
        })
    }

    fn conditional(&mut self, node: &Node, frame: &Frame<'_>) -> Bound<Value, H> {
        match node {
            Node::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    if self.truth(condition, frame)? == Some(true) {
                        return self.eval(result, frame);
                    }
                }
                self.eval(otherwise, frame)
            }
            Node::Coalesce(nodes) => {
                for node in nodes {
                    let value = self.eval(node, frame)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Node::Extreme { nodes, greatest } => {
                let values = self
                    .all(nodes, frame)?
                    .into_iter()
                    .filter(|value| !value.is_null());
                Ok(if *greatest { values.max() } else { values.min() }.unwrap_or_default())
            }
            Node::NullIf(left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                let equal = compare(Comparison::Eq, &left, &right) == Some(true);
                Ok(if equal { Value::Null } else { left })
            }
            _ => Ok(self.truth(node, frame)?.map_or(Value::Null, Value::Bool)),
        }
    }

    fn all(&mut self, nodes: &[Node], frame: &Frame<'_>) -> Bound<Vec<Value>, H> {
        nodes.iter().map(|node| self.eval(node, frame)).collect()
    }

    fn host_call(&mut self, name: &str, args: &[Node], types: &[Type], frame: &Frame<'_>) -> Bound<Value, H> {
        let values = self.all(args, frame)?;
        if name == "to_regclass" {
            let Some(text) = values.first().and_then(Value::as_str) else {
                return Ok(Value::Null);
            };
            return Ok(match self.host.relation_oid(&names::parse_qualified(text)?) {
                Some(oid) => self.regclass(oid),
                None => Value::Null,
            });
        }
        match self.host.call(name, &values) {
            Some(result) => result,
            None => {
                let types: Vec<String> = types.iter().map(|ty| ty.base().name()).collect();
                let name = if name == "age_xid" { "age" } else { name };
                Err(PgError::undefined_function(&format!("{name}({})", types.join(", "))).into())
            }
        }
    }

    fn regclass(&mut self, oid: u32) -> Value {
        let name = self
            .host
            .relation_name(oid)
            .unwrap_or_else(|| if oid == 0 { "-".into() } else { oid.to_string() });
        Value::Reg(oid, name.into())
    }

    pub(crate) fn cast(&mut self, value: Value, from: &Type, to: &Type) -> Bound<Value, H> {
        if value.is_null() {
            return Ok(value);
        }
        match (to, &value) {
            (Type::Regclass, Value::Text(text)) => {
                if let Ok(oid) = text.parse::<u32>() {
                    return Ok(self.regclass(oid));
                }
                let parts = names::parse_qualified(text)?;
                match self.host.relation_oid(&parts) {
                    Some(oid) => Ok(self.regclass(oid)),
                    None => Err(PgError::undefined_table(&parts.join(".")).into()),
                }
            }
            (Type::Regclass, Value::Int(oid)) => Ok(self.regclass(*oid as u32)),
            (Type::Regtype, Value::Text(text)) => match Type::from_name(text) {
                Some(ty) => Ok(Value::Reg(ty.oid(), ty.name().into())),
                None => Err(PgError::new("42704", format!("type \"{text}\" does not exist")).into()),
            },
            (Type::Regtype, Value::Int(oid)) => {
                let name = Type::from_oid(*oid as u32, -1).map_or_else(|| oid.to_string(), |ty| ty.name());
                Ok(Value::Reg(*oid as u32, name.into()))
            }
            _ => cast(value, from, to, CastKind::Explicit).map_err(Interrupt::from),
        }
    }
}

/// An interval of so many microseconds, without days, as a list element of nothing.
pub(crate) fn interval(months: i32, days: i32, micros: i64) -> Value {
    Value::Interval(Box::new(Interval { months, days, micros }))
}

/// The row of values as a shared slice.
pub(crate) fn shared(values: Vec<Value>) -> Rc<[Value]> {
    values.into()
}
