//! Conditions: what is true, false or unknown.

use std::cmp::Ordering;

use super::bind::Bound;
use super::eval::{Exec, Frame};
use super::host::Host;
use super::pattern;
use super::plan::{Comparison, Node, Plan};
use super::value::Value;

impl<H: Host> Exec<'_, H> {
    /// The value of a boolean expression.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of condition")]
    pub(crate) fn truth(&mut self, node: &Node, frame: &Frame<'_>) -> Bound<Option<bool>, H> {
        Ok(match node {
            Node::Not(inner) => self.truth(inner, frame)?.map(|bool| !bool),
            Node::And(left, right) => match self.truth(left, frame)? {
                Some(false) => Some(false),
                left => match (left, self.truth(right, frame)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
            },
            Node::Or(left, right) => match self.truth(left, frame)? {
                Some(true) => Some(true),
                left => match (left, self.truth(right, frame)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
            },
            Node::Compare(comparison, left, right) => {
                let left = self.eval(left, frame)?;
                compare(*comparison, &left, &self.eval(right, frame)?)
            }
            Node::IsNull { node, negated } => {
                let value = self.eval(node, frame)?;
                Some(match &value {
                    // A row is null when all of it is, and not null when none of it is.
                    Value::Record(fields) => fields.iter().all(|(_, field)| field.is_null() != *negated),
                    value => value.is_null() != *negated,
                })
            }
            Node::IsBool {
                node,
                wanted,
                negated,
            } => Some((self.truth(node, frame)? == Some(*wanted)) != *negated),
            Node::Distinct { left, right, negated } => {
                let left = self.eval(left, frame)?;
                Some((left != self.eval(right, frame)?) != *negated)
            }
            Node::In { node, list, negated } => {
                let value = self.eval(node, frame)?;
                let mut found = Some(false);
                for item in list {
                    match compare(Comparison::Eq, &value, &self.eval(item, frame)?) {
                        Some(true) => {
                            found = Some(true);
                            break;
                        }
                        None => found = None,
                        Some(false) => {}
                    }
                }
                found.map(|found| found != *negated)
            }
            Node::Like {
                node,
                pattern,
                escape,
                fold,
                negated,
            } => match (self.eval(node, frame)?, self.eval(pattern, frame)?) {
                (Value::Text(text), Value::Text(pattern)) => {
                    Some(pattern::like(&text, &pattern, *escape, *fold)? != *negated)
                }
                _ => None,
            },
            Node::Regex {
                node,
                pattern,
                fold,
                negated,
            } => match (self.eval(node, frame)?, self.eval(pattern, frame)?) {
                (Value::Text(text), Value::Text(pattern)) => {
                    Some(pattern::regex(&text, &pattern, *fold)? != *negated)
                }
                _ => None,
            },
            Node::Quantified {
                comparison,
                left,
                array,
                all,
            } => {
                let left = self.eval(left, frame)?;
                match self.eval(array, frame)? {
                    Value::Array(values) => quantified(*comparison, &left, values.iter(), *all),
                    _ => None,
                }
            }
            Node::QuantifiedQuery {
                comparison,
                left,
                plan,
                all,
            } => {
                let left = self.eval(left, frame)?;
                let values = self.column_of(plan, &left, frame)?;
                quantified(*comparison, &left, values.iter(), *all)
            }
            Node::Exists(plan) => Some(!self.plan(plan, Some(frame))?.is_empty()),
            other => self.value_truth(other, frame)?,
        })
    }

    fn value_truth(&mut self, node: &Node, frame: &Frame<'_>) -> Bound<Option<bool>, H> {
        // What is left here has a value of its own; a condition that came here would call itself for ever.
        let value = match node {
            Node::Not(_) | Node::And(..) | Node::Or(..) => Value::Null,
            other => self.eval(other, frame)?,
        };
        Ok(value.as_bool())
    }

    /// The values that a subquery gives for IN: its column, or its rows beside a row.
    fn column_of(&mut self, plan: &Plan, left: &Value, frame: &Frame<'_>) -> Bound<Vec<Value>, H> {
        let rows = self.plan(plan, Some(frame))?;
        Ok(match left {
            Value::Record(_) => rows
                .into_iter()
                .map(|row| {
                    Value::Record(
                        row.into_iter()
                            .zip(&plan.columns)
                            .map(|(v, c)| (c.ty.clone(), v))
                            .collect(),
                    )
                })
                .collect(),
            _ => rows.into_iter().filter_map(|mut row| row.pop()).collect(),
        })
    }
}

/// Compares two values; NULL when either is.
pub(crate) fn compare(comparison: Comparison, left: &Value, right: &Value) -> Option<bool> {
    if left.is_null() || right.is_null() {
        return None;
    }
    if let (Value::Record(a), Value::Record(b), Comparison::Eq) = (left, right, comparison) {
        let mut all = Some(a.len() == b.len());
        for ((_, a), (_, b)) in a.iter().zip(b.iter()) {
            match compare(Comparison::Eq, a, b) {
                Some(false) => return Some(false),
                None => all = None,
                Some(true) => {}
            }
        }
        return all;
    }
    let order = left.sort_cmp(right);
    Some(match comparison {
        Comparison::Eq => order == Ordering::Equal,
        Comparison::NotEq => order != Ordering::Equal,
        Comparison::Lt => order == Ordering::Less,
        Comparison::LtEq => order != Ordering::Greater,
        Comparison::Gt => order == Ordering::Greater,
        Comparison::GtEq => order != Ordering::Less,
    })
}

fn quantified<'a>(
    comparison: Comparison,
    left: &Value,
    values: impl Iterator<Item = &'a Value>,
    all: bool,
) -> Option<bool> {
    let mut result = Some(all);
    for value in values {
        match compare(comparison, left, value) {
            Some(found) if found != all => return Some(!all),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}
