//! The server's side of the wire protocol, on any [`Socket`](super::socket::Socket).
//!
//! Reading order: [`connection`] (one connection: read a message, append replies, flush), [`startup`] (the
//! first packet), [`frontend`] (what a client says), [`backend`] (what a server says), [`authentication`]
//! (trust, cleartext, SCRAM-SHA-256), [`error`].
//!
//! It knows no session and no SQL: it turns bytes into messages and messages into bytes.

pub mod authentication;
pub mod backend;
pub mod connection;
pub mod error;
pub mod frontend;
pub mod scram;
pub mod startup;

mod cursor;

pub use authentication::{AuthenticationError, Method, authenticate};
pub use backend::{Field, Format, Replies, Report, Status};
pub use connection::Connection;
pub use error::{ProtocolError, ReadError};
pub use frontend::{Frontend, Phase, Target};
pub use startup::{Replication, SessionStartup, Startup};
