//! Byte streams that count.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use leftover_wire::dial::{BoxedStream, Dial};
use leftover_wire::tcp::TcpDial;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Default)]
pub struct Counts {
    pub read: AtomicUsize,
    pub written: AtomicUsize,
}

impl Counts {
    pub fn read(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }

    pub fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }
}

/// Opens TCP connections whose bytes are counted.
pub struct CountingDial {
    pub inner: TcpDial,
    pub counts: Arc<Counts>,
}

struct Counting {
    stream: BoxedStream,
    counts: Arc<Counts>,
}

impl Dial for CountingDial {
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + '_>> {
        Box::pin(async {
            let stream = self.inner.dial().await?;
            Ok(Box::new(Counting {
                stream,
                counts: self.counts.clone(),
            }) as BoxedStream)
        })
    }
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.counts
            .read
            .fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.counts.written.fetch_add(written, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
