//! COPY: the command, the payloads it sends, and the reader of what it is sent.

use bytes::BufMut;
use sqlparser::ast::{ObjectName, Query};
use sqlparser::tokenizer::Token;

use super::binary::put_item;
use super::error::PgError;
use super::value::{Type, Value};
use super::words::Words;

/// A COPY command.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyCommand {
    /// To the client or from it.
    pub direction: CopyDirection,
    /// What is copied.
    pub source: CopySource,
    /// How rows are written.
    pub format: CopyFormat,
    /// `FREEZE`.
    pub freeze: bool,
}

/// The direction of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    /// `TO STDOUT`.
    Out,
    /// `FROM STDIN`.
    In,
}

/// What a COPY reads or fills.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// A table, with the columns that are named (folded); all, when none is.
    Table {
        /// The table.
        name: ObjectName,
        /// The columns.
        columns: Vec<String>,
    },
    /// A query, for `TO STDOUT`.
    Query(Box<Query>),
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// One line a row.
    Text {
        /// Between columns.
        delimiter: u8,
        /// What stands for NULL.
        null: String,
    },
    /// Postgres's binary format.
    Binary,
}

impl CopyFormat {
    /// The code of `CopyOutResponse` and `CopyInResponse`: 0 text, 1 binary.
    #[must_use]
    pub fn code(&self) -> u8 {
        u8::from(*self == CopyFormat::Binary)
    }
}

/// The signature with which binary COPY begins.
pub const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

pub(crate) fn parse_copy(words: &mut Words<'_>, text: &str) -> Result<CopyCommand, PgError> {
    words.expect("copy")?;
    let mut options: Vec<(String, Option<String>)> = Vec::new();
    if words.take("binary") {
        options.push(("format".into(), Some("binary".into())));
    }
    let source = if *words.peek() == Token::LParen {
        CopySource::Query(words.query_in_parentheses()?)
    } else {
        let name = words.name()?;
        let mut columns = Vec::new();
        if words.take_token(&Token::LParen) {
            columns = words.idents()?;
            words.expect_token(&Token::RParen)?;
        }
        CopySource::Table { name, columns }
    };
    let direction = if words.take("to") {
        CopyDirection::Out
    } else {
        words.expect("from")?;
        CopyDirection::In
    };
    if direction == CopyDirection::In && matches!(source, CopySource::Query(_)) {
        return Err(PgError::syntax("from"));
    }
    if !words.take("stdout") && !words.take("stdin") {
        return Err(PgError::unsupported(text));
    }
    words.take("with");
    if *words.peek() == Token::LParen {
        options.extend(words.options(false)?);
    } else {
        old_options(words, &mut options)?;
    }
    if !words.is_end() {
        return Err(if words.take("where") {
            PgError::unsupported(text)
        } else {
            words.syntax()
        });
    }
    let (format, freeze) = read_options(&options, text)?;
    Ok(CopyCommand {
        direction,
        source,
        format,
        freeze,
    })
}

fn old_options(words: &mut Words<'_>, options: &mut Vec<(String, Option<String>)>) -> Result<(), PgError> {
    loop {
        if words.take("binary") {
            options.push(("format".into(), Some("binary".into())));
        } else if words.take("csv") {
            options.push(("format".into(), Some("csv".into())));
        } else if words.take("freeze") {
            options.push(("freeze".into(), None));
        } else if words.take("delimiter") || words.take("delimiters") {
            words.take("as");
            options.push(("delimiter".into(), Some(words.string()?)));
        } else if words.take("null") {
            words.take("as");
            options.push(("null".into(), Some(words.string()?)));
        } else {
            return Ok(());
        }
    }
}

