//! `COPY … FROM STDIN`: the reader of what the client sends, and the storing of its rows.

use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::bind::Bound;
use super::copy::{CopyCommand, CopyFormat, CopySource, SIGNATURE};
use super::error::PgError;
use super::execute::places;
use super::filler::{Filler, store};
use super::host::{Column, Host, OnConflict};
use super::names;
use super::value::Value;

/// Where the rows of a COPY go.
pub struct CopyTarget {
    name: ObjectName,
    /// Where each copied column stands in the table.
    places: Vec<usize>,
    filler: Filler,
}

impl CopyTarget {
    /// Looks up the table and its columns.
    ///
    /// # Errors
    /// `42P01`, `42703`, and `42P10` for a generated column that is named.
    pub fn new<H: Host>(host: &mut H, command: &CopyCommand) -> Bound<Self, H> {
        let CopySource::Table { name, columns } = &command.source else {
            return Err(PgError::syntax("from").into());
        };
        let scan = host.target(name)?;
        let mut places = places(&scan.columns, columns, &names::last(name))?;
        let filler = Filler::new(host, name, Rc::clone(&scan.columns))?;
        if columns.is_empty() {
            places.retain(|place| !filler.is_generated(*place));
        } else if let Some(place) = places.iter().find(|place| filler.is_generated(**place)) {
            let message = format!("column \"{}\" is a generated column", scan.columns[*place].name);
            return Err(PgError::new("42P10", message)
                .with_detail("Generated columns cannot be used in COPY.")
                .into());
        }
        Ok(Self {
            name: name.clone(),
            places,
            filler,
        })
    }

    /// The columns that the client sends.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        self.places
            .iter()
            .map(|place| self.filler.columns[*place].clone())
            .collect()
    }

    /// A reader for those columns.
    #[must_use]
    pub fn decoder(&self, format: &CopyFormat) -> CopyInDecoder {
        CopyInDecoder::new(self.columns(), format.clone())
    }

    /// Rows as they will be stored, with defaults for the columns that are not sent.
    ///
    /// # Errors
    /// What a row violates of itself: Postgres finds it as the row comes, and a key that is taken when it writes.
    pub fn admit<H: Host>(&mut self, host: &mut H, rows: Vec<Vec<Value>>) -> Bound<Vec<Vec<Value>>, H> {
        let mut complete = Vec::new();
        for row in rows {
            let mut cells = vec![None; self.filler.columns.len()];
            for (value, place) in row.into_iter().zip(&self.places) {
                let column = &self.filler.columns[*place];
                cells[*place] = Some(store(value, &column.ty, column)?);
            }
            complete.push(self.filler.fill(host, cells, true)?);
        }
        if !complete.is_empty() {
            host.admit(&self.name, &complete)?;
        }
        Ok(complete)
    }

    /// Stores complete rows; returns their number.
    ///
    /// # Errors
    /// What they violate.
    pub fn insert<H: Host>(&mut self, host: &mut H, complete: Vec<Vec<Value>>) -> Bound<u64, H> {
        let count = complete.len() as u64;
        host.insert(&self.name, complete, OnConflict::Fail)?;
        Ok(count)
    }
}

/// Reads rows from chunks that are cut anywhere.
#[derive(Debug)]
pub struct CopyInDecoder {
    columns: Vec<Column>,
    format: CopyFormat,
    buffer: Vec<u8>,
    header_read: bool,
    ended: bool,
    line: u64,
}

impl CopyInDecoder {
    /// A reader of rows of these columns.
    #[must_use]
    pub fn new(columns: Vec<Column>, format: CopyFormat) -> Self {
        Self {
            columns,
            format,
            buffer: Vec::new(),
            header_read: false,
            ended: false,
            line: 0,
        }
    }

    /// Takes a chunk and gives the rows that it completes.
    ///
    /// # Errors
    /// `22P04` for what is no COPY data, and what the input of a value fails with.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Vec<Value>>, PgError> {
        self.buffer.extend_from_slice(chunk);
        let mut rows = Vec::new();
        let mut at = 0;
        while !self.ended {
            let rest = &self.buffer[at..];
            let step = match &self.format {
                CopyFormat::Binary if !self.header_read => header(rest)?.map(|size| (size, Step::Header)),
                CopyFormat::Binary => binary_row(rest, &self.columns)?,
                CopyFormat::Text { delimiter, null } => text_row(rest, *delimiter, null, &self.columns)?,
            };
            let Some((size, step)) = step else { break };
            at += size;
            match step {
                Step::Header => self.header_read = true,
                Step::End => self.ended = true,
                Step::Row(row) => {
                    self.line += 1;
                    rows.push(row);
                }
            }
        }
        self.buffer.drain(..at);
        if self.ended && !self.buffer.is_empty() && self.format == CopyFormat::Binary {
            return Err(bad("received copy data after EOF marker"));
        }
        Ok(rows)
    }

    /// The rest at CopyDone: a last line without its newline.
    ///
    /// # Errors
    /// `22P04` when binary data stops before its trailer inside a row.
    pub fn finish(&mut self) -> Result<Vec<Vec<Value>>, PgError> {
        if self.ended {
            return Ok(Vec::new());
        }
        if self.format == CopyFormat::Binary {
            return match (self.header_read, self.buffer.is_empty()) {
                (true, true) => Ok(Vec::new()),
                (false, _) => Err(bad("COPY file signature not recognized")),
                (true, false) => Err(bad("unexpected EOF in COPY data")),
            };
        }
        if self.buffer.is_empty() {
            Ok(Vec::new())
        } else {
            self.feed(b"\n")
        }
    }
}

