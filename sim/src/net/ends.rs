//! The two ends of a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use leftover_harness::world::{Link, Silence};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::options::PipeOptions;
use super::pipe::{Shared, Side, Wait};
use crate::chooser::Chooser;
use crate::postgres::socket::{Keepalive, Peer, Socket};
use crate::runtime::Timer;

/// The client's end. Dropping it closes it as a kernel does: FIN, or RST when there is unread data.
#[derive(Debug)]
pub struct ClientEnd(End);

/// The server's end. Dropping it closes it as a kernel does: FIN, or RST when there is unread data.
#[derive(Debug)]
pub struct ServerEnd(End);

/// A new connection that no one dialled. `chooser` decides its latencies and what is lost in silence.
pub fn pair(timer: Timer, chooser: Chooser, options: PipeOptions) -> (ClientEnd, ServerEnd) {
    let pipe = Arc::new(Shared::new(timer, chooser, options));
    let client = End {
        pipe: Arc::clone(&pipe),
        side: Side::Client,
    };
    (
        ClientEnd(client),
        ServerEnd(End {
            pipe,
            side: Side::Server,
        }),
    )
}

/// Either end.
#[derive(Debug)]
struct End {
    pipe: Arc<Shared>,
    side: Side,
}

impl End {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pipe.at(self.side, |pipe, now| {
            let room = buffer.remaining();
            let result = pipe.read(self.side, now, room, |bytes| buffer.put_slice(bytes));
            pipe.or_wait(
                self.side,
                Wait::Readable,
                cx,
                result.map(|result| result.map(drop)),
            )
        })
    }

    fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.pipe.at(self.side, |pipe, now| {
            let result = pipe.write(self.side, now, data);
            pipe.or_wait(self.side, Wait::Writable, cx, result)
        })
    }

    fn shut(&self) -> io::Result<()> {
        self.pipe.at(self.side, |pipe, now| pipe.shut(self.side, now))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.pipe.at(self.side, |pipe, now| pipe.close(self.side, now));
    }
}

macro_rules! byte_stream {
    ($end:ty) => {
        impl AsyncRead for $end {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_read(cx, buffer)
            }
        }

        impl AsyncWrite for $end {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                data: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, data)
            }

            /// A kernel sends by itself: there is nothing to flush.
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Closes the sending half: FIN.
            fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.0.shut())
            }
        }
    };
}

byte_stream!(ClientEnd);
byte_stream!(ServerEnd);

impl Link for ClientEnd {
    fn reset(&mut self) {
        self.0
            .pipe
            .at(Side::Client, |pipe, now| pipe.reset(Side::Client, now));
    }

    fn silence(&mut self, which: Silence) -> io::Result<()> {
        self.0.pipe.at(Side::Client, |pipe, now| pipe.silence(which, now));
        Ok(())
    }
}

impl Socket for ServerEnd {
    fn peer(&self) -> Peer {
        self.0.pipe.at(Side::Server, |pipe, _| pipe.peer(Side::Server))
    }

    fn poll_peer_gone(&mut self, cx: &mut Context<'_>) -> Poll<Peer> {
        self.0.pipe.at(Side::Server, |pipe, _| {
            let gone = Some(pipe.peer(Side::Server)).filter(|peer| *peer != Peer::Open);
            pipe.or_wait(Side::Server, Wait::PeerGone, cx, gone)
        })
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.0.pipe.at(Side::Server, |pipe, now| {
            pipe.set_keepalive(Side::Server, now, keepalive)
        });
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) {
        self.0.pipe.at(Side::Server, |pipe, _| {
            pipe.set_user_timeout(Side::Server, timeout)
        });
    }
}
