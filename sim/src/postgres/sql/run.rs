//! Running bound queries.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::bind::Bound;
use super::error::PgError;
use super::eval::{Exec, Frame, Row, shared};
use super::host::Host;
use super::plan::{Body, Item, Node, Plan, Select, SetKind, SortKey};
use super::value::Value;

pub(super) type Rows = Vec<Vec<Value>>;

impl<H: Host> Exec<'_, H> {
    /// The rows of a query.
    pub(crate) fn plan(&mut self, plan: &Plan, outer: Option<&Frame<'_>>) -> Bound<Rows, H> {
        let mut rows = match &plan.body {
            Body::Select(select) => self.select(select, outer)?,
            Body::Plan(inner) => self.plan(inner, outer)?,
            Body::Values(list) => {
                let frame = Frame {
                    row: &[],
                    aggregates: &[],
                    outer,
                };
                list.iter()
                    .map(|row| row.iter().map(|node| self.eval(node, &frame)).collect())
                    .collect::<Bound<Rows, H>>()?
            }
            Body::Set {
                operator,
                all,
                left,
                right,
            } => {
                let (left, right) = (self.plan(left, outer)?, self.plan(right, outer)?);
                combine(*operator, *all, left, right)
            }
        };
        if !plan.order.is_empty() {
            rows.sort_by(|a, b| {
                plan.order
                    .iter()
                    .map(|(place, down, first)| sort_values(&a[*place], &b[*place], *down, *first))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            });
        }
        let frame = Frame {
            row: &[],
            aggregates: &[],
            outer,
        };
        if let Some(offset) = &plan.offset {
            let skip = self.count(offset, &frame, "OFFSET")?.unwrap_or(0);
            rows.drain(..skip.min(rows.len()));
        }
        if let Some(limit) = &plan.limit
            && let Some(limit) = self.count(limit, &frame, "LIMIT")?
        {
            rows.truncate(limit);
        }
        Ok(rows)
    }

    fn count(&mut self, node: &Node, frame: &Frame<'_>, clause: &str) -> Bound<Option<usize>, H> {
        match self.eval(node, frame)?.as_int() {
            None => Ok(None),
            Some(count) => match usize::try_from(count) {
                Ok(count) => Ok(Some(count)),
                Err(_) => {
                    let code = if clause == "LIMIT" { "2201W" } else { "2201X" };
                    Err(PgError::new(code, format!("{clause} must not be negative")).into())
                }
            },
        }
    }

    fn select(&mut self, select: &Select, outer: Option<&Frame<'_>>) -> Bound<Rows, H> {
        let rows = self.joined(&select.joins, select.filter.as_ref(), outer)?;
        let groups: Vec<(Row, Vec<Value>)> = if select.grouped {
            self.groups(select, rows, outer)?
        } else {
            rows.into_iter().map(|row| (row, Vec::new())).collect()
        };
        // (sort keys, DISTINCT ON keys, result row)
        let mut out: Vec<(Vec<Value>, Vec<Value>, Vec<Value>)> = Vec::new();
        for (row, aggregates) in &groups {
            let frame = Frame {
                row,
                aggregates,
                outer,
            };
            if let Some(having) = &select.having
                && self.truth(having, &frame)? != Some(true)
            {
                continue;
            }
            for result in self.project(&select.items, &frame)? {
                let mut keys = Vec::new();
                for key in &select.order {
                    keys.push(self.sort_value(&key.node, select, &result, &frame)?);
                }
                let mut on = Vec::new();
                for node in &select.distinct_on {
                    on.push(self.sort_value(node, select, &result, &frame)?);
                }
                out.push((keys, on, result));
            }
        }
        if select.distinct {
            let mut seen = BTreeSet::new();
            out.retain(|(_, _, row)| seen.insert(row.clone()));
        }
        if !select.order.is_empty() {
            out.sort_by(|(a, ..), (b, ..)| sort_keys(a, b, &select.order));
        }
        if !select.distinct_on.is_empty() {
            let mut seen = BTreeSet::new();
            out.retain(|(_, on, _)| seen.insert(on.clone()));
        }
        Ok(out.into_iter().map(|(_, _, row)| row).collect())
    }

    /// A sort key; when it is a result column, that column's value, so that nothing is called twice.
    fn sort_value(
        &mut self,
        node: &Node,
        select: &Select,
        result: &[Value],
        frame: &Frame<'_>,
    ) -> Bound<Value, H> {
        let place = select.items.iter().position(|item| match item {
            Item::Value(item) | Item::Set(item) => item == node,
        });
        match place {
            Some(place) => Ok(result[place].clone()),
            None => self.eval(node, frame),
        }
    }

    fn project(&mut self, items: &[Item], frame: &Frame<'_>) -> Bound<Rows, H> {
        let mut row = Vec::with_capacity(items.len());
        let mut sets = Vec::new();
        for (place, item) in items.iter().enumerate() {
            match item {
                Item::Value(node) => row.push(self.eval(node, frame)?),
                Item::Set(node) => {
                    row.push(Value::Null);
                    sets.push((place, self.eval(node, frame)?));
                }
            }
        }
        if sets.is_empty() {
            return Ok(vec![row]);
        }
        let list = |value: &Value| match value {
            Value::Array(values) => values.clone(),
            _ => shared(Vec::new()),
        };
        let length = sets.iter().map(|(_, value)| list(value).len()).max().unwrap_or(0);
        let mut rows = vec![row; length];
        for (place, value) in &sets {
            for (row, value) in rows.iter_mut().zip(list(value).iter()) {
                row[*place] = value.clone();
            }
        }
        Ok(rows)
    }

    fn groups(
        &mut self,
        select: &Select,
        rows: Vec<Row>,
        outer: Option<&Frame<'_>>,
    ) -> Bound<Vec<(Row, Vec<Value>)>, H> {
        let mut groups: BTreeMap<Vec<Value>, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let frame = Frame {
                row: &row,
                aggregates: &[],
                outer,
            };
            let key = select
                .group
                .iter()
                .map(|node| self.eval(node, &frame))
                .collect::<Bound<Vec<Value>, H>>()?;
            groups.entry(key).or_default().push(row);
        }
        if groups.is_empty() && select.group.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        let mut out = Vec::new();
        for members in groups.into_values() {
            let mut values = Vec::new();
            for aggregate in &select.aggregates {
                values.push(self.aggregate(aggregate, &members, outer)?);
            }
            let first = members
                .into_iter()
                .next()
                .unwrap_or_else(|| vec![None; select.joins.len()]);
            out.push((first, values));
        }
        Ok(out)
    }
}

