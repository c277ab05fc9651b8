//! Casts between types.

use super::datetime;
use super::error::PgError;
use super::numeric::Numeric;
use super::text::first_bytes;
use super::text_input::numeric_with;
use super::value::{Type, Value};

/// Who asks for a cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastKind {
    /// `CAST` or `::`.
    Explicit,
    /// Storing into a column.
    Assignment,
}

/// Casts a value. Names to `regclass` are the server's to resolve, before this.
///
/// # Errors
/// `42846` when there is no such cast, and what the value itself may cause.
pub fn cast(value: Value, from: &Type, to: &Type, kind: CastKind) -> Result<Value, PgError> {
    if value.is_null() || (from == to && to.typmod() == -1) {
        return Ok(value);
    }
    match (&value, to) {
        (Value::Text(text), _) if from.is_string() && !(to.is_string() || *to == Type::Json) => {
            let trimmed = if matches!(from, Type::Bpchar(_)) {
                text.trim_end()
            } else {
                text
            };
            to.parse_text(trimmed)
        }
        (Value::Text(text), Type::Varchar(_) | Type::Bpchar(_)) => {
            let text = if matches!(from, Type::Bpchar(_)) {
                text.trim_end_matches(' ')
            } else {
                text
            };
            to.fit_string(text, kind == CastKind::Explicit)
        }
        (Value::Text(text), Type::Name) => Ok(Value::text(first_bytes(text, 63))),
        (Value::Text(text), Type::QChar) => Ok(Value::text(first_bytes(text, 1))),
        (Value::Text(text), Type::Text) if matches!(from, Type::Bpchar(_)) => {
            Ok(Value::text(text.trim_end_matches(' ')))
        }
        (Value::Text(_), Type::Text | Type::Unknown | Type::Json | Type::Jsonb | Type::Uuid) => Ok(value),
        (Value::Bool(bool), target) if target.is_string() && kind == CastKind::Explicit => {
            target.parse_text(if *bool { "true" } else { "false" })
        }
        (_, Type::Varchar(_) | Type::Bpchar(_)) => {
            to.fit_string(&value.to_text(from), kind == CastKind::Explicit)
        }
        (_, target) if target.is_string() => target.parse_text(&value.to_text(from)),
        _ => cast_scalar(&value, from, to)?.ok_or_else(|| no_cast(from, to)),
    }
}

fn cast_scalar(value: &Value, from: &Type, to: &Type) -> Result<Option<Value>, PgError> {
    Ok(Some(match (value, to) {
        (Value::Bool(bool), Type::Int4) => Value::Int(i64::from(*bool)),
        (Value::Int(int), Type::Bool) => Value::Bool(*int != 0),
        (value, Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid | Type::Xid | Type::Xid8) => {
            match to_integer(value, to)? {
                Some(int) => Value::Int(int),
                None => return Ok(None),
            }
        }
        (Value::Int(_) | Value::Reg(..), Type::Regclass | Type::Regtype) => {
            let oid = value.as_int().unwrap_or(0) as u32;
            Value::Reg(
                oid,
                if oid == 0 {
                    "-".into()
                } else {
                    oid.to_string().into()
                },
            )
        }
        (value, Type::Float4) => match value.as_f64() {
            Some(float) => Value::Float(f64::from(float as f32)),
            None => return Ok(None),
        },
        (value, Type::Float8) => match value.as_f64() {
            Some(float) => Value::Float(float),
            None => return Ok(None),
        },
        (value, Type::Numeric(modifier)) => match to_numeric(value, from)? {
            Some(numeric) => numeric_with(numeric, *modifier)?,
            None => return Ok(None),
        },
        (Value::Timestamp(_) | Value::Date(_), Type::Timestamp(_) | Type::Timestamptz(_)) => {
            Value::Timestamp(value.instant().unwrap_or(0))
        }
        (Value::Timestamp(micros), Type::Date) => Value::Date(datetime::micros_to_date(*micros)),
        (Value::Array(values), Type::Array(element)) => {
            let Type::Array(inner) = from else {
                return Ok(None);
            };
            let cast = |value: &Value| cast(value.clone(), inner, element, CastKind::Explicit);
            Value::Array(values.iter().map(cast).collect::<Result<_, _>>()?)
        }
        (value, to) if from.base() == to.base() => value.clone(),
        _ => return Ok(None),
    }))
}

fn to_integer(value: &Value, to: &Type) -> Result<Option<i64>, PgError> {
    let range = || PgError::out_of_range(&to.name());
    let int = match value {
        Value::Float(float) => {
            let rounded = float.round_ties_even();
            if !(-9.2e18..9.2e18).contains(&rounded) {
                return Err(range());
            }
            rounded as i64
        }
        Value::Numeric(numeric) => numeric.to_i64().map_err(|error| match error.code {
            "22003" => range(),
            _ => error,
        })?,
        other => match other.as_int() {
            Some(int) => int,
            None => return Ok(None),
        },
    };
    if matches!(to, Type::Oid | Type::Xid) && i32::try_from(int).is_ok() {
        return Ok(Some(int & 0xffff_ffff));
    }
    if to.holds(int) {
        Ok(Some(int))
    } else {
        Err(range())
    }
}

/// A number as numeric.
pub(crate) fn to_numeric(value: &Value, from: &Type) -> Result<Option<Numeric>, PgError> {
    Ok(match value {
        Value::Numeric(numeric) => Some(**numeric),
        Value::Float(float) if *from == Type::Float4 => Some(Numeric::parse(&format!("{}", *float as f32))?),
        // numeric_in of the float printed with 15 digits.
        Value::Float(float) => Some(Numeric::parse(&format!("{:.14e}", float)).map(trim_zeros)?),
        Value::Int(int) => Some(Numeric::from(*int)),
        _ => None,
    })
}

fn trim_zeros(mut numeric: Numeric) -> Numeric {
    while let Some(digits) = numeric.digits
        && numeric.scale > 0
        && digits % 10 == 0
    {
        numeric = Numeric {
            digits: Some(digits / 10),
            scale: numeric.scale - 1,
        };
    }
    numeric
}

fn no_cast(from: &Type, to: &Type) -> PgError {
    PgError::new(
        "42846",
        format!("cannot cast type {} to {}", from.name(), to.name()),
    )
}
