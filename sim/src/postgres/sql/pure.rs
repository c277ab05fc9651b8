//! Functions of their arguments alone.

use std::sync::Arc;

use super::error::PgError;
use super::names;
use super::plan::{PureFn, Typed};
use super::value::{Interval, Numeric, Type, Value};

/// What a parameter takes.
#[derive(Debug)]
pub(crate) enum Param {
    /// Values that become this type by themselves.
    Is(Type),
    /// Any number, as it is.
    Number,
    /// Any array.
    Array,
    /// Anything.
    Any,
}

/// What a function returns.
#[derive(Debug)]
pub(crate) enum Returns {
    Type(Type),
    /// The type of its first argument.
    Same,
}

/// A function.
pub(crate) struct PureFunction {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) required: usize,
    /// The last parameter repeats.
    pub(crate) variadic: bool,
    pub(crate) returns: Returns,
    pub(crate) strict: bool,
    pub(crate) run: PureFn,
}

impl PureFunction {
    pub(crate) fn param(&self, index: usize) -> &Param {
        self.params
            .get(index)
            .or(self.params.last())
            .unwrap_or(&Param::Any)
    }

    pub(crate) fn fits(&self, args: &[Typed]) -> bool {
        let count = args.len() >= self.required && (self.variadic || args.len() <= self.params.len());
        count
            && args
                .iter()
                .enumerate()
                .all(|(index, arg)| takes(self.param(index), &arg.ty))
    }
}

fn takes(param: &Param, ty: &Type) -> bool {
    match param {
        Param::Any => true,
        Param::Array => matches!(ty, Type::Array(_)),
        Param::Number => ty.is_number(),
        Param::Is(_) if *ty == Type::Unknown => true,
        Param::Is(Type::Text) => ty.is_string(),
        Param::Is(Type::Int4) => matches!(ty, Type::Int2 | Type::Int4),
        Param::Is(Type::Int8) => ty.is_integer(),
        Param::Is(Type::Oid) => ty.is_oid() || ty.is_integer(),
        Param::Is(Type::Numeric(_)) => ty.is_integer() || matches!(ty, Type::Numeric(_)),
        Param::Is(Type::Float8) => ty.is_number(),
        Param::Is(Type::Timestamptz(_)) => matches!(ty, Type::Timestamptz(_)),
        Param::Is(wanted) => wanted.base() == ty.base(),
    }
}

const TEXT: Param = Param::Is(Type::Text);
const INT4: Param = Param::Is(Type::Int4);
const INT8: Param = Param::Is(Type::Int8);
const FLOAT8: Param = Param::Is(Type::Float8);
const NUMERIC: Param = Param::Is(Type::Numeric(None));

const fn of(
    name: &'static str,
    params: &'static [Param],
    required: usize,
    returns: Returns,
    run: PureFn,
) -> PureFunction {
    PureFunction {
        name,
        params,
        required,
        variadic: false,
        returns,
        strict: true,
        run,
    }
}

const fn variadic(
    name: &'static str,
    params: &'static [Param],
    required: usize,
    run: PureFn,
) -> PureFunction {
    PureFunction {
        name,
        params,
        required,
        variadic: true,
        returns: Returns::Type(Type::Text),
        strict: false,
        run,
    }
}

fn lax(function: PureFunction) -> PureFunction {
    PureFunction {
        strict: false,
        ..function
    }
}

const TO_TEXT: fn() -> Returns = || Returns::Type(Type::Text);

/// All of them; of one name, the first that fits is taken.
pub(crate) static PURE: std::sync::LazyLock<Vec<PureFunction>> = std::sync::LazyLock::new(|| {
    let mut all = texts();
    all.extend(numbers());
    all.extend(others());
    all
});

