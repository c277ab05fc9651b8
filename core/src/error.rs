//! What can go wrong on one connection.

use std::time::Duration;

/// An error that the server sent (`ErrorResponse`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// `ERROR` leaves the session usable; `FATAL` and `PANIC` end it.
    pub severity: String,
    /// The SQLSTATE, five characters, such as `57P01`.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The detail, where the server gave one.
    pub detail: Option<String>,
    /// The hint, where the server gave one.
    pub hint: Option<String>,
}

impl ServerError {
    /// Whether the server ends the session with this error.
    pub fn is_fatal(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.severity, self.code, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

/// What ended an operation on a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The server could not be reached: nothing was sent.
    #[error("cannot connect: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{0}")]
    Server(ServerError),
    /// The connection broke. What was sent may have run (OB-23 to 28).
    #[error("connection lost: {reason}")]
    Lost {
        /// What the network said.
        reason: String,
    },
    /// The server sent what the protocol does not allow here.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// An earlier operation on this connection was dropped unfinished; the connection cannot be used.
    #[error("an earlier operation on this connection was interrupted")]
    Interrupted,
    /// The wait had a bound and reached it. What was sent may still run.
    #[error("{wait} did not end within {bound:?}")]
    TimedOut {
        /// The wait's name.
        wait: &'static str,
        /// Its bound.
        bound: Duration,
    },
}

impl ConnectionError {
    /// The SQLSTATE, when the server sent one.
    pub fn code(&self) -> Option<&str> {
        match self {
            ConnectionError::Server(error) => Some(&error.code),
            _ => None,
        }
    }
}
