//! Values in the binary format of COPY and of the extended protocol.

use bytes::BufMut;

use super::error::PgError;
use super::numeric::Numeric;
use super::value::{Interval, Type, Value};

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xc000;

impl Value {
    /// Appends what the type's send function gives (without a length). NULL appends nothing; the caller
    /// tells it apart.
    ///
    /// # Errors
    /// `42883` when the type has no binary form here.
    pub fn to_binary(&self, ty: &Type, out: &mut Vec<u8>) -> Result<(), PgError> {
        match (ty, self) {
            (_, Value::Null) | (Type::Void, _) => {}
            (Type::Bool, Value::Bool(bool)) => out.put_u8(u8::from(*bool)),
            (Type::Int2, Value::Int(int)) => out.put_i16(*int as i16),
            (Type::Int4, Value::Int(int)) => out.put_i32(*int as i32),
            (Type::Int8 | Type::Xid8, Value::Int(int)) => out.put_i64(*int),
            (Type::Oid | Type::Xid | Type::Regclass | Type::Regtype, value) => {
                out.put_u32(value.as_int().ok_or_else(|| no_binary(ty))? as u32);
            }
            (Type::Float4, Value::Float(float)) => out.put_f32(*float as f32),
            (Type::Float8, Value::Float(float)) => out.put_f64(*float),
            (Type::Numeric(_), Value::Numeric(numeric)) => put_numeric(**numeric, out),
            (Type::Uuid, Value::Text(text)) => out.put_u128(uuid_bits(text).ok_or_else(|| no_binary(ty))?),
            (Type::Jsonb, Value::Text(text)) => {
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
            (Type::Bytea, Value::Bytes(bytes)) => out.put_slice(bytes),
            (Type::Timestamp(_) | Type::Timestamptz(_), Value::Timestamp(micros)) => out.put_i64(*micros),
            (Type::Date, Value::Date(days)) => out.put_i32(*days),
            (Type::Interval, Value::Interval(interval)) => {
                out.put_i64(interval.micros);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            (Type::Lsn, Value::Lsn(lsn)) => out.put_u64(*lsn),
            (Type::Tid, Value::Tid(block, item)) => {
                out.put_u32(*block);
                out.put_u16(*item);
            }
            (Type::Array(element), Value::Array(values)) => put_array(values, element, out)?,
            (Type::Record, Value::Record(fields)) => {
                out.put_i32(fields.len() as i32);
                for (ty, value) in fields.iter() {
                    out.put_u32(ty.oid());
                    put_item(value, ty, out)?;
                }
            }
            (ty, Value::Text(text)) if ty.is_string() || *ty == Type::Json => out.put_slice(text.as_bytes()),
            _ => return Err(no_binary(ty)),
        }
        Ok(())
    }
}

/// A value behind its length; NULL is the length -1.
pub(crate) fn put_item(value: &Value, ty: &Type, out: &mut Vec<u8>) -> Result<(), PgError> {
    if value.is_null() {
        out.put_i32(-1);
        return Ok(());
    }
    let at = out.len();
    out.put_i32(0);
    value.to_binary(ty, out)?;
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn put_numeric(numeric: Numeric, out: &mut Vec<u8>) {
    let Some(digits) = numeric.digits else {
        out.put_i16(0);
        out.put_i16(0);
        out.put_u16(NUMERIC_NAN);
        out.put_u16(0);
        return;
    };
    let (weight, groups) = numeric.groups();
    out.put_i16(groups.len() as i16);
    out.put_i16(weight);
    out.put_u16(if digits < 0 { NUMERIC_NEGATIVE } else { 0 });
    out.put_u16(numeric.scale);
    for group in groups {
        out.put_i16(group);
    }
}

fn put_array(values: &[Value], element: &Type, out: &mut Vec<u8>) -> Result<(), PgError> {
    out.put_i32(i32::from(!values.is_empty()));
    out.put_i32(i32::from(values.iter().any(Value::is_null)));
    out.put_u32(element.oid());
    if !values.is_empty() {
        out.put_i32(values.len() as i32);
        out.put_i32(1);
    }
    values.iter().try_for_each(|value| put_item(value, element, out))
}

fn uuid_bits(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

fn no_binary(ty: &Type) -> PgError {
    PgError::new(
        "42883",
        format!("no binary output function available for type {}", ty.name()),
    )
}

/// Takes the parts of a binary value off its front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PgError> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| PgError::new("08P01", "insufficient data left in message"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn i16(&mut self) -> Result<i16, PgError> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, PgError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, PgError> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], PgError> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| PgError::new("08P01", "insufficient data left in message"))?;
        self.0 = rest;
        Ok(head)
    }
}

impl Type {
    /// Reads what the type's receive function reads: the whole of a binary value.
    ///
    /// # Errors
    /// `22P03` for a wrong length or shape, `22021` for text that is not UTF-8.
    pub fn parse_binary(&self, bytes: &[u8]) -> Result<Value, PgError> {
        let mut cursor = Cursor(bytes);
        let value = self.receive(&mut cursor)?;
        if cursor.0.is_empty() {
            Ok(value)
        } else {
            Err(PgError::invalid_binary())
        }
    }

    fn receive(&self, cursor: &mut Cursor<'_>) -> Result<Value, PgError> {
        Ok(match self {
            Type::Bool => Value::Bool(cursor.take::<1>()?[0] != 0),
            Type::Int2 => Value::Int(i64::from(cursor.i16()?)),
            Type::Int4 => Value::Int(i64::from(cursor.i32()?)),
            Type::Int8 | Type::Xid8 => Value::Int(cursor.i64()?),
            Type::Oid | Type::Xid => Value::Int(i64::from(u32::from_be_bytes(cursor.take()?))),
            Type::Regclass | Type::Regtype => {
                let oid = u32::from_be_bytes(cursor.take()?);
                Value::Reg(oid, oid.to_string().into())
            }
            Type::Float4 => Value::Float(f64::from(f32::from_be_bytes(cursor.take()?))),
            Type::Float8 => Value::Float(f64::from_be_bytes(cursor.take()?)),
            Type::Numeric(modifier) => super::text_input::numeric_with(take_numeric(cursor)?, *modifier)?,
            Type::Bytea => Value::Bytes(cursor.rest().into()),
            Type::Timestamptz(_) | Type::Timestamp(_) => Value::Timestamp(cursor.i64()?),
            Type::Date => Value::Date(cursor.i32()?),
            Type::Interval => {
                let (micros, days, months) = (cursor.i64()?, cursor.i32()?, cursor.i32()?);
                Value::Interval(Box::new(Interval { months, days, micros }))
            }
            Type::Uuid => {
                let bits = u128::from_be_bytes(cursor.take()?);
                self.parse_text(&format!("{bits:032x}"))?
            }
            Type::Jsonb => {
                if cursor.take::<1>()?[0] != 1 {
                    return Err(PgError::new("XX000", "unsupported jsonb version number"));
                }
                Value::text(utf8(cursor.rest())?)
            }
            Type::Lsn => Value::Lsn(u64::from_be_bytes(cursor.take()?)),
            Type::Tid => Value::Tid(
                u32::from_be_bytes(cursor.take()?),
                u16::from_be_bytes(cursor.take()?),
            ),
            Type::Array(element) => take_array(cursor, element)?,
            Type::Void => Value::text(""),
            Type::Record => return Err(PgError::unsupported("binary input of record")),
            _ => self.parse_text(utf8(cursor.rest())?)?,
        })
    }
}

fn take_numeric(cursor: &mut Cursor<'_>) -> Result<Numeric, PgError> {
    let (count, weight) = (cursor.i16()?, cursor.i16()?);
    let (sign, scale) = (cursor.i16()? as u16, cursor.i16()? as u16);
    let count = usize::try_from(count).map_err(|_| PgError::invalid_binary())?;
    let mut groups = Vec::new();
    for _ in 0..count {
        let group = cursor.i16()?;
        if !(0..10_000).contains(&group) {
            return Err(PgError::new(
                "22P03",
                "invalid digit in external \"numeric\" value",
            ));
        }
        groups.push(group);
    }
    match sign {
        NUMERIC_NAN => Ok(Numeric::NAN),
        0 | NUMERIC_NEGATIVE => Numeric::from_groups(sign != 0, weight, &groups, scale),
        _ => Err(PgError::new(
            "22P03",
            "invalid sign in external \"numeric\" value",
        )),
    }
}

fn take_array(cursor: &mut Cursor<'_>, element: &Type) -> Result<Value, PgError> {
    let (dimensions, _, oid) = (cursor.i32()?, cursor.i32()?, cursor.i32()?);
    if oid as u32 != element.oid() {
        return Err(PgError::new("42804", "wrong element type"));
    }
    match dimensions {
        0 => return Ok(Value::Array([].into())),
        1 => {}
        _ => return Err(PgError::unsupported("arrays of several dimensions")),
    }
    let (length, _lower) = (cursor.i32()?, cursor.i32()?);
    let mut values = Vec::new();
    for _ in 0..length {
        let size = cursor.i32()?;
        values.push(match usize::try_from(size) {
            Ok(size) => element.parse_binary(cursor.slice(size)?)?,
            Err(_) => Value::Null,
        });
    }
    Ok(Value::Array(values.into()))
}

fn utf8(bytes: &[u8]) -> Result<&str, PgError> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| PgError::invalid_utf8(bytes))
}
