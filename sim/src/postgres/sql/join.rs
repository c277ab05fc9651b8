//! The rows of a FROM list: joined in the order in which they are written.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::bind::Bound;
use super::eval::{Exec, Frame, Row, shared};
use super::host::{Host, ScanRow};
use super::plan::{Comparison, Join, JoinKind, Node, Source};
use super::run::Rows;
use super::value::Value;

impl<H: Host> Exec<'_, H> {
    /// The joined and filtered rows of a FROM list.
    pub(crate) fn joined(
        &mut self,
        joins: &[Join],
        filter: Option<&Node>,
        outer: Option<&Frame<'_>>,
    ) -> Bound<Vec<Row>, H> {
        let mut rows: Vec<Row> = vec![Vec::new()];
        for (index, join) in joins.iter().enumerate() {
            rows = self.join(rows, index, join, outer)?;
        }
        if let Some(filter) = filter {
            let mut kept = Vec::new();
            for row in rows {
                let frame = Frame {
                    row: &row,
                    aggregates: &[],
                    outer,
                };
                if self.truth(filter, &frame)? == Some(true) {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        Ok(rows)
    }

    fn join(
        &mut self,
        left: Vec<Row>,
        index: usize,
        join: &Join,
        outer: Option<&Frame<'_>>,
    ) -> Bound<Vec<Row>, H> {
        let lateral = match &join.source {
            Source::Query { lateral, .. } => *lateral,
            Source::Function { .. } => true,
            _ => false,
        } && index > 0;
        let mut shared_rows = None;
        if !lateral {
            shared_rows = Some(self.source_rows(index, join, &[], outer)?);
        }
        let mut out = Vec::new();
        let keeps_right = matches!(join.kind, JoinKind::Right | JoinKind::Full);
        let mut matched_right = BTreeSet::new();
        let equality = join.on.as_ref().and_then(|on| Equality::of(on, index));
        for mut row in left {
            let right = match &shared_rows {
                Some(rows) => rows.clone(),
                None => self.source_rows(index, join, &row, outer)?,
            };
            let mut matched = false;
            let wanted = equality.as_ref().and_then(|equality| equality.wanted(&row));
            for (place, candidate) in right.iter().enumerate() {
                if wanted.is_some_and(|(column, value)| differs(candidate, column, value)) {
                    continue;
                }
                row.push(Some(candidate.clone()));
                let frame = Frame {
                    row: &row,
                    aggregates: &[],
                    outer,
                };
                let hit = match &join.on {
                    Some(on) => self.truth(on, &frame)? == Some(true),
                    None => true,
                };
                if hit {
                    matched = true;
                    if keeps_right {
                        matched_right.insert(place);
                    }
                    out.push(row.clone());
                }
                row.pop();
            }
            if !matched && matches!(join.kind, JoinKind::Left | JoinKind::Full) {
                row.push(None);
                out.push(row);
            }
        }
        if keeps_right {
            for (place, candidate) in shared_rows.iter().flat_map(|rows| rows.iter().enumerate()) {
                if !matched_right.contains(&place) {
                    let mut row: Row = vec![None; index];
                    row.push(Some(candidate.clone()));
                    out.push(row);
                }
            }
        }
        Ok(out)
    }

    /// The rows of one source that its own part of WHERE lets through.
    fn source_rows(
        &mut self,
        index: usize,
        join: &Join,
        left: &[Option<ScanRow>],
        outer: Option<&Frame<'_>>,
    ) -> Bound<Rc<Vec<ScanRow>>, H> {
        let rows = match &join.source {
            Source::Rows(slot) => slot.rows(),
            Source::Cte(cte) => {
                let known = cte.rows.borrow().clone();
                match known {
                    Some(rows) => rows,
                    None => {
                        let rows = Rc::new(scan_rows(self.plan(&cte.plan, None)?));
                        *cte.rows.borrow_mut() = Some(rows.clone());
                        rows
                    }
                }
            }
            Source::Query { plan, lateral } => {
                // Names of the queries around count from the query that holds this one in both cases.
                let frame = Frame {
                    row: if *lateral { left } else { &[] },
                    aggregates: &[],
                    outer,
                };
                Rc::new(scan_rows(self.plan(plan, Some(&frame))?))
            }
            Source::Function {
                node,
                width,
                set,
                ordinality,
            } => {
                let frame = Frame {
                    row: left,
                    aggregates: &[],
                    outer,
                };
                let value = self.eval(node, &frame)?;
                Rc::new(function_rows(value, *width, *set, *ordinality))
            }
        };
        let Some(filter) = &join.filter else {
            return Ok(rows);
        };
        let mut kept = Vec::new();
        let mut probe: Row = vec![None; index + 1];
        for row in rows.iter() {
            probe[index] = Some(row.clone());
            let frame = Frame {
                row: &probe,
                aggregates: &[],
                outer,
            };
            if self.truth(filter, &frame)? == Some(true) {
                kept.push(row.clone());
            }
        }
        Ok(Rc::new(kept))
    }
}

/// What the ON of a join asks of two columns of whole numbers, one of its source and one before it: that they are
/// equal. Nearly all pairs of a join of catalogs fail it, and it is cheaper to see than the whole condition.
struct Equality {
    before: (usize, usize),
    own: usize,
}

impl Equality {
    /// One that must hold where `on`, of the source at `index`, is true.
    fn of(on: &Node, index: usize) -> Option<Self> {
        let column = |node: &Node| match node {
            Node::Column {
                depth: 0,
                source,
                column,
            } => Some((*source, *column)),
            _ => None,
        };
        match on {
            Node::And(left, right) => Self::of(left, index).or_else(|| Self::of(right, index)),
            Node::Compare(Comparison::Eq, left, right) => match (column(left)?, column(right)?) {
                (before, (source, own)) | ((source, own), before) if source == index && before.0 < index => {
                    Some(Equality { before, own })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The column of the source and the number that it must have beside this row.
    fn wanted(&self, row: &Row) -> Option<(usize, i64)> {
        let (source, column) = self.before;
        match row.get(source)?.as_ref()?.values.get(column)? {
            Value::Int(value) => Some((self.own, *value)),
            _ => None,
        }
    }
}

/// Whether a row has another whole number in this column.
fn differs(row: &ScanRow, column: usize, wanted: i64) -> bool {
    matches!(row.values.get(column), Some(Value::Int(value)) if *value != wanted)
}

/// The rows of a query as a source.
fn scan_rows(rows: Rows) -> Vec<ScanRow> {
    rows.into_iter()
        .map(|row| ScanRow {
            ctid: (0, 0),
            values: shared(row),
        })
        .collect()
}

fn function_rows(value: Value, width: usize, set: bool, ordinality: bool) -> Vec<ScanRow> {
    let items: Vec<Value> = match value {
        Value::Array(values) if set => values.to_vec(),
        Value::Null if set => Vec::new(),
        value => vec![value],
    };
    let mut rows = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let mut row = match item {
            Value::Record(fields) => fields.iter().map(|(_, value)| value.clone()).collect(),
            other => vec![other],
        };
        row.resize(width, Value::Null);
        if ordinality {
            row.push(Value::Int(index as i64 + 1));
        }
        rows.push(row);
    }
    scan_rows(rows)
}
