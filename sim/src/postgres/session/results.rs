//! Rows on their way to the client.

use crate::postgres::process::Process;
use crate::postgres::protocol::{Field, Format};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Column;
use crate::postgres::sql::value::Value;
use crate::postgres::waits::Step;

/// How much is collected before it is sent, in bytes (`PQ_SEND_BUFFER_SIZE`).
const SEND_BUFFER: usize = 8192;

/// The formats that a client asked for: none is text for all, one is for all, else one for each column.
#[derive(Debug, Clone, Default)]
pub struct Formats(pub Vec<Format>);

impl Formats {
    /// Text for all.
    pub fn text() -> Self {
        Self::default()
    }

    /// The format of one column.
    pub fn of(&self, index: usize) -> Format {
        match self.0.as_slice() {
            [] => Format::Text,
            [one] => *one,
            many => many.get(index).copied().unwrap_or_default(),
        }
    }
}

/// Appends a RowDescription.
pub fn describe(process: &mut Process, columns: &[Column], formats: &Formats) {
    process
        .client
        .replies()
        .row_description(columns.iter().enumerate().map(|(index, column)| Field {
            name: &column.name,
            type_oid: column.ty.oid(),
            type_length: column.ty.typlen(),
            type_modifier: column.ty.typmod(),
            format: formats.of(index),
        }));
}

/// Sends rows, with their description in front when it is wanted.
///
/// # Errors
/// With what interrupted the sending.
pub async fn send_rows(
    process: &mut Process,
    columns: &[Column],
    rows: &[Vec<Value>],
    formats: &Formats,
    described: bool,
) -> Step<()> {
    if described {
        describe(process, columns, formats);
    }
    for row in rows {
        let values = row.iter().zip(columns).enumerate();
        let encode =
            |out: &mut Vec<u8>, (index, (value, column))| encode(out, value, column, formats.of(index));
        process.client.replies().data_row(values, encode)?;
        if process.client.unsent() >= SEND_BUFFER {
            process.flush().await?;
        }
    }
    Ok(())
}

/// Appends a value; answers whether there is one.
fn encode(out: &mut Vec<u8>, value: &Value, column: &Column, format: Format) -> Result<bool, PgError> {
    if value.is_null() {
        return Ok(false);
    }
    match format {
        Format::Text => out.extend_from_slice(value.to_text(&column.ty).as_bytes()),
        Format::Binary => value.to_binary(&column.ty, out)?,
    }
    Ok(true)
}
