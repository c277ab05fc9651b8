//! The byte stream of a session, shared between tokio-postgres, COPY and the session.
//!
//! tokio-postgres owns its stream for good: it half-closes it after Terminate and never reads the server's EOF,
//! which is the only proof of release (OB-18). So it is given a [`Tap`]: the session keeps the stream itself,
//! follows what the server sends, and reads on when tokio-postgres is done.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use leftover_core::connection::BackendKey;
use leftover_core::error::{ConnectionError, ServerError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::BoxedStream;
use crate::error;
use crate::frames::Frames;

/// A handle on the stream.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Mutex<State>>);

struct State {
    stream: BoxedStream,
    frames: Frames,
    /// What was read and is still to be read by somebody else.
    unread: BytesMut,
    /// Whether the server's EOF has been read.
    eof: bool,
    /// Whether anything was sent at all.
    sent: bool,
    /// Whether everything that was written has been flushed.
    flushed: bool,
    write_error: Option<String>,
}

impl Tap {
    pub(crate) fn new(stream: BoxedStream) -> Tap {
        Tap(Arc::new(Mutex::new(State {
            stream,
            frames: Frames::default(),
            unread: BytesMut::new(),
            eof: false,
            sent: false,
            flushed: true,
            write_error: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what has been read ends with a whole message.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.state().frames.is_between_messages()
    }

    /// Gives back what was read and is for the next reader.
    pub(crate) fn unread(&self, bytes: BytesMut) {
        self.state().unread.unsplit(bytes);
    }

    /// The FATAL or PANIC with which the server ended the session.
    pub(crate) fn fatal(&self) -> Option<ServerError> {
        self.state()
            .frames
            .last_error
            .clone()
            .filter(ServerError::is_fatal)
    }

    /// What ended the connection, where anybody has said: the server's FATAL, else its notice, else the network.
    /// What the server said last counts for more than how the socket ended.
    pub(crate) fn last_word(&self) -> Option<ConnectionError> {
        if let Some(fatal) = self.fatal() {
            return Some(ConnectionError::Server(fatal));
        }
        let state = self.state();
        let notice = state.frames.last_notice.as_ref().map(ServerError::to_string);
        notice.or_else(|| state.write_error.clone()).map(error::lost)
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
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let state = &mut *state;
        if !state.unread.is_empty() {
            let length = state.unread.len().min(buf.remaining());
            buf.put_slice(&state.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
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