fn texts() -> Vec<PureFunction> {
    let text = TO_TEXT;
    let int = || Returns::Type(Type::Int4);
    vec![
        of("quote_ident", &[TEXT], 1, text(), |a, _| {
            Ok(names::quote_ident(str(a, 0)).into())
        }),
        of("quote_literal", &[Param::Any], 1, text(), |a, t| {
            Ok(names::quote_literal(&a[0].to_text(&t[0])).into())
        }),
        lax(of("quote_nullable", &[Param::Any], 1, text(), |a, t| {
            Ok(if a[0].is_null() {
                "NULL".into()
            } else {
                names::quote_literal(&a[0].to_text(&t[0])).into()
            })
        })),
        of("upper", &[TEXT], 1, text(), |a, _| {
            Ok(str(a, 0).to_uppercase().into())
        }),
        of("lower", &[TEXT], 1, text(), |a, _| {
            Ok(str(a, 0).to_lowercase().into())
        }),
        of("length", &[TEXT], 1, int(), |a, _| {
            Ok(Value::Int(str(a, 0).chars().count() as i64))
        }),
        of("length", &[Param::Is(Type::Bytea)], 1, int(), |a, _| {
            Ok(bytes_len(&a[0]))
        }),
        of("char_length", &[TEXT], 1, int(), |a, _| {
            Ok(Value::Int(str(a, 0).chars().count() as i64))
        }),
        of("octet_length", &[TEXT], 1, int(), |a, _| {
            Ok(Value::Int(str(a, 0).len() as i64))
        }),
        of("octet_length", &[Param::Is(Type::Bytea)], 1, int(), |a, _| {
            Ok(bytes_len(&a[0]))
        }),
        of("substr", &[TEXT, INT4, INT4], 2, text(), substr),
        of("substring", &[TEXT, INT4, INT4], 2, text(), substr),
        of("strpos", &[TEXT, TEXT], 2, int(), |a, _| {
            let at = str(a, 0)
                .find(str(a, 1))
                .map_or(0, |at| str(a, 0)[..at].chars().count() as i64 + 1);
            Ok(Value::Int(at))
        }),
        of("textcat", &[TEXT, TEXT], 2, text(), |a, _| {
            Ok(format!("{}{}", str(a, 0), str(a, 1)).into())
        }),
        variadic("concat", &[Param::Any], 1, |a, t| Ok(joined(a, t, "").into())),
        variadic("concat_ws", &[TEXT, Param::Any], 2, |a, t| match &a[0] {
            Value::Null => Ok(Value::Null),
            separator => Ok(joined(&a[1..], &t[1..], separator.as_str().unwrap_or("")).into()),
        }),
        variadic("format", &[TEXT, Param::Any], 1, format),
        of("split_part", &[TEXT, TEXT, INT4], 3, text(), split_part),
        of(
            "starts_with",
            &[TEXT, TEXT],
            2,
            Returns::Type(Type::Bool),
            |a, _| Ok(Value::Bool(str(a, 0).starts_with(str(a, 1)))),
        ),
        of("left", &[TEXT, INT4], 2, text(), |a, _| {
            let (text, count) = (str(a, 0), int_of(a, 1));
            let length = text.chars().count() as i64;
            let take = if count < 0 { (length + count).max(0) } else { count };
            Ok(text.chars().take(take as usize).collect::<String>().into())
        }),
        of("right", &[TEXT, INT4], 2, text(), |a, _| {
            let (text, count) = (str(a, 0), int_of(a, 1));
            let length = text.chars().count() as i64;
            let skip = if count < 0 {
                -count
            } else {
                (length - count).max(0)
            };
            Ok(text.chars().skip(skip as usize).collect::<String>().into())
        }),
        of("repeat", &[TEXT, INT4], 2, text(), |a, _| {
            let count = int_of(a, 1).max(0) as usize;
            if str(a, 0).len().saturating_mul(count) > 64 << 20 {
                return Err(PgError::new("54000", "requested length too large"));
            }
            Ok(str(a, 0).repeat(count).into())
        }),
        of("replace", &[TEXT, TEXT, TEXT], 3, text(), |a, _| {
            let replaced = if str(a, 1).is_empty() {
                str(a, 0).to_owned()
            } else {
                str(a, 0).replace(str(a, 1), str(a, 2))
            };
            Ok(replaced.into())
        }),
        of("reverse", &[TEXT], 1, text(), |a, _| {
            Ok(str(a, 0).chars().rev().collect::<String>().into())
        }),
        of("lpad", &[TEXT, INT4, TEXT], 2, text(), |a, _| pad(a, true)),
        of("rpad", &[TEXT, INT4, TEXT], 2, text(), |a, _| pad(a, false)),
        of("btrim", &[TEXT, TEXT], 1, text(), |a, _| {
            Ok(trim(a, true, true).into())
        }),
        of("ltrim", &[TEXT, TEXT], 1, text(), |a, _| {
            Ok(trim(a, true, false).into())
        }),
        of("rtrim", &[TEXT, TEXT], 1, text(), |a, _| {
            Ok(trim(a, false, true).into())
        }),
        of("chr", &[INT4], 1, text(), |a, _| {
            let char = u32::try_from(int_of(a, 0))
                .ok()
                .filter(|code| *code > 0)
                .and_then(char::from_u32);
            char.map(|c| c.to_string().into())
                .ok_or_else(|| PgError::new("54000", "requested character too large for encoding"))
        }),
        of("ascii", &[TEXT], 1, int(), |a, _| {
            Ok(Value::Int(
                str(a, 0).chars().next().map_or(0, |c| i64::from(u32::from(c))),
            ))
        }),
        of("to_hex", &[INT8], 1, text(), |a, t| {
            let int = int_of(a, 0);
            Ok(if t[0] == Type::Int4 {
                format!("{:x}", int as i32)
            } else {
                format!("{int:x}")
            }
            .into())
        }),
        of("hashtext", &[TEXT], 1, int(), |a, _| {
            let hash = str(a, 0).bytes().fold(0x811c_9dc5_u32, |hash, b| {
                (hash ^ u32::from(b)).wrapping_mul(0x0100_0193)
            });
            Ok(Value::Int(i64::from(hash as i32)))
        }),
        lax(of(
            "format_type",
            &[Param::Is(Type::Oid), INT4],
            2,
            text(),
            |a, _| {
                let Some(oid) = a[0].as_int() else {
                    return Ok(Value::Null);
                };
                let typmod = a[1].as_int().unwrap_or(-1) as i32;
                let name = Type::from_oid(oid as u32, typmod).map(|ty| ty.name());
                Ok(name
                    .unwrap_or_else(|| if oid == 0 { "-".into() } else { "???".into() })
                    .into())
            },
        )),
        of("pg_size_pretty", &[INT8], 1, text(), |a, _| {
            Ok(size_pretty(int_of(a, 0)).into())
        }),
    ]
}

