//! A socket of any kind, so that the server is compiled once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::{Keepalive, Peer, Socket};

/// A boxed socket.
pub struct AnySocket(Box<dyn Socket>);

impl AnySocket {
    /// Boxes a socket.
    pub fn new(socket: impl Socket + 'static) -> Self {
        Self(Box::new(socket))
    }
}

impl AsyncRead for AnySocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for AnySocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

impl Socket for AnySocket {
    fn peer(&self) -> Peer {
        self.0.peer()
    }

    fn poll_peer_gone(&mut self, cx: &mut Context<'_>) -> Poll<Peer> {
        self.0.poll_peer_gone(cx)
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.0.set_keepalive(keepalive);
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) {
        self.0.set_user_timeout(timeout);
    }
}
