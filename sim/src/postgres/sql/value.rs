//! Values of SQL: what they are, and how they compare.

use std::cmp::Ordering;
use std::rc::Rc;

pub use super::numeric::Numeric;
pub use super::types::Type;

/// One value. Its [`Type`] is known beside it; the same variant serves the types that share a form.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// NULL of any type.
    #[default]
    Null,
    /// `boolean`.
    Bool(bool),
    /// `smallint`, `integer`, `bigint`, `oid`, `xid`, `xid8`.
    Int(i64),
    /// `real`, `double precision`.
    Float(f64),
    /// `numeric`.
    Numeric(Box<Numeric>),
    /// `text`, `varchar`, `char(n)`, `name`, `"char"`, `json`, `jsonb`, `uuid`, and untyped literals.
    Text(Rc<str>),
    /// `bytea`.
    Bytes(Rc<[u8]>),
    /// `tid`: block and item.
    Tid(u32, u16),
    /// `timestamp`, `timestamptz`: microseconds since 2000-01-01 00:00 UTC; the extremes are infinities.
    Timestamp(i64),
    /// `date`: days since 2000-01-01.
    Date(i32),
    /// `interval`.
    Interval(Box<Interval>),
    /// `pg_lsn`.
    Lsn(u64),
    /// `regclass`, `regtype`: the oid and the name that it prints as.
    Reg(u32, Rc<str>),
    /// An array of one dimension.
    Array(Rc<[Value]>),
    /// A row: the fields with their types.
    Record(Rc<[(Type, Value)]>),
}

/// A span of time as Postgres keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Interval {
    /// The length with months of 30 days, by which intervals compare.
    #[must_use]
    pub fn total_micros(self) -> i128 {
        const DAY: i128 = 86_400_000_000;
        i128::from(self.months) * 30 * DAY + i128::from(self.days) * DAY + i128::from(self.micros)
    }
}

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a text-like value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Reg(_, text) => Some(text),
            _ => None,
        }
    }

    /// The integer of an integer or oid value.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            Value::Reg(oid, _) => Some(i64::from(*oid)),
            _ => None,
        }
    }

    /// The boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// The order of two values as `ORDER BY … NULLS LAST` sorts them: total, NULLs equal and last, numbers
    /// of any kind by value, text by bytes (the C collation).
    #[must_use]
    pub fn sort_cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Greater,
            (_, Value::Null) => Ordering::Less,
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Tid(a, b), Value::Tid(c, d)) => (a, b).cmp(&(c, d)),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Date(_), Value::Timestamp(_)) | (Value::Timestamp(_), Value::Date(_)) => {
                self.instant().cmp(&other.instant())
            }
            (Value::Interval(a), Value::Interval(b)) => a.total_micros().cmp(&b.total_micros()),
            (Value::Lsn(a), Value::Lsn(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) => cmp_lists(a.iter(), b.iter()),
            (Value::Record(a), Value::Record(b)) => {
                cmp_lists(a.iter().map(|(_, value)| value), b.iter().map(|(_, value)| value))
            }
            _ => self
                .number_cmp(other)
                .unwrap_or_else(|| self.rank().cmp(&other.rank())),
        }
    }

    fn number_cmp(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Float(a), b) => Some(cmp_floats(*a, b.as_f64()?)),
            (a, Value::Float(b)) => Some(cmp_floats(a.as_f64()?, *b)),
            (Value::Numeric(a), Value::Numeric(b)) => Some(a.cmp(b)),
            (Value::Numeric(a), b) => Some((**a).cmp(&Numeric::from(b.as_int()?))),
            (a, Value::Numeric(b)) => Some(Numeric::from(a.as_int()?).cmp(b)),
            (a, b) => Some(a.as_int()?.cmp(&b.as_int()?)),
        }
    }

    /// The number as a float.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(float) => Some(*float),
            Value::Numeric(numeric) => Some(numeric.to_f64()),
            other => other.as_int().map(|int| int as f64),
        }
    }

    /// Microseconds since 2000-01-01 of a date or timestamp.
    #[must_use]
    pub fn instant(&self) -> Option<i64> {
        match self {
            Value::Timestamp(micros) => Some(*micros),
            Value::Date(days) => Some(super::datetime::date_to_micros(*days)),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) | Value::Float(_) | Value::Numeric(_) | Value::Reg(..) => 1,
            Value::Text(_) => 2,
            Value::Bytes(_) => 3,
            Value::Tid(..) => 4,
            Value::Timestamp(_) | Value::Date(_) => 5,
            Value::Interval(_) => 6,
            Value::Lsn(_) => 7,
            Value::Array(_) => 8,
            Value::Record(_) => 9,
            Value::Null => 10,
        }
    }
}

/// Equality as DISTINCT and GROUP BY see it: NULL equals NULL.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.sort_cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_cmp(other)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Value::Int(int)
    }
}

impl From<i32> for Value {
    fn from(int: i32) -> Self {
        Value::Int(i64::from(int))
    }
}

impl From<u32> for Value {
    fn from(int: u32) -> Self {
        Value::Int(i64::from(int))
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Value::Bool(bool)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

fn cmp_lists<'a>(a: impl Iterator<Item = &'a Value>, b: impl Iterator<Item = &'a Value>) -> Ordering {
    a.cmp(b)
}

/// NaN equals itself and is above every other number.
fn cmp_floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}