fn numbers() -> Vec<PureFunction> {
    let float = || Returns::Type(Type::Float8);
    vec![
        of("abs", &[Param::Number], 1, Returns::Same, |a, t| match &a[0] {
            Value::Int(int) => int
                .checked_abs()
                .filter(|int| t[0].holds(*int))
                .map(Value::Int)
                .ok_or_else(|| PgError::out_of_range(&t[0].name())),
            Value::Float(float) => Ok(Value::Float(float.abs())),
            Value::Numeric(numeric) => Ok(Value::Numeric(Box::new(Numeric {
                digits: numeric.digits.map(i128::abs),
                scale: numeric.scale,
            }))),
            other => Ok(other.clone()),
        }),
        of(
            "ceil",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| whole(&a[0], 1),
        ),
        of(
            "floor",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| whole(&a[0], -1),
        ),
        of(
            "round",
            &[NUMERIC, INT4],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| {
                let scale = a.get(1).and_then(Value::as_int).unwrap_or(0).clamp(0, 1000);
                Ok(Value::Numeric(Box::new(numeric_of(&a[0]).rescale(scale as u16)?)))
            },
        ),
        of("ceil", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).ceil()))
        }),
        of("floor", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).floor()))
        }),
        of("round", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).round_ties_even()))
        }),
        of("power", &[FLOAT8, FLOAT8], 2, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).powf(float_of(a, 1))))
        }),
        of("sqrt", &[FLOAT8], 1, float(), |a, _| {
            if float_of(a, 0) < 0.0 {
                return Err(PgError::new(
                    "2201F",
                    "cannot take square root of a negative number",
                ));
            }
            Ok(Value::Float(float_of(a, 0).sqrt()))
        }),
        of("mod", &[INT8, INT8], 2, Returns::Same, |a, _| {
            match int_of(a, 1) {
                0 => Err(PgError::division_by_zero()),
                divisor => Ok(Value::Int(int_of(a, 0).wrapping_rem(divisor))),
            }
        }),
        of(
            "sign",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| {
                let digits = numeric_of(&a[0]).digits.map(i128::signum);
                Ok(Value::Numeric(Box::new(Numeric { digits, scale: 0 })))
            },
        ),
        of("int8and", &[INT8, INT8], 2, Returns::Same, |a, _| {
            Ok(Value::Int(int_of(a, 0) & int_of(a, 1)))
        }),
        of("int8or", &[INT8, INT8], 2, Returns::Same, |a, _| {
            Ok(Value::Int(int_of(a, 0) | int_of(a, 1)))
        }),
        of(
            "generate_series",
            &[INT4, INT4, INT4],
            2,
            Returns::Type(Type::Array(Type::Int4.into())),
            series,
        ),
        of(
            "generate_series",
            &[INT8, INT8, INT8],
            2,
            Returns::Type(Type::Array(Type::Int8.into())),
            series,
        ),
    ]
}

