//! Functions of arrays, of time and of LSNs.

use super::error::PgError;
use super::pure::{
    FLOAT8, INT4, Param, PureFunction, Returns, TEXT, TO_TEXT, float_of, int_of, lax, lsn_difference, of, str,
};
use super::value::{Interval, Numeric, Type, Value};

/// Microseconds from 1970-01-01 to 2000-01-01.
const UNIX_TO_POSTGRES: i64 = 946_684_800_000_000;

#[expect(clippy::too_many_lines, reason = "a table of functions")]
pub(super) fn others() -> Vec<PureFunction> {
    let int = || Returns::Type(Type::Int4);

    vec![
        of("unnest", &[Param::Array], 1, Returns::Same, |a, _| {
            Ok(a[0].clone())
        }),
        of("array_length", &[Param::Array, INT4], 2, int(), |a, _| {
            Ok(match list(&a[0]) {
                [] => Value::Null,
                values if int_of(a, 1) == 1 => Value::Int(values.len() as i64),
                _ => Value::Null,
            })
        }),
        of("cardinality", &[Param::Array], 1, int(), |a, _| {
            Ok(Value::Int(list(&a[0]).len() as i64))
        }),
        lax(of(
            "array_to_string",
            &[Param::Array, TEXT, TEXT],
            2,
            TO_TEXT(),
            |a, t| {
                let Type::Array(element) = &t[0] else {
                    return Ok(Value::Null);
                };
                if a[0].is_null() || a[1].is_null() {
                    return Ok(Value::Null);
                }
                let null = a.get(2).and_then(Value::as_str);
                let parts: Vec<String> = list(&a[0])
                    .iter()
                    .filter_map(|value| match value {
                        Value::Null => null.map(str::to_owned),
                        value => Some(value.to_text(element)),
                    })
                    .collect();
                Ok(parts.join(str(a, 1)).into())
            },
        )),
        lax(of(
            "array_cat",
            &[Param::Any, Param::Any],
            2,
            Returns::Same,
            |a, t| {
                let side = |index: usize| match (&t[index], &a[index]) {
                    (Type::Array(_), value) => list(value).to_vec(),
                    (_, value) => vec![value.clone()],
                };
                Ok(Value::Array([side(0), side(1)].concat().into()))
            },
        )),
        of(
            "string_to_array",
            &[TEXT, TEXT],
            2,
            Returns::Type(Type::Array(Type::Text.into())),
            |a, _| {
                let parts: Vec<Value> = match (str(a, 0), str(a, 1)) {
                    ("", _) => Vec::new(),
                    (text, "") => vec![text.into()],
                    (text, by) => text.split(by).map(Value::from).collect(),
                };
                Ok(Value::Array(parts.into()))
            },
        ),
        of(
            "pg_wal_lsn_diff",
            &[Param::Is(Type::Lsn), Param::Is(Type::Lsn)],
            2,
            Returns::Type(Type::Numeric(None)),
            |a, _| Ok(lsn_difference(&a[0], &a[1])),
        ),
        of(
            "date_part",
            &[TEXT, Param::Any],
            2,
            Returns::Type(Type::Float8),
            date_part,
        ),
        of(
            "extract",
            &[TEXT, Param::Any],
            2,
            Returns::Type(Type::Numeric(None)),
            extract,
        ),
        of(
            "date_trunc",
            &[TEXT, Param::Is(Type::Timestamptz(None))],
            2,
            Returns::Type(Type::Timestamptz(None)),
            date_trunc,
        ),
        of(
            "to_timestamp",
            &[FLOAT8],
            1,
            Returns::Type(Type::Timestamptz(None)),
            |a, _| {
                let micros = (float_of(a, 0) * 1e6).round() as i64;
                Ok(Value::Timestamp(micros.saturating_sub(UNIX_TO_POSTGRES)))
            },
        ),
        of(
            "age",
            &[
                Param::Is(Type::Timestamptz(None)),
                Param::Is(Type::Timestamptz(None)),
            ],
            2,
            Returns::Type(Type::Interval),
            |a, _| {
                let micros = a[0]
                    .instant()
                    .unwrap_or(0)
                    .saturating_sub(a[1].instant().unwrap_or(0));
                const DAY: i64 = 86_400_000_000;
                if micros.unsigned_abs() >= 28 * DAY.unsigned_abs() {
                    return Err(PgError::unsupported("age() over a month or more"));
                }
                Ok(Value::Interval(Box::new(Interval {
                    months: 0,
                    days: (micros / DAY) as i32,
                    micros: micros % DAY,
                })))
            },
        ),
    ]
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

/// `extract`: as `date_part`, but exact, with the digits of microseconds where the field has them.
fn extract(args: &[Value], types: &[Type]) -> Result<Value, PgError> {
    let number = date_part(args, types)?.as_f64().unwrap_or(0.0);
    let numeric = match str(args, 0) {
        "epoch" | "second" => Numeric {
            digits: Some((number * 1e6).round() as i128),
            scale: 6,
        },
        _ => Numeric {
            digits: Some(number as i128),
            scale: 0,
        },
    };
    Ok(Value::Numeric(Box::new(numeric)))
}

fn date_part(args: &[Value], types: &[Type]) -> Result<Value, PgError> {
    const DAY: i64 = 86_400_000_000;
    let field = str(args, 0).to_lowercase();
    let number = match (&args[1], field.as_str()) {
        (Value::Interval(interval), "epoch") => {
            let years = f64::from(interval.months / 12) * 365.25 * 86_400.0;
            let months = f64::from(interval.months % 12) * 30.0 * 86_400.0;
            years + months + f64::from(interval.days) * 86_400.0 + interval.micros as f64 / 1e6
        }
        (Value::Interval(interval), "day") => f64::from(interval.days),
        (Value::Interval(interval), "hour") => (interval.micros / 3_600_000_000) as f64,
        (Value::Interval(interval), "minute") => (interval.micros / 60_000_000 % 60) as f64,
        (Value::Interval(interval), "second") => (interval.micros % 60_000_000) as f64 / 1e6,
        (value @ (Value::Timestamp(_) | Value::Date(_)), field) => {
            let micros = value.instant().unwrap_or(0);
            let (year, month, day) = super::datetime::civil_from_days(micros.div_euclid(DAY));
            let time = micros.rem_euclid(DAY);
            match field {
                "epoch" => (i128::from(micros) + i128::from(UNIX_TO_POSTGRES)) as f64 / 1e6,
                "year" => year as f64,
                "month" => month as f64,
                "day" => day as f64,
                "hour" => (time / 3_600_000_000) as f64,
                "minute" => (time / 60_000_000 % 60) as f64,
                "second" => (time % 60_000_000) as f64 / 1e6,
                "dow" => (micros.div_euclid(DAY) + 6).rem_euclid(7) as f64,
                other => return Err(PgError::unsupported(format!("extract({other})"))),
            }
        }
        (_, field) => {
            return Err(PgError::unsupported(format!(
                "extract({field} from {})",
                types[1].name()
            )));
        }
    };
    Ok(Value::Float(number))
}

fn date_trunc(args: &[Value], _: &[Type]) -> Result<Value, PgError> {
    let micros = args[1].instant().unwrap_or(0);
    let unit = match str(args, 0) {
        "second" => 1_000_000,
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        "day" => 86_400_000_000,
        other => return Err(PgError::unsupported(format!("date_trunc('{other}')"))),
    };
    Ok(Value::Timestamp(micros.div_euclid(unit) * unit))
}
