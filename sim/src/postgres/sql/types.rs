//! The types of the simulated server, with the numbers and names that Postgres gives them.

use std::sync::Arc;

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo,
};

use super::error::PgError;

/// A type with its modifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `boolean`.
    Bool,
    /// `"char"`, the one-byte type of the catalogs.
    QChar,
    /// `name`.
    Name,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid`.
    Oid,
    /// `xid`.
    Xid,
    /// `xid8`.
    Xid8,
    /// `regclass`.
    Regclass,
    /// `regtype`.
    Regtype,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`, with precision and scale.
    Numeric(Option<(u16, u16)>),
    /// `text`.
    Text,
    /// `character varying(n)`.
    Varchar(Option<u32>),
    /// `character(n)`.
    Bpchar(Option<u32>),
    /// `bytea`.
    Bytea,
    /// `timestamp with time zone`, with its precision.
    Timestamptz(Option<u8>),
    /// `timestamp without time zone`, with its precision.
    Timestamp(Option<u8>),
    /// `date`.
    Date,
    /// `interval`.
    Interval,
    /// `uuid`.
    Uuid,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `pg_lsn`.
    Lsn,
    /// `tid`.
    Tid,
    /// An array.
    Array(Arc<Type>),
    /// A literal that has no type yet.
    Unknown,
    /// `void`.
    Void,
    /// `record`.
    Record,
}

/// (type without modifier, oid, oid of its array, typlen, name).
const TABLE: &[(Type, u32, u32, i16, &str)] = &[
    (Type::Bool, 16, 1000, 1, "boolean"),
    (Type::Bytea, 17, 1001, -1, "bytea"),
    (Type::QChar, 18, 1002, 1, "\"char\""),
    (Type::Name, 19, 1003, 64, "name"),
    (Type::Int8, 20, 1016, 8, "bigint"),
    (Type::Int2, 21, 1005, 2, "smallint"),
    (Type::Int4, 23, 1007, 4, "integer"),
    (Type::Text, 25, 1009, -1, "text"),
    (Type::Oid, 26, 1028, 4, "oid"),
    (Type::Tid, 27, 1010, 6, "tid"),
    (Type::Xid, 28, 1011, 4, "xid"),
    (Type::Json, 114, 199, -1, "json"),
    (Type::Float4, 700, 1021, 4, "real"),
    (Type::Float8, 701, 1022, 8, "double precision"),
    (Type::Unknown, 705, 0, -2, "unknown"),
    (Type::Bpchar(None), 1042, 1014, -1, "character"),
    (Type::Varchar(None), 1043, 1015, -1, "character varying"),
    (Type::Date, 1082, 1182, 4, "date"),
    (
        Type::Timestamp(None),
        1114,
        1115,
        8,
        "timestamp without time zone",
    ),
    (Type::Timestamptz(None), 1184, 1185, 8, "timestamp with time zone"),
    (Type::Interval, 1186, 1187, 16, "interval"),
    (Type::Numeric(None), 1700, 1231, -1, "numeric"),
    (Type::Regclass, 2205, 2210, 4, "regclass"),
    (Type::Regtype, 2206, 2211, 4, "regtype"),
    (Type::Record, 2249, 2287, -1, "record"),
    (Type::Void, 2278, 0, 4, "void"),
    (Type::Uuid, 2950, 2951, 16, "uuid"),
    (Type::Lsn, 3220, 3221, 8, "pg_lsn"),
    (Type::Jsonb, 3802, 3807, -1, "jsonb"),
    (Type::Xid8, 5069, 271, 8, "xid8"),
];

impl Type {
    /// The type without its modifier.
    #[must_use]
    pub fn base(&self) -> Type {
        match self {
            Type::Numeric(_) => Type::Numeric(None),
            Type::Varchar(_) => Type::Varchar(None),
            Type::Bpchar(_) => Type::Bpchar(None),
            Type::Timestamp(_) => Type::Timestamp(None),
            Type::Timestamptz(_) => Type::Timestamptz(None),
            Type::Array(element) => Type::Array(Arc::new(element.base())),
            other => other.clone(),
        }
    }

