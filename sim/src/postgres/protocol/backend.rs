//! What a server says: each method of [`Replies`] appends one message to a buffer.

use bytes::BufMut;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// As text.
    #[default]
    Text,
    /// As the type's binary form.
    Binary,
}

impl Format {
    fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// The transaction status in ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No transaction block.
    Idle,
    /// In a transaction block.
    Transaction,
    /// In an aborted transaction block.
    Failed,
}

/// One column of a RowDescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type's oid.
    pub type_oid: u32,
    /// `pg_type.typlen`.
    pub type_length: i16,
    /// `pg_attribute.atttypmod`; -1 is none.
    pub type_modifier: i32,
    /// How its values are written.
    pub format: Format,
}

/// The content of an ErrorResponse or a NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report<'a> {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, …
    pub severity: &'a str,
    /// The SQLSTATE.
    pub code: &'a str,
    /// The primary message.
    pub message: &'a str,
    /// The detail.
    pub detail: Option<&'a str>,
    /// The hint.
    pub hint: Option<&'a str>,
}

/// Appends messages to a buffer. Methods return the writer, so that replies can be chained.
#[derive(Debug)]
pub struct Replies<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Replies<'a> {
    /// A writer that appends to `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Replies { buffer }
    }

    /// AuthenticationOk.
    pub fn authentication_ok(&mut self) -> &mut Self {
        self.authentication(0, |_| ())
    }

    /// AuthenticationCleartextPassword.
    pub fn authentication_cleartext(&mut self) -> &mut Self {
        self.authentication(3, |_| ())
    }

    /// AuthenticationSASL with the mechanisms on offer.
    pub fn authentication_sasl(&mut self, mechanisms: &[&str]) -> &mut Self {
        self.authentication(10, |out| {
            for mechanism in mechanisms {
                text(out, mechanism);
            }
            out.put_u8(0);
        })
    }

    /// AuthenticationSASLContinue.
    pub fn authentication_sasl_continue(&mut self, data: &[u8]) -> &mut Self {
        self.authentication(11, |out| out.put_slice(data))
    }

    /// AuthenticationSASLFinal.
    pub fn authentication_sasl_final(&mut self, data: &[u8]) -> &mut Self {
        self.authentication(12, |out| out.put_slice(data))
    }

    /// ParameterStatus.
    pub fn parameter_status(&mut self, name: &str, value: &str) -> &mut Self {
        self.message(b'S', |out| {
            text(out, name);
            text(out, value);
        })
    }

    /// BackendKeyData.
    pub fn backend_key_data(&mut self, pid: i32, secret: i32) -> &mut Self {
        self.message(b'K', |out| {
            out.put_i32(pid);
            out.put_i32(secret);
        })
    }

    /// NegotiateProtocolVersion: the newest version here, 3.0, and the options that are not known.
    pub fn negotiate_protocol_version(&mut self, unknown: &[&str]) -> &mut Self {
        self.message(b'v', |out| {
            out.put_i32(3 << 16);
            out.put_i32(i32::try_from(unknown.len()).unwrap_or(i32::MAX));
            for option in unknown {
                text(out, option);
            }
        })
    }

    /// ReadyForQuery.
    pub fn ready_for_query(&mut self, status: Status) -> &mut Self {
        let byte = match status {
            Status::Idle => b'I',
            Status::Transaction => b'T',
            Status::Failed => b'E',
        };
        self.message(b'Z', |out| out.put_u8(byte))
    }

    /// RowDescription.
    pub fn row_description<'f>(&mut self, fields: impl IntoIterator<Item = Field<'f>>) -> &mut Self {
        self.message(b'T', |out| {
            counted(out, fields, |out, field| {
                text(out, field.name);
                out.put_u32(0);
                out.put_i16(0);
                out.put_u32(field.type_oid);
                out.put_i16(field.type_length);
                out.put_i32(field.type_modifier);
                out.put_i16(field.format.code());
            });
        })
    }

    /// DataRow whose values `write` appends; it answers whether there is one (else it is NULL).
    ///
    /// # Errors
    /// Those of `write`; nothing was said then.
    pub fn data_row<T, E>(
        &mut self,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T) -> Result<bool, E>,
    ) -> Result<&mut Self, E> {
        let before = self.buffer.len();
        let mut failed = None;
        self.message(b'D', |out| {
            counted(out, values, |out, value| {
                let start = out.len();
                out.put_i32(-1);
                match write(out, value) {
                    Ok(true) => {
                        let size = length(out.len() - start - 4);
                        out[start..start + 4].copy_from_slice(&size.to_be_bytes());
                    }
                    Ok(false) => {}
                    Err(error) => failed = failed.take().or(Some(error)),
                }
            });
        });
        match failed {
            None => Ok(self),
            Some(error) => {
                self.buffer.truncate(before);
                Err(error)
            }
        }
    }

    /// CommandComplete.
    pub fn command_complete(&mut self, tag: &str) -> &mut Self {
        self.message(b'C', |out| text(out, tag))
    }

    /// EmptyQueryResponse.
    pub fn empty_query(&mut self) -> &mut Self {
        self.message(b'I', |_| ())
    }

    /// ErrorResponse.
    pub fn error(&mut self, report: &Report<'_>) -> &mut Self {
        self.report(b'E', report)
    }

    /// NoticeResponse.
    pub fn notice(&mut self, report: &Report<'_>) -> &mut Self {
        self.report(b'N', report)
    }

    /// ParseComplete.
    pub fn parse_complete(&mut self) -> &mut Self {
        self.message(b'1', |_| ())
    }

    /// BindComplete.
    pub fn bind_complete(&mut self) -> &mut Self {
        self.message(b'2', |_| ())
    }

    /// CloseComplete.
    pub fn close_complete(&mut self) -> &mut Self {
        self.message(b'3', |_| ())
    }

    /// NoData.
    pub fn no_data(&mut self) -> &mut Self {
        self.message(b'n', |_| ())
    }

    /// ParameterDescription.
    pub fn parameter_description(&mut self, types: &[u32]) -> &mut Self {
        self.message(b't', |out| counted(out, types, |out, &oid| out.put_u32(oid)))
    }

    /// PortalSuspended.
    pub fn portal_suspended(&mut self) -> &mut Self {
        self.message(b's', |_| ())
    }

    /// CopyInResponse with the format of all and the number of columns.
    pub fn copy_in_response(&mut self, format: Format, columns: usize) -> &mut Self {
        self.copy_response(b'G', format, columns)
    }

    /// CopyOutResponse with the format of all and the number of columns.
    pub fn copy_out_response(&mut self, format: Format, columns: usize) -> &mut Self {
        self.copy_response(b'H', format, columns)
    }

    /// CopyBothResponse with the format of all and the number of columns.
    pub fn copy_both_response(&mut self, format: Format, columns: usize) -> &mut Self {
        self.copy_response(b'W', format, columns)
    }

    /// CopyData.
    pub fn copy_data(&mut self, data: &[u8]) -> &mut Self {
        self.message(b'd', |out| out.put_slice(data))
    }

    /// CopyData whose content `write` appends: no copy of its own is needed.
    pub fn copy_data_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.message(b'd', write)
    }

    /// CopyDone.
    pub fn copy_done(&mut self) -> &mut Self {
        self.message(b'c', |_| ())
    }

    fn authentication(&mut self, code: i32, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.message(b'R', |out| {
            out.put_i32(code);
            write(out);
        })
    }

    fn copy_response(&mut self, kind: u8, format: Format, columns: usize) -> &mut Self {
        self.message(kind, |out| {
            out.put_i8(if format == Format::Binary { 1 } else { 0 });
            counted(out, 0..columns, |out, _| out.put_i16(format.code()));
        })
    }

    fn report(&mut self, kind: u8, report: &Report<'_>) -> &mut Self {
        self.message(kind, |out| {
            let fields = [
                (b'S', Some(report.severity)),
                (b'V', Some(report.severity)),
                (b'C', Some(report.code)),
                (b'M', Some(report.message)),
                (b'D', report.detail),
                (b'H', report.hint),
            ];
            for (field, value) in fields {
                if let Some(value) = value {
                    out.put_u8(field);
                    text(out, value);
                }
            }
            out.put_u8(0);
        })
    }

    fn message(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.buffer.put_u8(kind);
        let start = self.buffer.len();
        self.buffer.put_u32(0);
        write(self.buffer);
        let size = length(self.buffer.len() - start);
        self.buffer[start..start + 4].copy_from_slice(&size.to_be_bytes());
        self
    }
}

/// A text with its NUL. A NUL inside would end it early for the client, so the text ends there here too.
fn text(out: &mut Vec<u8>, value: &str) {
    let end = value.bytes().position(|byte| byte == 0);
    out.extend_from_slice(&value.as_bytes()[..end.unwrap_or(value.len())]);
    out.push(0);
}

/// A 16-bit count, then each of the things counted.
fn counted<T>(
    out: &mut Vec<u8>,
    things: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let start = out.len();
    out.put_u16(0);
    let mut count: u16 = 0;
    for thing in things {
        count = count.checked_add(1).expect("no table has 65,536 columns");
        write(out, thing);
    }
    out[start..start + 2].copy_from_slice(&count.to_be_bytes());
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message is smaller than 4 GiB")
}
