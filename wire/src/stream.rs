//! The byte stream of a session, shared between tokio-postgres and its session.
//!
//! tokio-postgres owns its stream for good: it half-closes it after Terminate and never reads the server's EOF,
//! which is the only proof of release (OB-18). So it is given a [`Tap`]: the session keeps the stream itself,
//! follows what the server sends, and reads on when tokio-postgres is done.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use leftover_core::connection::BackendKey;
use leftover_core::error::ServerError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::dial::BoxedStream;
use crate::frames::Frames;

/// `CopyFail` with an empty message, then `Sync`.
const COPY_FAIL_AND_SYNC: &[u8] = b"f\0\0\0\x05\0S\0\0\0\x04";

/// What a server may still say after Terminate; more than this is not a server that is going away.
const LAST_WORDS_BYTES: usize = 1 << 20;

/// A handle on the stream.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Mutex<State>>);

struct State {
    stream: BoxedStream,
    frames: Frames,
    /// Whether the server's EOF has been read.
    eof: bool,
    /// Whether anything was sent at all.
    sent: bool,
    /// Whether everything that was written has been flushed.
    flushed: bool,
    /// Whether the CopyFail that comes next is to be left out.
    skip_copy_fail: bool,
    write_error: Option<String>,
}

/// How far the conversation has come: what [`Tap::since`] compares with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    /// How often the server has been ready for a query.
    pub(crate) ready: u64,
    /// How many errors it has sent.
    pub(crate) errors: u64,
}

/// What the server has said since a [`Mark`].
pub(crate) struct Since {
    /// Whether it said `ReadyForQuery`.
    pub(crate) ready: bool,
    /// The last error that it sent.
    pub(crate) error: Option<ServerError>,
}

impl Tap {
    pub(crate) fn new(stream: BoxedStream) -> Tap {
        Tap(Arc::new(Mutex::new(State {
            stream,
            frames: Frames::default(),
            eof: false,
            sent: false,
            flushed: true,
            skip_copy_fail: false,
            write_error: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the conversation is now.
    pub(crate) fn mark(&self) -> Mark {
        let state = self.state();
        Mark {
            ready: state.frames.ready,
            errors: state.frames.errors,
        }
    }

    /// What the server has said since `mark`.
    pub(crate) fn since(&self, mark: Mark) -> Since {
        let state = self.state();
        Since {
            ready: state.frames.ready > mark.ready,
            error: if state.frames.errors > mark.errors {
                state.frames.last_error.clone()
            } else {
                None
            },
        }
    }

    /// The FATAL or PANIC with which the server ended the session.
    pub(crate) fn fatal(&self) -> Option<ServerError> {
        self.state()
            .frames
            .last_error
            .clone()
            .filter(ServerError::is_fatal)
    }

    /// The backend, once the server has named it.
    pub(crate) fn backend(&self) -> Option<BackendKey> {
        self.state().frames.backend
    }

    /// Whether anything was sent.
    pub(crate) fn sent(&self) -> bool {
        self.state().sent
    }

    /// Whether the server's EOF has been read.
    pub(crate) fn eof(&self) -> bool {
        self.state().eof
    }

    /// Why writing failed, if it did. See [`Tap::poll_write`].
    pub(crate) fn write_error(&self) -> Option<String> {
        self.state().write_error.clone()
    }

    /// Leaves out the CopyFail and the Sync that tokio-postgres sends next, after a COPY IN that was refused
    /// before it began: the server has already answered the Sync of that request, and would answer this one
    /// too, which puts every later reply one request late. Says whether this can be done: not when something
    /// else is still unsent.
    #[must_use]
    pub(crate) fn skip_copy_fail(&self) -> bool {
        let mut state = self.state();
        state.skip_copy_fail = state.flushed;
        state.flushed
    }

    /// Reads until the server's EOF and says whether it came.
    pub(crate) async fn read_to_eof(&mut self) -> bool {
        // Small, because it is part of every future that closes a session; more than an error is not expected.
        let mut buffer = [0; 256];
        let mut total = 0;
        while !self.eof() {
            match self.read(&mut buffer).await {
                Ok(read) => total += read,
                Err(_) => return false,
            }
            if total > LAST_WORDS_BYTES {
                return false;
            }
        }
        true
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let state = &mut *state;
        let before = buf.filled().len();
        ready!(Pin::new(&mut state.stream).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        state.eof |= read.is_empty() && buf.capacity() > before;
        state.frames.feed(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    /// A failed write is not an error yet: the server's FATAL may still be readable (OB-22). What is written
    /// from then on is dropped, and the reason comes out when reading ends.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.write_error.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        if std::mem::take(&mut state.skip_copy_fail) && buf.starts_with(COPY_FAIL_AND_SYNC) {
            return Poll::Ready(Ok(COPY_FAIL_AND_SYNC.len()));
        }
        match ready!(Pin::new(&mut state.stream).poll_write(cx, buf)) {
            Ok(written) => {
                state.sent |= written > 0;
                state.flushed = false;
                Poll::Ready(Ok(written))
            }
            Err(error) => {
                state.write_error = Some(error.to_string());
                Poll::Ready(Ok(buf.len()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        // Asked for at every poll of a connection, which has mostly written nothing since.
        if !state.flushed && state.write_error.is_none() {
            match ready!(Pin::new(&mut state.stream).poll_flush(cx)) {
                Ok(()) => state.flushed = true,
                Err(error) => state.write_error = Some(error.to_string()),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Flushes only. A half-close would be noticed by some backends and not by others (OB-08); the server's EOF
    /// follows Terminate anyway, and dropping the stream closes it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
