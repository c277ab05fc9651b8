//! A TCP connection as the simulated server sees it: the kernel of this machine in place of a simulated one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use leftover_sim::postgres::socket::{Keepalive, Peer, Socket};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How often a backend that only watches for its client's end looks.
const LOOK: Duration = Duration::from_millis(20);

/// The server's end of a TCP connection.
pub struct TcpSocket {
    stream: TcpStream,
    look: Pin<Box<Sleep>>,
}

impl TcpSocket {
    /// Of an accepted connection.
    ///
    /// # Errors
    /// When the kernel refuses `TCP_NODELAY`: the connection is gone already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let look = Box::pin(tokio::time::sleep(LOOK));
        Ok(TcpSocket { stream, look })
    }
}

impl Socket for TcpSocket {
    fn peer(&self) -> Peer {
        let looked = self
            .stream
            .ready(Interest::READABLE | Interest::WRITABLE | Interest::ERROR);
        match looked.now_or_never() {
            Some(Ok(ready)) if ready.is_error() || ready.is_write_closed() => Peer::Dead,
            Some(Ok(ready)) if ready.is_read_closed() => Peer::Fin,
            Some(Err(_)) => Peer::Dead,
            _ => Peer::Open,
        }
    }

    fn poll_peer_gone(&mut self, cx: &mut Context<'_>) -> Poll<Peer> {
        loop {
            match self.peer() {
                Peer::Open => {}
                gone => return Poll::Ready(gone),
            }
            std::task::ready!(self.look.as_mut().poll(cx));
            self.look.set(tokio::time::sleep(LOOK));
        }
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        let socket = SockRef::from(&self.stream);
        // A socket that refuses these is dead, and the next read says so.
        let _ = socket.set_keepalive(keepalive.is_some());
        if let Some(Keepalive {
            idle,
            interval,
            count,
        }) = keepalive
        {
            let keepalive = TcpKeepalive::new()
                .with_time(idle)
                .with_interval(interval)
                .with_retries(count);
            let _ = socket.set_tcp_keepalive(&keepalive);
        }
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) {
        let _ = SockRef::from(&self.stream).set_tcp_user_timeout(timeout);
    }
}

impl AsyncRead for TcpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for TcpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
