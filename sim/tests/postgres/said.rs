//! What a server said.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend;

/// A message of the server, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Row(Vec<Option<String>>),
    Columns(Vec<String>),
    Done(String),
    Error {
        severity: String,
        code: String,
        message: String,
        detail: Option<String>,
    },
    Notice(String),
    Ready(char),
    CopyIn,
    CopyOut,
    CopyBoth,
    Data(Vec<u8>),
    CopyDone,
    Parameter(String, String),
    Other(&'static str),
}

pub fn fields(mut fields: backend::ErrorFields<'_>) -> Said {
    let (mut severity, mut code, mut message, mut detail) = Default::default();
    while let Some(field) = fields.next().unwrap() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'S' => severity = value,
            b'C' => code = value,
            b'M' => message = value,
            b'D' => detail = Some(value),
            _ => {}
        }
    }
    Said::Error {
        severity,
        code,
        message,
        detail,
    }
}

/// The SQLSTATE of the first error.
pub fn code(said: &[Said]) -> Option<String> {
    error(said).map(|(code, _)| code)
}

/// The SQLSTATE and message of the first error.
pub fn error(said: &[Said]) -> Option<(String, String)> {
    said.iter().find_map(|said| match said {
        Said::Error { code, message, .. } => Some((code.clone(), message.clone())),
        _ => None,
    })
}
