//! What texts mean as values: the types' input functions.

use std::rc::Rc;

use super::datetime;
use super::error::PgError;
use super::numeric::Numeric;
use super::text::{first_bytes, parse_lsn};
use super::value::{Type, Value};

impl Type {
    /// Reads the text of a value as the type's input function does. Names of `regclass` are the server's to
    /// resolve: here it reads numbers alone.
    ///
    /// # Errors
    /// `22P02`, `22007`, `22003`, `22001` as Postgres.
    pub fn parse_text(&self, text: &str) -> Result<Value, PgError> {
        let invalid = || PgError::invalid_text(self.base().name().as_str(), text);
        Ok(match self {
            Type::Bool => Value::Bool(parse_bool(text).ok_or_else(invalid)?),
            Type::Int2 | Type::Int4 | Type::Int8 => self.parse_integer(text)?,
            Type::Oid | Type::Xid | Type::Xid8 => self.parse_unsigned(text)?,
            Type::Regclass | Type::Regtype => match text.parse::<u32>() {
                Ok(oid) => Value::Reg(oid, text.into()),
                Err(_) => return Err(invalid()),
            },
            Type::Float4 | Type::Float8 => self.parse_float(text)?,
            Type::Numeric(modifier) => numeric_with(Numeric::parse(text)?, *modifier)?,
            Type::Text | Type::Unknown | Type::Json => Value::text(text),
            Type::QChar => Value::text(first_bytes(text, 1)),
            Type::Name => Value::text(first_bytes(text, 63)),
            Type::Varchar(_) | Type::Bpchar(_) => self.fit_string(text, false)?,
            Type::Jsonb => Value::text(text),
            Type::Bytea => Value::Bytes(parse_bytea(text)?.into()),
            Type::Timestamptz(_) => Value::Timestamp(datetime::parse_timestamp(text, true)?),
            Type::Timestamp(_) => Value::Timestamp(datetime::parse_timestamp(text, false)?),
            Type::Date => Value::Date(datetime::parse_date(text)?),
            Type::Interval => Value::Interval(Box::new(datetime::parse_interval(text)?)),
            Type::Uuid => Value::text(parse_uuid(text).ok_or_else(invalid)?),
            Type::Lsn => Value::Lsn(parse_lsn(text).ok_or_else(invalid)?),
            Type::Tid => parse_tid(text).ok_or_else(invalid)?,
            Type::Array(element) => parse_array(text, element)?,
            Type::Void => Value::text(""),
            Type::Record => {
                return Err(PgError::new(
                    "0A000",
                    "input of anonymous composite types is not implemented",
                ));
            }
        })
    }

    fn parse_integer(&self, text: &str) -> Result<Value, PgError> {
        let name = self.name();
        let trimmed = text.trim();
        let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PgError::invalid_text(&name, text));
        }
        trimmed
            .parse::<i64>()
            .ok()
            .filter(|int| self.holds(*int))
            .map(Value::Int)
            .ok_or_else(|| {
                PgError::new(
                    "22003",
                    format!("value \"{text}\" is out of range for type {name}"),
                )
            })
    }

    /// Whether an integer type holds this number.
    #[must_use]
    pub fn holds(&self, int: i64) -> bool {
        match self {
            Type::Int2 => i16::try_from(int).is_ok(),
            Type::Int4 => i32::try_from(int).is_ok(),
            Type::Oid | Type::Xid | Type::Regclass | Type::Regtype => u32::try_from(int).is_ok(),
            _ => true,
        }
    }

    fn parse_unsigned(&self, text: &str) -> Result<Value, PgError> {
        let name = self.name();
        let number = text
            .trim()
            .parse::<i64>()
            .map_err(|_| PgError::invalid_text(&name, text))?;
        // oidin wraps negative numbers of 32 bits.
        let number = if number < 0 && i32::try_from(number).is_ok() {
            number & 0xffff_ffff
        } else {
            number
        };
        if number < 0 || !self.holds(number) {
            return Err(PgError::new(
                "22003",
                format!("value \"{text}\" is out of range for type {name}"),
            ));
        }
        Ok(Value::Int(number))
    }

    fn parse_float(&self, text: &str) -> Result<Value, PgError> {
        let name = self.name();
        let trimmed = text.trim();
        let ok = trimmed.bytes().any(|b| b.is_ascii_digit())
            || matches!(
                trimmed
                    .trim_start_matches(['-', '+'])
                    .to_ascii_lowercase()
                    .as_str(),
                "nan" | "inf" | "infinity"
            );
        let float: f64 = trimmed
            .parse()
            .ok()
            .filter(|_| ok)
            .ok_or_else(|| PgError::invalid_text(&name, text))?;
        let overflow = |float: f64| float.is_infinite() && trimmed.bytes().any(|b| b.is_ascii_digit());
        let float = if *self == Type::Float4 {
            f64::from(float as f32)
        } else {
            float
        };
        if overflow(float) {
            return Err(PgError::new(
                "22003",
                format!("\"{text}\" is out of range for type {name}"),
            ));
        }
        Ok(Value::Float(float))
    }

    /// A string cut or padded to `varchar(n)` or `char(n)`: too long is an error unless the cast is explicit
    /// or the rest is spaces.
    pub(crate) fn fit_string(&self, text: &str, explicit: bool) -> Result<Value, PgError> {
        let (Type::Varchar(length) | Type::Bpchar(length)) = self else {
            return Ok(Value::text(text));
        };
        let Some(length) = length.map(|length| length as usize) else {
            return Ok(Value::text(text));
        };
        let count = text.chars().count();
        if count > length {
            let cut: String = text.chars().take(length).collect();
            if !explicit && !text[cut.len()..].bytes().all(|b| b == b' ') {
                return Err(PgError::new(
                    "22001",
                    format!("value too long for type {}", self.name()),
                ));
            }
            return Ok(Value::text(cut));
        }
        if matches!(self, Type::Bpchar(_)) {
            return Ok(Value::text(format!("{text}{}", " ".repeat(length - count))));
        }
        Ok(Value::text(text))
    }
}