fn others() -> Vec<PureFunction> {
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
        of("extract", &[TEXT, Param::Any], 2, Returns::Type(Type::Numeric(None)), extract),
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
                Ok(Value::Timestamp(
                    (float_of(a, 0) * 1e6).round() as i64 - UNIX_TO_POSTGRES,
                ))
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
                if micros.abs() >= 28 * DAY {
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

const UNIX_TO_POSTGRES: i64 = 946_684_800_000_000;

fn str(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or("")
}

fn int_of(args: &[Value], index: usize) -> i64 {
    args.get(index).and_then(Value::as_int).unwrap_or(0)
}

fn float_of(args: &[Value], index: usize) -> f64 {
    args.get(index).and_then(Value::as_f64).unwrap_or(0.0)
}

fn numeric_of(value: &Value) -> Numeric {
    match value {
        Value::Numeric(numeric) => **numeric,
        other => Numeric::from(other.as_int().unwrap_or(0)),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

fn bytes_len(value: &Value) -> Value {
    match value {
        Value::Bytes(bytes) => Value::Int(bytes.len() as i64),
        _ => Value::Null,
    }
}

/// `a - b` of two LSNs.
pub(crate) fn lsn_difference(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Lsn(a), Value::Lsn(b)) => {
            let digits = Some(i128::from(*a) - i128::from(*b));
            Value::Numeric(Box::new(Numeric { digits, scale: 0 }))
        }
        _ => Value::Null,
    }
}

fn joined(args: &[Value], types: &[Type], separator: &str) -> String {
    let parts: Vec<String> = args
        .iter()
        .zip(types)
        .filter(|(value, _)| !value.is_null())
        .map(|(value, ty)| value.to_text(ty))
        .collect();
    parts.join(separator)
}

fn substr(args: &[Value], _: &[Type]) -> Result<Value, PgError> {
    let start = int_of(args, 1);
    let end = match args.get(2).and_then(Value::as_int) {
        Some(length) if length < 0 => {
            return Err(PgError::new("22011", "negative substring length not allowed"));
        }
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let skip = (start - 1).max(0);
    let take = (end - 1).max(0).saturating_sub(skip).max(0);
    let text: String = str(args, 0)
        .chars()
        .skip(skip as usize)
        .take(take as usize)
        .collect();
    Ok(text.into())
}

fn split_part(args: &[Value], _: &[Type]) -> Result<Value, PgError> {
    let (text, by, field) = (str(args, 0), str(args, 1), int_of(args, 2));
    let parts: Vec<&str> = if by.is_empty() {
        vec![text]
    } else {
        text.split(by).collect()
    };
    let index = match field {
        0 => return Err(PgError::new("22023", "field position must not be zero")),
        1.. => usize::try_from(field - 1).ok(),
        _ => usize::try_from(parts.len() as i64 + field).ok(),
    };
    Ok(index
        .and_then(|index| parts.get(index))
        .copied()
        .unwrap_or("")
        .into())
}

fn pad(args: &[Value], left: bool) -> Result<Value, PgError> {
    let (text, length) = (str(args, 0), int_of(args, 1).clamp(0, 1 << 24) as usize);
    let fill = if args.len() > 2 { str(args, 2) } else { " " };
    let count = text.chars().count();
    if count >= length || fill.is_empty() {
        return Ok(text.chars().take(length).collect::<String>().into());
    }
    let padding: String = fill.chars().cycle().take(length - count).collect();
    Ok(if left {
        format!("{padding}{text}")
    } else {
        format!("{text}{padding}")
    }
    .into())
}

fn trim(args: &[Value], start: bool, end: bool) -> String {
    let set: Vec<char> = if args.len() > 1 {
        str(args, 1).chars().collect()
    } else {
        vec![' ']
    };
    let mut text = str(args, 0);
    if start {
        text = text.trim_start_matches(|c| set.contains(&c));
    }
    if end {
        text = text.trim_end_matches(|c| set.contains(&c));
    }
    text.to_owned()
}

fn format(args: &[Value], types: &[Type]) -> Result<Value, PgError> {
    if args[0].is_null() {
        return Ok(Value::Null);
    }
    let (mut out, mut next) = (String::new(), 1);
    let mut chars = str(args, 0).chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = chars.peek().filter(|c| c.is_ascii_digit()) {
            digits.push(*digit);
            chars.next();
        }
        if !digits.is_empty() {
            if chars.next() != Some('$') {
                return Err(PgError::unsupported("format() with widths"));
            }
            next = digits.parse().unwrap_or(0);
        }
        let kind = chars
            .next()
            .ok_or_else(|| PgError::new("22023", "unterminated format() type specifier"))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let (Some(value), Some(ty)) = (args.get(next), types.get(next)) else {
            return Err(PgError::new("22023", "too few arguments for format()"));
        };
        next += 1;
        let text = value.to_text(ty);
        match (kind, value.is_null()) {
            ('s', _) => out.push_str(&text),
            ('I', true) => {
                return Err(PgError::new(
                    "22004",
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('I', false) => out.push_str(&names::quote_ident(&text)),
            ('L', true) => out.push_str("NULL"),
            ('L', false) => out.push_str(&names::quote_literal(&text)),
            (other, _) => {
                let message = format!("unrecognized format() type specifier \"{other}\"");
                return Err(PgError::new("22023", message));
            }
        }
    }
    Ok(out.into())
}

fn size_pretty(size: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let (mut size, mut unit) = (i128::from(size), 0);
    // One bit more is kept while dividing, for the rounding at the end.
    let mut doubled = false;
    while unit < 5 && size.abs() >= if doubled { 2 * 10 * 1024 - 1 } else { 10 * 1024 } {
        size /= if doubled { 1024 } else { 512 };
        doubled = true;
        unit += 1;
    }
    let shown = if doubled { (size + size.signum()) / 2 } else { size };
    format!("{shown} {}", UNITS[unit])
}

fn whole(value: &Value, towards: i128) -> Result<Value, PgError> {
    let numeric = numeric_of(value);
    let Some(digits) = numeric.digits else {
        return Ok(value.clone());
    };
    let unit = 10_i128
        .checked_pow(u32::from(numeric.scale))
        .ok_or_else(|| PgError::out_of_range("numeric"))?;
    let floor = digits.div_euclid(unit);
    let up = towards > 0 && digits.rem_euclid(unit) != 0;
    Ok(Value::Numeric(Box::new(Numeric {
        digits: Some(floor + i128::from(up)),
        scale: 0,
    })))
}

fn series(args: &[Value], _: &[Type]) -> Result<Value, PgError> {
    let step = args.get(2).and_then(Value::as_int).unwrap_or(1);
    if step == 0 {
        return Err(PgError::new("22023", "step size cannot equal zero"));
    }
    let (mut at, stop) = (int_of(args, 0), int_of(args, 1));
    let mut values = Vec::new();
    while (step > 0 && at <= stop) || (step < 0 && at >= stop) {
        if values.len() >= 5_000_000 {
            return Err(PgError::unsupported(
                "generate_series() of more than 5000000 rows",
            ));
        }
        values.push(Value::Int(at));
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(Value::Array(Arc::from(values)))
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

/// `extract`: as `date_part`, but exact, with the digits of microseconds where the field has them.
fn extract(args: &[Value], types: &[Type]) -> Result<Value, PgError> {
    let number = date_part(args, types)?.as_f64().unwrap_or(0.0);
    let numeric = match str(args, 0) {
        "epoch" | "second" => Numeric { digits: Some((number * 1e6).round() as i128), scale: 6 },
        _ => Numeric { digits: Some(number as i128), scale: 0 },
    };
    Ok(Value::Numeric(Box::new(numeric)))
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
