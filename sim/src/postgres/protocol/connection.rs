//! One connection of the server: reads messages, collects replies, flushes them.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;

use super::backend::{Replies, Report};
use super::error::{ProtocolError, ReadError};
use super::frontend::{Frontend, Phase};
use super::startup::{self, Encryption, Packet, Startup};
use crate::postgres::socket::Socket;

/// How much is read at a time, in bytes (`PQ_RECV_BUFFER_SIZE`). What is not read stays in the kernel, so
/// that the client feels back-pressure.
const READ_SIZE: usize = 8192;

/// How much room both buffers start with, in bytes: enough for what most connections say.
const BUFFER_SIZE: usize = 1024;

/// A socket with the two buffers of a backend: what was received and not yet understood, and what was said
/// and not yet sent.
///
/// Everything here can be dropped between two polls: what was read stays in the buffer, and what was sent is
/// not sent again.
#[derive(Debug)]
pub struct Connection<S> {
    socket: S,
    input: BytesMut,
    output: Vec<u8>,
    /// How much of the output is in the kernel's hands.
    sent: usize,
    /// The questions about encryption that were answered: each is answered once.
    asked: Vec<Encryption>,
}

impl<S: Socket> Connection<S> {
    /// A connection on a socket that was just accepted.
    pub fn new(socket: S) -> Self {
        Connection {
            socket,
            input: BytesMut::with_capacity(BUFFER_SIZE),
            output: Vec::with_capacity(BUFFER_SIZE),
            sent: 0,
            asked: Vec::new(),
        }
    }

    /// The socket, to look at its peer and to set its options.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, to wait for its peer to go.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// How many bytes were said and are not sent yet.
    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Forgets what was said and is not sent yet.
    pub fn forget_unsent(&mut self) {
        self.output.clear();
        self.sent = 0;
    }

    /// Says something: it is sent by the next flush.
    pub fn replies(&mut self) -> Replies<'_> {
        Replies::new(&mut self.output)
    }

    /// Appends what a client reads whose first packet breaks the protocol: a FATAL error, in the form that its own
    /// protocol has for it, or nothing. The caller flushes it and hangs up.
    pub fn refuse(&mut self, error: &ProtocolError) {
        if error.is_silent() {
            return;
        }
        let message = error.to_string();
        if let ProtocolError::Version { major: 1 | 2, .. } = error {
            self.output
                .extend_from_slice(format!("EFATAL:  {message}\n\0").as_bytes());
            return;
        }
        let report = Report {
            severity: "FATAL",
            code: error.code(),
            message: &message,
            detail: error.detail(),
            ..Report::default()
        };
        self.replies().error(&report);
    }

    /// Waits for the startup packet; questions about encryption are answered with `N` on the way. `None`
    /// when the client closed without saying anything.
    pub async fn read_startup(&mut self) -> Result<Option<Startup>, ReadError> {
        loop {
            match startup::decode(&mut self.input)? {
                Some(Packet::Startup(startup)) => return Ok(Some(startup)),
                Some(Packet::Encryption(question)) => {
                    if self.asked.contains(&question) {
                        return Err(question.as_version().into());
                    }
                    self.asked.push(question);
                    self.output.extend_from_slice(b"N");
                    self.flush().await?;
                    if !self.input.is_empty() {
                        return Err(ProtocolError::Unencrypted(question.name()).into());
                    }
                }
                None => {
                    if !poll_fn(|cx| self.poll_fill(cx)).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Waits for the next message of this phase; `None` once the client has closed. It does not flush.
    pub async fn read_message(&mut self, phase: Phase) -> Result<Option<Frontend>, ReadError> {
        poll_fn(|cx| self.poll_message(cx, phase)).await
    }

    /// As [`Connection::read_message`], to be raced by hand.
    pub fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<Result<Option<Frontend>, ReadError>> {
        loop {
            if let Some(message) = Frontend::decode(&mut self.input, phase)? {
                return Poll::Ready(Ok(Some(message)));
            }
            if !ready!(self.poll_fill(cx))? {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Waits until everything that was said is in the kernel's hands. When dropped, the rest
    /// stays unsent.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As [`Connection::flush`], to be raced by hand.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let unsent = &self.output[self.sent..];
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.forget_unsent();
        Poll::Ready(Ok(()))
    }

    /// Reads more; false at EOF between two messages.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, ReadError>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_SIZE];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        if !read.filled().is_empty() {
            self.input.extend_from_slice(read.filled());
            return Poll::Ready(Ok(true));
        }
        if self.input.is_empty() {
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(Err(ReadError::Lost(io::ErrorKind::UnexpectedEof)))
    }
}
