//! What is known of a bound SELECT as a whole: conditions go to the source they speak of, and grouped
//! queries are checked.

use super::bind::{Binder, Bound};
use super::error::PgError;
use super::host::Host;
use super::plan::{Item, JoinKind, Node, Select};

/// Gives each source the parts of WHERE that speak of it alone.
pub(crate) fn split_filter(select: &mut Select) {
    let Some(filter) = select.filter.take() else {
        return;
    };
    if select.joins.iter().any(|join| join.kind != JoinKind::Inner) {
        // Below an outer join a condition means something else; only its preserved first side is safe.
        let safe = select
            .joins
            .iter()
            .all(|join| matches!(join.kind, JoinKind::Inner | JoinKind::Left));
        return place_parts(select, filter, if safe { 1 } else { 0 });
    }
    let sources = select.joins.len();
    place_parts(select, filter, sources);
}

fn place_parts(select: &mut Select, filter: Node, sources: usize) {
    let mut parts = Vec::new();
    conjuncts(filter, &mut parts);
    let mut rest: Option<Node> = None;
    for part in parts {
        let mut used = Vec::new();
        let simple = sources_of(&part, &mut used);
        used.dedup();
        match used.as_slice() {
            [source] if simple && *source < sources => {
                let slot = &mut select.joins[*source].filter;
                *slot = Some(and(slot.take(), part));
            }
            _ => rest = Some(and(rest, part)),
        }
    }
    select.filter = rest;
}

fn and(left: Option<Node>, right: Node) -> Node {
    match left {
        Some(left) => Node::And(Box::new(left), Box::new(right)),
        None => right,
    }
}

fn conjuncts(node: Node, parts: &mut Vec<Node>) {
    match node {
        Node::And(left, right) => {
            conjuncts(*left, parts);
            conjuncts(*right, parts);
        }
        other => parts.push(other),
    }
}

/// Collects the sources of this level that a condition reads; false when it calls the server or runs a
/// query, whose calls must neither move nor multiply.
fn sources_of(node: &Node, used: &mut Vec<usize>) -> bool {
    match node {
        Node::Column { depth: 0, source, .. }
        | Node::Ctid { depth: 0, source }
        | Node::TableOid { depth: 0, source, .. }
        | Node::WholeRow { depth: 0, source, .. } => {
            used.push(*source);
            true
        }
        Node::HostCall { .. }
        | Node::Exists(_)
        | Node::Scalar(_)
        | Node::ArrayQuery(_)
        | Node::QuantifiedQuery { .. } => false,
        other => other.children().into_iter().all(|child| sources_of(child, used)),
    }
}

impl<H: Host> Binder<'_, H> {
    /// In a grouped query, columns outside aggregates must be grouped by.
    pub(crate) fn check_grouping(&mut self, select: &Select) -> Bound<(), H> {
        if !select.grouped {
            return Ok(());
        }
        let items = select.items.iter().map(|item| match item {
            Item::Value(node) | Item::Set(node) => node,
        });
        let others = select
            .having
            .iter()
            .chain(select.order.iter().map(|key| &key.node));
        for node in items.chain(others).chain(&select.distinct_on) {
            if let Some((source, column)) = ungrouped(node, &select.group) {
                let visible = &self.scope().sources[source];
                let name = visible
                    .columns
                    .get(column)
                    .map_or("ctid", |column| column.name.as_str());
                let message = format!(
                    "column \"{}.{name}\" must appear in the GROUP BY clause or be used in an aggregate function",
                    visible.alias
                );
                return Err(PgError::new("42803", message).into());
            }
        }
        Ok(())
    }
}

fn ungrouped(node: &Node, group: &[Node]) -> Option<(usize, usize)> {
    if group.contains(node) {
        return None;
    }
    match node {
        Node::Column {
            depth: 0,
            source,
            column,
        } => Some((*source, *column)),
        Node::Ctid { depth: 0, source }
        | Node::TableOid { depth: 0, source, .. }
        | Node::WholeRow { depth: 0, source, .. } => Some((*source, usize::MAX)),
        other => other
            .children()
            .into_iter()
            .find_map(|child| ungrouped(child, group)),
    }
}

impl Node {
    /// The expressions inside it, queries left out.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match self {
            Node::Const(_)
            | Node::Param(..)
            | Node::Column { .. }
            | Node::Ctid { .. }
            | Node::TableOid { .. }
            | Node::WholeRow { .. }
            | Node::Aggregate { .. }
            | Node::Exists(_)
            | Node::Scalar(_)
            | Node::ArrayQuery(_) => Vec::new(),
            Node::Not(node)
            | Node::IsNull { node, .. }
            | Node::IsBool { node, .. }
            | Node::Cast { node, .. }
            | Node::Field(node, _)
            | Node::QuantifiedQuery { left: node, .. } => vec![node],
            Node::And(a, b)
            | Node::Or(a, b)
            | Node::Compare(_, a, b)
            | Node::Arithmetic(_, _, a, b)
            | Node::Distinct {
                left: a, right: b, ..
            }
            | Node::Like {
                node: a, pattern: b, ..
            }
            | Node::Regex {
                node: a, pattern: b, ..
            }
            | Node::Quantified {
                left: a, array: b, ..
            }
            | Node::NullIf(a, b)
            | Node::Index(a, b) => vec![a, b],
            Node::In { node, list, .. } => std::iter::once(&**node).chain(list).collect(),
            Node::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(when, then)| [when, then])
                .chain([&**otherwise])
                .collect(),
            Node::Coalesce(nodes) | Node::Extreme { nodes, .. } | Node::Array(nodes) => {
                nodes.iter().collect()
            }
            Node::Call { args, .. } | Node::HostCall { args, .. } => args.iter().collect(),
            Node::Row(fields) => fields.iter().map(|(_, node)| node).collect(),
        }
    }
}
