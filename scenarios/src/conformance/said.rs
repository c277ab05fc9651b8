//! What a server says, message by message.

use bytes::{Buf as _, Bytes, BytesMut};

/// The type and the length of a message.
const HEADER: usize = 5;

/// An error or a notice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// `ERROR`, `FATAL`, `WARNING`, ...
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
    /// The detail.
    pub detail: Option<String>,
    /// The hint.
    pub hint: Option<String>,
}

impl std::fmt::Display for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.severity, self.code, self.message)
    }
}

/// A message of the server, as far as rows look at it, or the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// AuthenticationOk is 0; what is asked for otherwise, and its data.
    Authentication(u32, Bytes),
    /// DataRow, as text.
    Row(Vec<Option<String>>),
    /// RowDescription: the columns' names.
    Columns(Vec<String>),
    /// CommandComplete.
    Done(String),
    /// ErrorResponse.
    Error(Fields),
    /// NoticeResponse.
    Notice(Fields),
    /// ReadyForQuery: `I`, `T` or `E`.
    Ready(char),
    /// CopyInResponse.
    CopyIn,
    /// CopyOutResponse.
    CopyOut,
    /// CopyBothResponse.
    CopyBoth,
    /// CopyData.
    Data(Bytes),
    /// CopyDone.
    CopyDone,
    /// ParameterStatus.
    Parameter(String, String),
    /// BackendKeyData: pid and secret.
    Key(i32, i32),
    /// Another message, by its type: `1` ParseComplete, `2` BindComplete, `s` PortalSuspended, ...
    Other(char),
    /// The server's FIN: there is nothing more.
    Eof,
    /// The server's RST, or our own kernel's word that the connection is lost.
    Reset,
    /// What is no message, and why: nothing after it can be understood.
    Garbled(String),
}

impl Said {
    /// Takes the first message out of `input`, when all of it is there.
    ///
    /// # Errors
    /// When it is no message.
    pub fn parse(input: &mut BytesMut) -> Result<Option<Said>, String> {
        let Some(header) = input.get(..HEADER) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length < HEADER - 1 {
            return Err(format!("a message of length {length}"));
        }
        if input.len() <= length {
            return Ok(None);
        }
        let mut body = input.split_to(length + 1).freeze();
        let tag = char::from(body[0]);
        body.advance(HEADER);
        said(tag, body)
            .map(Some)
            .ok_or_else(|| format!("a message '{tag}' that ends too early"))
    }

    /// Whether nothing can follow.
    pub fn is_end(&self) -> bool {
        matches!(self, Said::Eof | Said::Reset | Said::Garbled(_))
    }
}

/// A message of this type; `None` when it ends too early.
fn said(tag: char, mut body: Bytes) -> Option<Said> {
    Some(match tag {
        'R' => Said::Authentication(number(&mut body)?, body),
        'D' => Said::Row(row(&mut body)?),
        'T' => Said::Columns(columns(&mut body)?),
        'C' => Said::Done(text(&mut body)?),
        'E' => Said::Error(fields(&mut body)?),
        'N' => Said::Notice(fields(&mut body)?),
        'Z' => Said::Ready(char::from(*body.first()?)),
        'G' => Said::CopyIn,
        'H' => Said::CopyOut,
        'W' => Said::CopyBoth,
        'd' => Said::Data(body),
        'c' => Said::CopyDone,
        'S' => Said::Parameter(text(&mut body)?, text(&mut body)?),
        'K' => Said::Key(number(&mut body)?.cast_signed(), number(&mut body)?.cast_signed()),
        other => Said::Other(other),
    })
}

fn number(body: &mut Bytes) -> Option<u32> {
    (body.len() >= 4).then(|| body.get_u32())
}

fn count(body: &mut Bytes) -> Option<u16> {
    (body.len() >= 2).then(|| body.get_u16())
}

/// Text up to a zero byte.
fn text(body: &mut Bytes) -> Option<String> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = body.split_to(end);
    body.advance(1);
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn row(body: &mut Bytes) -> Option<Vec<Option<String>>> {
    let mut values = Vec::new();
    for _ in 0..count(body)? {
        let length = number(body)?;
        if length == u32::MAX {
            values.push(None);
        } else {
            let length = length as usize;
            let value = (body.len() >= length).then(|| body.split_to(length))?;
            values.push(Some(String::from_utf8_lossy(&value).into_owned()));
        }
    }
    Some(values)
}

fn columns(body: &mut Bytes) -> Option<Vec<String>> {
    /// What follows a column's name: table, number, type, size, modifier, format.
    const REST: usize = 18;
    let mut names = Vec::new();
    for _ in 0..count(body)? {
        names.push(text(body)?);
        (body.len() >= REST).then(|| body.advance(REST))?;
    }
    Some(names)
}

fn fields(body: &mut Bytes) -> Option<Fields> {
    let mut fields = Fields::default();
    loop {
        if body.is_empty() {
            return None;
        }
        match body.get_u8() {
            0 => return Some(fields),
            b'S' => fields.severity = text(body)?,
            b'C' => fields.code = text(body)?,
            b'M' => fields.message = text(body)?,
            b'D' => fields.detail = Some(text(body)?),
            b'H' => fields.hint = Some(text(body)?),
            _ => drop(text(body)?),
        }
    }
}

/// The first error.
pub fn error(said: &[Said]) -> Option<&Fields> {
    said.iter().find_map(|said| match said {
        Said::Error(fields) => Some(fields),
        _ => None,
    })
}

/// The SQLSTATE of the first error.
pub fn code(said: &[Said]) -> Option<&str> {
    error(said).map(|fields| fields.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_not_all_there_is_waited_for_and_a_broken_one_is_an_error() {
        let mut input = BytesMut::from(&b"Z\0\0\0\x05"[..]);
        assert_eq!(Said::parse(&mut input), Ok(None));
        input.extend_from_slice(b"IC");
        assert_eq!(Said::parse(&mut input), Ok(Some(Said::Ready('I'))));
        assert_eq!(&input[..], b"C");
        let mut broken = BytesMut::from(&b"D\0\0\0\x06\0\x01"[..]);
        assert!(Said::parse(&mut broken).is_err());
        let mut short = BytesMut::from(&b"Z\0\0\0\x03"[..]);
        assert!(Said::parse(&mut short).is_err());
    }
}