fn combine(operator: SetKind, all: bool, left: Rows, right: Rows) -> Rows {
    let mut rows = match operator {
        SetKind::Union => {
            let mut rows = left;
            rows.extend(right);
            rows
        }
        SetKind::Except | SetKind::Intersect => {
            let mut counts: BTreeMap<Vec<Value>, usize> = BTreeMap::new();
            for row in right {
                *counts.entry(row).or_default() += 1;
            }
            let keep = |row: &Vec<Value>| {
                let count = counts.get_mut(row);
                let found = count.as_ref().is_some_and(|count| **count > 0);
                if let (true, true, Some(count)) = (found, all, count) {
                    *count -= 1;
                }
                found == (operator == SetKind::Intersect)
            };
            let mut keep = keep;
            left.into_iter().filter(|row| keep(row)).collect()
        }
    };
    if !all {
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(row.clone()));
    }
    rows
}

/// The order of two rows by their keys.
pub(crate) fn sort_keys(a: &[Value], b: &[Value], keys: &[SortKey]) -> Ordering {
    a.iter()
        .zip(b)
        .zip(keys)
        .map(|((a, b), key)| sort_values(a, b, key.descending, key.nulls_first))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn sort_values(a: &Value, b: &Value, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => b.sort_cmp(a),
        (false, false) => a.sort_cmp(b),
    }
}