    fn row(&self) -> &'static (Type, u32, u32, i16, &'static str) {
        let base = self.base();
        TABLE
            .iter()
            .find(|row| row.0 == base)
            .expect("every type but arrays is in the table")
    }

    /// `pg_type.oid`.
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Type::Array(element) => element.array_oid(),
            other => other.row().1,
        }
    }

    /// `pg_type.typarray`; 0 when there is none.
    #[must_use]
    pub fn array_oid(&self) -> u32 {
        match self {
            Type::Array(_) => 0,
            other => other.row().2,
        }
    }

    /// `pg_type.typlen`: -1 for variable length.
    #[must_use]
    pub fn typlen(&self) -> i16 {
        match self {
            Type::Array(_) => -1,
            other => other.row().3,
        }
    }

    /// `atttypmod`: -1 for none.
    #[must_use]
    pub fn typmod(&self) -> i32 {
        match self {
            Type::Numeric(Some((precision, scale))) => (i32::from(*precision) << 16 | i32::from(*scale)) + 4,
            Type::Varchar(Some(length)) | Type::Bpchar(Some(length)) => {
                i32::try_from(*length).unwrap_or(i32::MAX).saturating_add(4)
            }
            Type::Timestamp(Some(digits)) | Type::Timestamptz(Some(digits)) => i32::from(*digits),
            Type::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// `pg_type.typname`: `int4`, `_text`.
    #[must_use]
    pub fn typname(&self) -> String {
        match self {
            Type::Bool => "bool".into(),
            Type::QChar => "char".into(),
            Type::Int2 => "int2".into(),
            Type::Int4 => "int4".into(),
            Type::Int8 => "int8".into(),
            Type::Float4 => "float4".into(),
            Type::Float8 => "float8".into(),
            Type::Varchar(_) => "varchar".into(),
            Type::Bpchar(_) => "bpchar".into(),
            Type::Timestamp(_) => "timestamp".into(),
            Type::Timestamptz(_) => "timestamptz".into(),
            Type::Array(element) => format!("_{}", element.typname()),
            other => other.row().4.into(),
        }
    }

    /// The name as `format_type` prints it, modifier included.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Type::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
            Type::Varchar(Some(length)) => format!("character varying({length})"),
            Type::Bpchar(Some(length)) => format!("character({length})"),
            Type::Timestamp(Some(digits)) => format!("timestamp({digits}) without time zone"),
            Type::Timestamptz(Some(digits)) => format!("timestamp({digits}) with time zone"),
            Type::Array(element) => format!("{}[]", element.name()),
            other => other.row().4.into(),
        }
    }

    /// The type with this oid and modifier.
    #[must_use]
    pub fn from_oid(oid: u32, typmod: i32) -> Option<Type> {
        let row = TABLE
            .iter()
            .find(|row| oid != 0 && (row.1 == oid || row.2 == oid))?;
        let element = row.0.with_typmod(typmod);
        Some(if row.1 == oid {
            element
        } else {
            Type::Array(Arc::new(element))
        })
    }

    fn with_typmod(&self, typmod: i32) -> Type {
        if typmod < 0 {
            return self.clone();
        }
        match self {
            Type::Numeric(_) => {
                let bits = (typmod - 4).max(0);
                Type::Numeric(Some(((bits >> 16) as u16, (bits & 0x7ff) as u16)))
            }
            Type::Varchar(_) => Type::Varchar(Some((typmod - 4).max(0) as u32)),
            Type::Bpchar(_) => Type::Bpchar(Some((typmod - 4).max(0) as u32)),
            Type::Timestamp(_) => Type::Timestamp(Some(typmod as u8)),
            Type::Timestamptz(_) => Type::Timestamptz(Some(typmod as u8)),
            other => other.clone(),
        }
    }

    /// The type that a name means, as `pg_type.typname` or SQL spell it, without a modifier.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Type> {
        let lower = name.trim().to_ascii_lowercase();
        if let Some(element) = lower.strip_suffix("[]") {
            return Some(Type::Array(Arc::new(Type::from_name(element)?)));
        }
        Some(match lower.strip_prefix("pg_catalog.").unwrap_or(&lower) {
            "bool" => Type::Bool,
            "char" => Type::QChar,
            "int" | "int4" => Type::Int4,
            "int2" => Type::Int2,
            "int8" => Type::Int8,
            "float4" => Type::Float4,
            "float8" | "float" => Type::Float8,
            "decimal" => Type::Numeric(None),
            "varchar" => Type::Varchar(None),
            "bpchar" => Type::Bpchar(None),
            "timestamp" => Type::Timestamp(None),
            "timestamptz" => Type::Timestamptz(None),
            other => TABLE.iter().find(|row| row.4 == other)?.0.clone(),
        })
    }

    /// The type that the parser read.
    ///
    /// # Errors
    /// `42704` for a type that does not exist.
    pub fn from_ast(ast: &DataType) -> Result<Type, PgError> {
        Ok(match ast {
            DataType::Bool | DataType::Boolean => Type::Bool,
            DataType::SmallInt(_) | DataType::Int2(_) => Type::Int2,
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => Type::Int4,
            DataType::BigInt(_) | DataType::Int8(_) => Type::Int8,
            DataType::Real | DataType::Float4 => Type::Float4,
            DataType::Float8 | DataType::DoublePrecision | DataType::Double(_) => Type::Float8,
            DataType::Float(info) => match info {
                ExactNumberInfo::Precision(bits) if *bits <= 24 => Type::Float4,
                _ => Type::Float8,
            },
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
            DataType::Text => Type::Text,
            DataType::Varchar(length)
            | DataType::CharacterVarying(length)
            | DataType::CharVarying(length) => Type::Varchar(characters(length)),
            DataType::Char(length) | DataType::Character(length) => {
                Type::Bpchar(Some(characters(length).unwrap_or(1)))
            }
            DataType::Bytea => Type::Bytea,
            DataType::Timestamp(digits, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                Type::Timestamptz(digits.map(|digits| digits as u8))
            }
            DataType::Timestamp(digits, _) => Type::Timestamp(digits.map(|digits| digits as u8)),
            DataType::Date => Type::Date,
            DataType::Interval { .. } => Type::Interval,
            DataType::Uuid => Type::Uuid,
            DataType::JSON => Type::Json,
            DataType::JSONB => Type::Jsonb,
            DataType::Regclass => Type::Regclass,
            DataType::Array(
                ArrayElemTypeDef::SquareBracket(element, _)
                | ArrayElemTypeDef::AngleBracket(element)
                | ArrayElemTypeDef::Parenthesis(element),
            ) => Type::Array(Arc::new(Type::from_ast(element)?)),
            DataType::Custom(name, modifiers) => custom(name, modifiers)?,
            other => return Err(undefined(&other.to_string())),
        })
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Type::Float4 | Type::Float8 | Type::Numeric(_))
    }

    /// Whether it is `smallint`, `integer` or `bigint`.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }

    /// Whether it is an oid or an alias of oid.
    #[must_use]
    pub fn is_oid(&self) -> bool {
        matches!(self, Type::Oid | Type::Regclass | Type::Regtype)
    }

    /// Whether it is a string type.
    #[must_use]
    pub fn is_string(&self) -> bool {
        matches!(
            self,
            Type::Text | Type::Varchar(_) | Type::Bpchar(_) | Type::Name | Type::QChar | Type::Unknown
        )
    }
}

