//! Functions of text.

use super::error::PgError;
use super::names;
use super::pure::{INT4, INT8, Param, PureFunction, Returns, TEXT, TO_TEXT, int_of, lax, of, str, variadic};
use super::value::{Type, Value};

#[expect(clippy::too_many_lines, reason = "a table of functions")]
pub(super) fn texts() -> Vec<PureFunction> {
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

fn bytes_len(value: &Value) -> Value {
    match value {
        Value::Bytes(bytes) => Value::Int(bytes.len() as i64),
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
