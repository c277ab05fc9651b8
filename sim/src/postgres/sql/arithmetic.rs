//! Arithmetic, checked.

use super::cast::to_numeric;
use super::error::PgError;
use super::eval::interval;
use super::pure::lsn_difference;
use super::value::{Interval, Type, Value};

const DAY: i64 = 86_400_000_000;

/// Applies an operator; `ty` is the type of the result, to which numbers have been brought.
pub(crate) fn arithmetic(operator: char, ty: &Type, a: &Value, b: &Value) -> Result<Value, PgError> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Lsn(_), Value::Lsn(_)) => Ok(lsn_difference(a, b)),
        (Value::Lsn(lsn), delta) => {
            let delta = to_numeric(delta, ty)?
                .and_then(|delta| delta.rescale(0).ok()?.digits)
                .unwrap_or(0);
            let moved = if operator == '+' {
                i128::from(*lsn) + delta
            } else {
                i128::from(*lsn) - delta
            };
            u64::try_from(moved)
                .map(Value::Lsn)
                .map_err(|_| PgError::out_of_range("pg_lsn"))
        }
        (Value::Int(a), Value::Int(b)) => integers(operator, ty, *a, *b),
        (Value::Float(a), Value::Float(b)) => floats(operator, ty, *a, *b),
        (Value::Numeric(a), Value::Numeric(b)) => Ok(Value::Numeric(Box::new(a.arithmetic(operator, **b)?))),
        (Value::Date(a), Value::Date(b)) => Ok(Value::Int(i64::from(*a) - i64::from(*b))),
        (Value::Date(a), Value::Int(b)) => {
            let b = if operator == '-' { -*b } else { *b };
            let moved = i32::try_from(i64::from(*a).saturating_add(b));
            moved
                .map(Value::Date)
                .map_err(|_| PgError::new("22008", "date out of range"))
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            let micros = a.checked_sub(*b).ok_or_else(timestamp_range)?;
            Ok(interval(0, (micros / DAY) as i32, micros % DAY))
        }
        (Value::Timestamp(_) | Value::Date(_), Value::Interval(by)) => moved(
            a.instant().unwrap_or(0),
            **by,
            if operator == '-' { -1 } else { 1 },
        ),
        (Value::Interval(by), Value::Timestamp(at)) => moved(*at, **by, 1),
        (Value::Interval(a), Value::Interval(b)) => intervals(operator, **a, **b),
        (Value::Interval(a), number) => scaled(**a, factor(operator, number)?),
        (number, Value::Interval(b)) => scaled(**b, factor('*', number)?),
        _ => Err(PgError::new(
            "42883",
            format!("operator does not exist: {operator}"),
        )),
    }
}

fn integers(operator: char, ty: &Type, a: i64, b: i64) -> Result<Value, PgError> {
    let result = match operator {
        '+' => a.checked_add(b),
        '-' => a.checked_sub(b),
        '*' => a.checked_mul(b),
        '/' | '%' if b == 0 => return Err(PgError::division_by_zero()),
        '/' => a.checked_div(b),
        _ => Some(a.wrapping_rem(b)),
    };
    result
        .filter(|int| ty.holds(*int))
        .map(Value::Int)
        .ok_or_else(|| PgError::out_of_range(&ty.name()))
}

fn floats(operator: char, ty: &Type, a: f64, b: f64) -> Result<Value, PgError> {
    let result = match operator {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ if b == 0.0 => return Err(PgError::division_by_zero()),
        _ => a / b,
    };
    let result = if *ty == Type::Float4 {
        f64::from(result as f32)
    } else {
        result
    };
    if result.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(PgError::new("22003", "value out of range: overflow"));
    }
    Ok(Value::Float(result))
}

fn intervals(operator: char, a: Interval, b: Interval) -> Result<Value, PgError> {
    let sign = if operator == '-' { -1 } else { 1 };
    let all = (|| {
        Some((
            a.months.checked_add(b.months.checked_mul(sign)?)?,
            a.days.checked_add(b.days.checked_mul(sign)?)?,
            a.micros.checked_add(b.micros.checked_mul(i64::from(sign))?)?,
        ))
    })();
    let (months, days, micros) = all.ok_or_else(|| PgError::new("22008", "interval out of range"))?;
    Ok(interval(months, days, micros))
}

fn factor(operator: char, number: &Value) -> Result<f64, PgError> {
    let number = number.as_f64().unwrap_or(0.0);
    match operator {
        '/' if number == 0.0 => Err(PgError::division_by_zero()),
        '/' => Ok(1.0 / number),
        _ => Ok(number),
    }
}

fn scaled(by: Interval, factor: f64) -> Result<Value, PgError> {
    let months = f64::from(by.months) * factor;
    let days = f64::from(by.days) * factor + months.fract() * 30.0;
    let micros = by.micros as f64 * factor + days.fract() * DAY as f64;
    if !micros.is_finite() || micros.abs() > 9e18 || days.abs() > 2e9 || months.abs() > 2e9 {
        return Err(PgError::new("22008", "interval out of range"));
    }
    Ok(interval(months as i32, days as i32, micros.round() as i64))
}

fn moved(at: i64, by: Interval, sign: i64) -> Result<Value, PgError> {
    if at == i64::MAX || at == i64::MIN {
        return Ok(Value::Timestamp(at));
    }
    let (days, time) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = super::datetime::civil_from_days(days);
    let months = year * 12 + (month - 1) + sign * i64::from(by.months);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let first = super::datetime::days_from_civil(year, month, 1);
    let next = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    let length = super::datetime::days_from_civil(next.0, next.1, 1) - first;
    let days = first + day.min(length) - 1 + sign * i64::from(by.days);
    days.checked_mul(DAY)
        .and_then(|micros| micros.checked_add(time))
        .and_then(|micros| micros.checked_add(sign.checked_mul(by.micros)?))
        .map(Value::Timestamp)
        .ok_or_else(timestamp_range)
}

fn timestamp_range() -> PgError {
    PgError::new("22008", "timestamp out of range")
}
