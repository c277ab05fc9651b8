//! Where byte streams come from.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connected byte stream. Dropping it closes the socket at once.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A byte stream of any kind.
pub type BoxedStream = Box<dyn ByteStream>;

/// Opens byte streams to one server.
pub trait Dial: Send + Sync {
    /// Opens a new byte stream. Dropping the future gives the attempt up and leaves no socket behind.
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + '_>>;
}

/// A dialer that many connectors share.
pub type SharedDial = Arc<dyn Dial>;
