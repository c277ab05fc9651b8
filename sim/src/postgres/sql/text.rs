//! Values as text: what the types' output functions print.

use std::fmt::Write as _;

use super::datetime;
use super::value::{Type, Value};

impl Value {
    /// The text that the type's output function prints. NULL prints as nothing; the caller tells it apart.
    #[must_use]
    pub fn to_text(&self, ty: &Type) -> String {
        match self {
            Value::Null => String::new(),
            Value::Bool(bool) => if *bool { "t" } else { "f" }.into(),
            Value::Int(int) => int.to_string(),
            Value::Float(float) if *ty == Type::Float4 => format_float(&format!("{:e}", *float as f32), 6),
            Value::Float(float) => format_float(&format!("{float:e}"), 15),
            Value::Numeric(numeric) => numeric.to_string(),
            Value::Text(text) | Value::Reg(_, text) => text.to_string(),
            Value::Bytes(bytes) => {
                let mut text = String::with_capacity(2 + bytes.len() * 2);
                text.push_str("\\x");
                for byte in bytes.iter() {
                    write!(text, "{byte:02x}").expect("writing to a String never fails");
                }
                text
            }
            Value::Tid(block, item) => format!("({block},{item})"),
            Value::Timestamp(micros) => {
                datetime::format_timestamp(*micros, matches!(ty, Type::Timestamptz(_)))
            }
            Value::Date(days) => datetime::format_date(*days),
            Value::Interval(interval) => datetime::format_interval(**interval),
            Value::Lsn(lsn) => format_lsn(*lsn),
            Value::Array(values) => array_text(values, ty),
            Value::Record(fields) => record_text(fields),
        }
    }
}

/// An LSN as Postgres prints it.
#[must_use]
pub fn format_lsn(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// Reads an LSN.
#[must_use]
pub fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.trim().split_once('/')?;
    let part = |text: &str| {
        let ok = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    Some(part(high)? << 32 | part(low)?)
}

fn format_float(scientific: &str, fixed_below: i32) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return match scientific {
            "inf" => "Infinity".into(),
            "-inf" => "-Infinity".into(),
            other => other.into(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..fixed_below).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let digits = digits.replace('.', "");
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

fn array_text(values: &[Value], ty: &Type) -> String {
    let element = match ty {
        Type::Array(element) => (**element).clone(),
        _ => Type::Text,
    };
    let mut out = String::from("{");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if value.is_null() {
            out.push_str("NULL");
            continue;
        }
        let text = value.to_text(&element);
        let special = |c: char| c.is_ascii_whitespace() || "{}\",\\".contains(c);
        let nested = matches!(value, Value::Array(_));
        if !nested && (text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special)) {
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push('}');
    out
}

fn record_text(fields: &[(Type, Value)]) -> String {
    let mut out = String::from("(");
    for (index, (ty, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if value.is_null() {
            continue;
        }
        let text = value.to_text(ty);
        if text.is_empty() || text.contains(|c: char| c.is_ascii_whitespace() || "()\",\\".contains(c)) {
            out.push('"');
            out.push_str(&text.replace('\\', "\\\\").replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push(')');
    out
}

/// The longest prefix of whole characters within a number of bytes.
#[must_use]
pub fn first_bytes(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