fn read_options(options: &[(String, Option<String>)], text: &str) -> Result<(CopyFormat, bool), PgError> {
    let (mut binary, mut freeze, mut delimiter, mut null) = (false, false, None, None);
    for (name, value) in options {
        match (name.as_str(), value.as_deref()) {
            ("format", Some("text")) => binary = false,
            ("format", Some("binary")) => binary = true,
            ("freeze", value) => freeze = value.is_none_or(|value| matches!(value, "true" | "on" | "1")),
            ("delimiter", Some(value)) => match value.as_bytes() {
                [one] => delimiter = Some(*one),
                _ => {
                    return Err(PgError::new(
                        "0A000",
                        "COPY delimiter must be a single one-byte character",
                    ));
                }
            },
            ("null", Some(value)) => null = Some(value.to_owned()),
            ("encoding", Some(value)) if value.eq_ignore_ascii_case("utf8") => {}
            ("header", Some("false" | "off" | "0")) => {}
            ("format", Some("csv")) | ("header" | "encoding" | "quote" | "escape", _) => {
                return Err(PgError::unsupported(text));
            }
            _ => {
                return Err(PgError::new("42601", format!("option \"{name}\" not recognized")));
            }
        }
    }
    if binary && (delimiter.is_some() || null.is_some()) {
        let what = if delimiter.is_some() { "DELIMITER" } else { "NULL" };
        return Err(PgError::new(
            "42601",
            format!("cannot specify {what} in BINARY mode"),
        ));
    }
    let format = if binary {
        CopyFormat::Binary
    } else {
        CopyFormat::Text {
            delimiter: delimiter.unwrap_or(b'\t'),
            null: null.unwrap_or_else(|| "\\N".into()),
        }
    };
    Ok((format, freeze))
}

/// The payloads of `CopyData` messages for these rows: in binary a header before the first row and a trailer
/// after the last, and otherwise one payload a row.
pub fn copy_out_rows<'a>(
    rows: impl IntoIterator<Item = Vec<Value>> + 'a,
    types: &'a [Type],
    format: &'a CopyFormat,
) -> impl Iterator<Item = Result<Vec<u8>, PgError>> + 'a {
    let binary = *format == CopyFormat::Binary;
    // As the server sends it, the header rides in front of the first row.
    let mut header = binary;
    let trailer = binary.then_some(None);
    rows.into_iter().map(Some).chain(trailer).map(move |row| {
        let mut out = Vec::new();
        if std::mem::take(&mut header) {
            out.put_slice(SIGNATURE);
            out.put_u64(0);
        }
        match row {
            None => out.put_i16(-1),
            Some(row) if binary => put_binary_row(&row, types, &mut out)?,
            Some(row) => put_text_row(&row, types, format, &mut out),
        }
        Ok(out)
    })
}

fn put_binary_row(row: &[Value], types: &[Type], out: &mut Vec<u8>) -> Result<(), PgError> {
    out.put_i16(row.len() as i16);
    row.iter()
        .zip(types)
        .try_for_each(|(value, ty)| put_item(value, ty, out))
}

fn put_text_row(row: &[Value], types: &[Type], format: &CopyFormat, out: &mut Vec<u8>) {
    let CopyFormat::Text { delimiter, null } = format else {
        return;
    };
    for (index, (value, ty)) in row.iter().zip(types).enumerate() {
        if index > 0 {
            out.put_u8(*delimiter);
        }
        if value.is_null() {
            out.put_slice(null.as_bytes());
            continue;
        }
        for byte in value.to_text(ty).bytes() {
            match byte {
                b'\x08' => out.put_slice(b"\\b"),
                b'\x0c' => out.put_slice(b"\\f"),
                b'\n' => out.put_slice(b"\\n"),
                b'\r' => out.put_slice(b"\\r"),
                b'\t' => out.put_slice(b"\\t"),
                b'\x0b' => out.put_slice(b"\\v"),
                b'\\' => out.put_slice(b"\\\\"),
                byte if byte == *delimiter => out.put_slice(&[b'\\', byte]),
                byte => out.put_u8(byte),
            }
        }
    }
    out.put_u8(b'\n');
}
