//! What storage needs to know of values.

use super::sql::value::Value;

/// How many bytes a value takes in a tuple, about.
pub fn width(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) | Value::Timestamp(_) | Value::Lsn(_) => 8,
        Value::Date(_) | Value::Reg(..) => 4,
        Value::Tid(..) => 6,
        Value::Interval(_) | Value::Numeric(_) => 16,
        Value::Text(text) => text.len() + 1,
        Value::Bytes(bytes) => bytes.len() + 1,
        Value::Array(items) => 24 + items.iter().map(width).sum::<usize>(),
        Value::Record(fields) => 24 + fields.iter().map(|(_, value)| width(value)).sum::<usize>(),
    }
}