fn characters(length: &Option<CharacterLength>) -> Option<u32> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => {
            Some(u32::try_from(*length).unwrap_or(u32::MAX))
        }
        _ => None,
    }
}

fn numeric(info: &ExactNumberInfo) -> Type {
    Type::Numeric(match info {
        ExactNumberInfo::None => None,
        ExactNumberInfo::Precision(precision) => Some((*precision as u16, 0)),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => Some((*precision as u16, *scale as u16)),
    })
}

fn custom(name: &ObjectName, modifiers: &[String]) -> Result<Type, PgError> {
    let last = name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .map(|ident| ident.value.as_str());
    let ty = last
        .and_then(Type::from_name)
        .ok_or_else(|| undefined(&name.to_string()))?;
    Ok(
        match (ty, modifiers.first().and_then(|text| text.parse::<u32>().ok())) {
            (Type::Varchar(_), Some(length)) => Type::Varchar(Some(length)),
            (Type::Bpchar(_), Some(length)) => Type::Bpchar(Some(length)),
            (Type::Timestamptz(_), Some(digits)) => Type::Timestamptz(Some(digits as u8)),
            (Type::Timestamp(_), Some(digits)) => Type::Timestamp(Some(digits as u8)),
            (ty, _) => ty,
        },
    )
}

fn undefined(name: &str) -> PgError {
    PgError::new(
        "42704",
        format!("type \"{}\" does not exist", name.to_lowercase()),
    )
}
