//! A client's end of a TCP connection to a real server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use leftover_harness::world::{Link, Silence};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::silence::Chain;

/// A TCP connection. Dropping it closes the socket, as the kernel does it.
#[derive(Debug)]
pub struct TcpLink {
    /// `None` after a reset.
    stream: Option<TcpStream>,
    chain: Arc<Chain>,
}

impl TcpLink {
    pub(crate) async fn connect(host: String, port: u16, chain: Arc<Chain>) -> io::Result<TcpLink> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(TcpLink {
            stream: Some(stream),
            chain,
        })
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl Link for TcpLink {
    fn reset(&mut self) {
        if let Some(stream) = self.stream.take()
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::warn!(%error, "the connection ends with a FIN where a RST was meant");
        }
    }

    fn silence(&mut self, which: Silence) -> io::Result<()> {
        let chain = Arc::clone(&self.chain);
        let stream = self.stream()?;
        chain.silence(stream.local_addr()?, stream.peer_addr()?, which)
    }
}

impl AsyncRead for TcpLink {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpLink {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
