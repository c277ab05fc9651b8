//! From what the protocol and the network say to the errors of the connection trait.

use std::fmt::Display;
use std::io;

use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::ErrorFields;
use tokio_postgres::fallible_iterator::FallibleIterator;

/// The network said no before anything was sent.
pub(crate) fn unreachable(error: &io::Error) -> ConnectionError {
    ConnectionError::Unreachable {
        reason: error.to_string(),
    }
}

/// The connection broke.
pub(crate) fn lost(reason: impl Into<String>) -> ConnectionError {
    ConnectionError::Lost {
        reason: reason.into(),
    }
}

/// The server closed the connection without a word.
pub(crate) const CLOSED: &str = "the server closed the connection";

/// An operation is not possible in the state the connection is in.
pub(crate) fn misuse(what: &str) -> ConnectionError {
    ConnectionError::Protocol(what.to_owned())
}

/// What came is not the protocol.
pub(crate) fn protocol(problem: impl Display) -> ConnectionError {
    ConnectionError::Protocol(problem.to_string())
}

/// What the server sent, from the fields of an `ErrorResponse` or a `NoticeResponse`.
pub(crate) fn from_fields(mut fields: ErrorFields<'_>) -> Result<ServerError, ConnectionError> {
    let mut error = ServerError::default();
    let mut translated = String::new();
    while let Some(field) = fields.next().map_err(protocol)? {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'V' => error.severity = value,
            b'S' => translated = value,
            b'C' => error.code = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            _ => {}
        }
    }
    if error.severity.is_empty() {
        error.severity = translated;
    }
    Ok(error)
}

/// Whether a notice speaks of the session's end (57P02: OB-112).
pub(crate) fn is_of_the_end(notice: &ServerError) -> bool {
    notice.code.starts_with("57P")
}
