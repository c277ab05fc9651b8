//! Rows and the tuples that store them: a tuple has a place for every column that its table ever had.

use super::catalog::relation::Relation;
use super::sql::value::Value;

/// The value at a column's position in a tuple that may be older than the column.
pub(super) fn value_at(relation: &Relation, values: &[Value], at: usize) -> Value {
    let missing = || {
        relation
            .columns
            .get(at)
            .and_then(|column| column.missing.clone())
            .unwrap_or_default()
    };
    values.get(at).cloned().unwrap_or_else(missing)
}

/// Puts the values of a relation's live columns at their positions in a tuple.
pub(super) fn at_positions(relation: &Relation, values: Vec<Value>) -> Vec<Value> {
    if relation.whole() {
        return values;
    }
    let mut tuple = vec![Value::Null; relation.columns.len()];
    for ((position, _), value) in relation.live().zip(values) {
        tuple[position] = value;
    }
    tuple
}