enum Step {
    Header,
    Row(Vec<Value>),
    End,
}

fn bad(message: impl Into<String>) -> PgError {
    PgError::new("22P04", message)
}

fn header(bytes: &[u8]) -> Result<Option<usize>, PgError> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(bad("COPY file signature not recognized"));
    }
    let Some(rest) = bytes.get(SIGNATURE.len()..SIGNATURE.len() + 8) else {
        return Ok(None);
    };
    let flags = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
    if flags & 0x0001_0000 != 0 {
        return Err(bad("invalid COPY file header (WITH OIDS)"));
    }
    if flags >> 16 != 0 {
        return Err(bad("unrecognized critical flags in COPY file header"));
    }
    let extension = u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]);
    let Some(extension) = usize::try_from(extension)
        .ok()
        .filter(|size| i32::try_from(*size).is_ok())
    else {
        return Err(bad("invalid COPY file header (missing length)"));
    };
    let size = SIGNATURE.len() + 8 + extension;
    Ok((bytes.len() >= size).then_some(size))
}

fn binary_row(bytes: &[u8], columns: &[Column]) -> Result<Option<(usize, Step)>, PgError> {
    let Some(count) = bytes.get(..2) else {
        return Ok(None);
    };
    let count = i16::from_be_bytes([count[0], count[1]]);
    if count == -1 {
        return Ok(Some((2, Step::End)));
    }
    if usize::try_from(count).ok() != Some(columns.len()) {
        return Err(bad(format!(
            "row field count is {count}, expected {}",
            columns.len()
        )));
    }
    let mut at = 2;
    let mut cells = Vec::new();
    for _ in columns {
        let Some(length) = bytes.get(at..at + 4) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        at += 4;
        cells.push(match length {
            -1 => None,
            length => {
                let size = usize::try_from(length).map_err(|_| bad("invalid field size"))?;
                let Some(cell) = bytes.get(at..at + size) else {
                    return Ok(None);
                };
                at += size;
                Some(cell)
            }
        });
    }
    let parse = |(cell, column): (Option<&[u8]>, &Column)| {
        cell.map_or(Ok(Value::Null), |cell| column.ty.parse_binary(cell))
    };
    let row = cells
        .into_iter()
        .zip(columns)
        .map(parse)
        .collect::<Result<_, _>>()?;
    Ok(Some((at, Step::Row(row))))
}

fn text_row(
    bytes: &[u8],
    delimiter: u8,
    null: &str,
    columns: &[Column],
) -> Result<Option<(usize, Step)>, PgError> {
    let Some(end) = line_end(bytes) else {
        return Ok(None);
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    if line == b"\\." {
        return Ok(Some((end + 1, Step::End)));
    }
    let mut fields: Vec<&[u8]> = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < line.len() {
        match line[at] {
            b'\\' => at += 1,
            byte if byte == delimiter => {
                fields.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    fields.push(&line[start..]);
    if columns.is_empty() && line.is_empty() {
        fields.clear();
    }
    if fields.len() > columns.len() {
        return Err(bad("extra data after last expected column"));
    }
    let mut row = Vec::new();
    for (at, Column { name, ty }) in columns.iter().enumerate() {
        let Some(&field) = fields.get(at) else {
            return Err(bad(format!("missing data for column \"{name}\"")));
        };
        if field == null.as_bytes() {
            row.push(Value::Null);
            continue;
        }
        let text =
            String::from_utf8(unescape(field)).map_err(|error| PgError::invalid_utf8(error.as_bytes()))?;
        row.push(ty.parse_text(&text)?);
    }
    Ok(Some((end + 1, Step::Row(row))))
}

/// The newline that ends a line: one that no backslash stands before.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            None => out.push(b'\\'),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'v') => out.push(11),
            Some(digit @ b'0'..=b'7') => {
                let mut code = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(digit) = bytes.next_if(|b| (b'0'..=b'7').contains(b)) {
                        code = code * 8 + u32::from(digit - b'0');
                    }
                }
                out.push(code as u8);
            }
            Some(b'x') if bytes.peek().is_some_and(u8::is_ascii_hexdigit) => {
                let mut code = 0;
                for _ in 0..2 {
                    if let Some(digit) = bytes.next_if(u8::is_ascii_hexdigit) {
                        code = code * 16 + char::from(digit).to_digit(16).unwrap_or(0);
                    }
                }
                out.push(code as u8);
            }
            Some(other) => out.push(other),
        }
    }
    out
}