/// A numeric brought to its type's precision and scale.
pub(crate) fn numeric_with(numeric: Numeric, modifier: Option<(u16, u16)>) -> Result<Value, PgError> {
    let Some((precision, scale)) = modifier else {
        return Ok(Value::Numeric(Box::new(numeric)));
    };
    let rounded = numeric.rescale(scale)?;
    let limit = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    if rounded
        .digits
        .is_some_and(|digits| digits.unsigned_abs() >= limit)
    {
        let detail = format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
            i32::from(precision) - i32::from(scale)
        );
        return Err(PgError::new("22003", "numeric field overflow").with_detail(detail));
    }
    Ok(Value::Numeric(Box::new(rounded)))
}

fn parse_bool(text: &str) -> Option<bool> {
    let lower = text.trim().to_ascii_lowercase();
    let starts = |word: &str| !lower.is_empty() && word.starts_with(&lower);
    if starts("true") || starts("yes") || lower == "on" || lower == "1" {
        return Some(true);
    }
    let off = lower == "of" || lower == "off";
    (starts("false") || starts("no") || off || lower == "0").then_some(false)
}

fn parse_bytea(text: &str) -> Result<Vec<u8>, PgError> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return parse_escaped(text).ok_or_else(|| PgError::invalid_text("bytea", text));
    };
    let invalid = |c: char| PgError::new("22023", format!("invalid hexadecimal digit: \"{c}\""));
    let digits: Vec<u8> = hex
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).map(|digit| digit as u8).ok_or_else(|| invalid(c)))
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(PgError::new(
            "22023",
            "invalid hexadecimal data: odd number of digits",
        ));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn parse_escaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        match (*first, rest) {
            (b'\\', [b'\\', rest @ ..]) => {
                out.push(b'\\');
                bytes = rest;
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                bytes = rest;
            }
            (b'\\', _) => return None,
            (byte, _) => out.push(byte),
        }
    }
    Some(out)
}

fn parse_uuid(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let inner = trimmed
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(trimmed);
    let hex: String = inner
        .chars()
        .filter(|c| *c != '-')
        .collect::<String>()
        .to_ascii_lowercase();
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn parse_tid(text: &str) -> Option<Value> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (block, item) = inner.split_once(',')?;
    Some(Value::Tid(block.trim().parse().ok()?, item.trim().parse().ok()?))
}

fn parse_array(text: &str, element: &Type) -> Result<Value, PgError> {
    let malformed = || PgError::new("22P02", format!("malformed array literal: \"{text}\""));
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(malformed)?;
    let mut values = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Ok(Value::Array(Rc::from([])));
    }
    loop {
        let (mut item, mut quoted) = (String::new(), false);
        loop {
            match chars.peek().copied() {
                None | Some(',') => break,
                Some('"') => {
                    quoted = true;
                    chars.next();
                    loop {
                        match chars.next().ok_or_else(malformed)? {
                            '"' => break,
                            '\\' => item.push(chars.next().ok_or_else(malformed)?),
                            c => item.push(c),
                        }
                    }
                }
                Some('{' | '}') => {
                    return Err(PgError::unsupported(format!("nested array {text}")));
                }
                Some('\\') => {
                    chars.next();
                    item.push(chars.next().ok_or_else(malformed)?);
                }
                Some(c) => {
                    item.push(c);
                    chars.next();
                }
            }
        }
        let item = if quoted { item.as_str() } else { item.trim() };
        values.push(match item {
            null if !quoted && null.eq_ignore_ascii_case("null") => Value::Null,
            "" if !quoted => return Err(malformed()),
            item => element.parse_text(item)?,
        });
        if chars.next().is_none() {
            return Ok(Value::Array(values.into()));
        }
    }
}
