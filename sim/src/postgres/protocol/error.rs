//! What can be wrong with what a client sends.

use std::io;

/// A client's message that breaks the protocol. When the server no longer knows where the next message begins it
/// answers with a FATAL error, or not at all ([`ProtocolError::is_silent`]), and hangs up; what is wrong inside a
/// message ([`Frontend::Malformed`](super::Frontend::Malformed)) is an ordinary error. All texts are those of 15.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The length word of the startup packet is out of bounds.
    #[error("invalid length of startup packet")]
    StartupLength,
    /// The startup packet is not a list of NUL-terminated pairs that ends with a NUL.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    StartupLayout,
    /// Another protocol version than 3.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0")]
    Version {
        /// The version's major part.
        major: u16,
        /// The version's minor part.
        minor: u16,
    },
    /// The startup packet names no role.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// `replication` has a value that is neither a boolean nor `database`.
    #[error("invalid value for parameter \"replication\": \"{0}\"")]
    ReplicationValue(String),
    /// `options` holds what is no `-c name=value`.
    #[error("invalid command-line argument for server process: {0}")]
    Options(String),
    /// A setting in `options` has no value.
    #[error("{0} requires a value")]
    OptionsValue(String),
    /// A message of an unknown type.
    #[error("invalid frontend message type {0}")]
    MessageType(u8),
    /// A message whose length is out of bounds for its type.
    #[error("invalid message length")]
    MessageLength,
    /// A message that goes on behind its content.
    #[error("invalid message format")]
    MessageFormat,
    /// A text without its NUL.
    #[error("invalid string in message")]
    Text,
    /// A message that ends before its first byte.
    #[error("no data left in message")]
    Empty,
    /// A message that ends inside a number or a value.
    #[error("insufficient data left in message")]
    Insufficient,
    /// Describe or Close of something that is neither a statement nor a portal.
    #[error("invalid {message} message subtype {subtype}")]
    Subtype {
        /// `DESCRIBE` or `CLOSE`.
        message: &'static str,
        /// The byte that says what it is about.
        subtype: u8,
    },
    /// A format that is neither text nor binary.
    #[error("unsupported format code: {0}")]
    FormatCode(i16),
    /// A text that is not UTF-8: the bytes that are none, as Postgres prints them.
    #[error("invalid byte sequence for encoding \"UTF8\": {0}")]
    Encoding(String),
    /// Something came right behind a question about encryption.
    #[error("received unencrypted data after {0} request")]
    Unencrypted(&'static str),
}

impl ProtocolError {
    /// The SQLSTATE that goes with it.
    pub fn code(&self) -> &'static str {
        match self {
            ProtocolError::Version { .. } => "0A000",
            ProtocolError::NoUser => "28000",
            ProtocolError::ReplicationValue(_) => "22023",
            ProtocolError::Options(_) | ProtocolError::OptionsValue(_) => "42601",
            ProtocolError::FormatCode(_) => "22023",
            ProtocolError::Encoding(_) => "22021",
            _ => "08P01",
        }
    }

    /// Whether the server hangs up without a word: it says it only to its log.
    pub fn is_silent(&self) -> bool {
        matches!(self, ProtocolError::StartupLength | ProtocolError::MessageLength)
    }

    /// The DETAIL that goes with it.
    pub fn detail(&self) -> Option<&'static str> {
        matches!(self, ProtocolError::Unencrypted(_)).then_some(
            "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
        )
    }
}

/// Why there is no next message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The client broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The connection broke: RST, a dead peer, or EOF in the middle of a message
    /// ([`io::ErrorKind::UnexpectedEof`]).
    #[error("could not receive data from client: {0}")]
    Lost(io::ErrorKind),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Lost(error.kind())
    }
}
