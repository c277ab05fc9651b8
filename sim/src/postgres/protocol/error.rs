//! What can be wrong with what a client sends.

use std::io;

/// A client's message that breaks the protocol. The server answers with a FATAL error and hangs up.
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
    /// A message of an unknown type.
    #[error("invalid frontend message type {0}")]
    MessageType(u8),
    /// A message whose length is out of bounds for its type.
    #[error("invalid message length")]
    MessageLength,
    /// A message whose content does not fit its type.
    #[error("invalid message format")]
    MessageFormat,
    /// A text that is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    Encoding,
}

impl ProtocolError {
    /// The SQLSTATE that goes with it.
    pub fn code(&self) -> &'static str {
        match self {
            ProtocolError::Version { .. } => "0A000",
            ProtocolError::NoUser => "28000",
            ProtocolError::ReplicationValue(_) => "22023",
            ProtocolError::Options(_) => "42601",
            ProtocolError::Encoding => "22021",
            _ => "08P01",
        }
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
