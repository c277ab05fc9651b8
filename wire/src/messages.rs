//! Messages on a byte stream.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::{Header, Message, PARAMETER_STATUS_TAG};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::dial::BoxedStream;
use crate::error::{self, protocol};

/// How much is asked of the stream at once.
const READ_BYTES: usize = 8 * 1024;

/// What a server may still say after Terminate; more than this is not a server that is going away.
const LAST_WORDS_BYTES: usize = 1 << 20;

/// A byte stream, read and written message by message.
pub(crate) struct Messages {
    stream: BoxedStream,
    inbound: BytesMut,
    /// What is to be sent next.
    outbound: BytesMut,
    sent: bool,
    /// A failed write is reported when reading ends: until then the server's FATAL may be readable (OB-22).
    write_error: Option<String>,
    /// The last notice in which the server spoke of the session's end.
    last_words: Option<String>,
}

impl Messages {
    pub(crate) fn new(stream: BoxedStream) -> Messages {
        Messages {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            sent: false,
            write_error: None,
            last_words: None,
        }
    }

    /// Adds a message to what is sent next, as `postgres_protocol::message::frontend` writes it.
    ///
    /// # Errors
    /// When it cannot be one: its text holds a zero byte, or it is too long.
    pub(crate) fn put(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), ConnectionError> {
        let before = self.outbound.len();
        message(&mut self.outbound).map_err(|problem| {
            // Half a message would be the beginning of the next one.
            self.outbound.truncate(before);
            ConnectionError::Protocol(format!("cannot be sent: {problem}"))
        })
    }

    /// Sends what has been put.
    pub(crate) async fn send(&mut self) {
        let mut outbound = self.outbound.split();
        poll_fn(|cx| self.poll_write(cx, &mut outbound)).await;
    }

    /// Sends a simple query.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.put(|out| frontend::query(sql, out))?;
        self.send().await;
        Ok(())
    }

    /// The next message that is part of an answer: not a notice, nor a changed setting. A FATAL is the end of
    /// every answer and comes as an error.
    pub(crate) async fn next(&mut self) -> Result<Message, ConnectionError> {
        loop {
            match self.arrived()? {
                Some(message) => return Ok(message),
                None => poll_fn(|cx| self.poll_read(cx)).await?,
            }
        }
    }

    /// The same, if all of it has been read.
    pub(crate) fn arrived(&mut self) -> Result<Option<Message>, ConnectionError> {
        loop {
            self.skip_settings();
            let parsed = Message::parse(&mut self.inbound);
            match parsed.map_err(protocol)? {
                Some(Message::NoticeResponse(body)) => self.note(error::from_fields(body.fields())?),
                Some(Message::NotificationResponse(_)) => {}
                Some(Message::ErrorResponse(body)) => {
                    let error = error::from_fields(body.fields())?;
                    if error.is_fatal() {
                        return Err(ConnectionError::Server(error));
                    }
                    return Ok(Some(Message::ErrorResponse(body)));
                }
                other => return Ok(other),
            }
        }
    }

    /// Passes over changed settings without taking them apart: they are a third of all messages of a short session.
    fn skip_settings(&mut self) {
        while let Ok(Some(header)) = Header::parse(&self.inbound)
            && header.tag() == PARAMETER_STATUS_TAG
            && let Ok(length) = usize::try_from(header.len())
            && self.inbound.len() > length
        {
            self.inbound.advance(1 + length);
        }
    }

    fn note(&mut self, notice: ServerError) {
        tracing::debug!(
            severity = notice.severity,
            code = notice.code,
            "{}",
            notice.message
        );
        if error::is_of_the_end(&notice) {
            self.last_words = Some(notice.to_string());
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.inbound.reserve(READ_BYTES);
        let why = match ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(cx)) {
            Ok(0) => error::CLOSED.to_owned(),
            Ok(_) => return Poll::Ready(Ok(())),
            Err(error) => error.to_string(),
        };
        Poll::Ready(Err(match (self.last_words.clone(), self.write_error.take()) {
            (Some(words), _) => error::lost(words),
            (None, Some(reason)) if !self.sent => ConnectionError::Unreachable { reason },
            (None, Some(reason)) => error::lost(reason),
            (None, None) => error::lost(why),
        }))
    }

    /// Sends what has been put, and reads while it does: a server that has something to say may read no more before it
    /// is heard. Gives the message that came meanwhile.
    pub(crate) async fn send_and_hear(&mut self) -> Result<Option<Message>, ConnectionError> {
        let mut outbound = self.outbound.split();
        let mut heard = None;
        poll_fn(|cx| {
            // The server reads on once it is heard, and a message must not end midway.
            while heard.is_none() {
                heard = self.arrived()?;
                if heard.is_none() && self.poll_read(cx)?.is_pending() {
                    break;
                }
            }
            self.poll_write(cx, &mut outbound).map(Ok)
        })
        .await?;
        // After a failed write there is only the connection's end to wait for.
        if heard.is_none() && self.write_error.is_some() {
            return self.next().await.map(Some);
        }
        Ok(heard)
    }

    /// Writes and flushes. A failed write is no error yet, see [`Messages::write_error`].
    fn poll_write(&mut self, cx: &mut Context<'_>, outbound: &mut BytesMut) -> Poll<()> {
        if self.write_error.is_some() {
            return Poll::Ready(());
        }
        let mut stream = Pin::new(&mut self.stream);
        let written = loop {
            if outbound.is_empty() {
                break ready!(stream.poll_flush(cx));
            }
            match ready!(stream.as_mut().poll_write(cx, outbound)) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    outbound.advance(count);
                    self.sent = true;
                }
                Err(error) => break Err(error),
            }
        };
        self.write_error = written.err().map(|error| error.to_string());
        Poll::Ready(())
    }

    /// Reads until the server's EOF, the only proof of release (OB-18); says whether it came.
    pub(crate) async fn end(mut self) -> bool {
        // Small, because it is part of every future that closes a session; more than an error is not expected.
        let mut buffer = [0; 256];
        let mut total = 0;
        while total <= LAST_WORDS_BYTES {
            match self.stream.read(&mut buffer).await {
                Ok(0) => return true,
                Ok(read) => total += read,
                Err(_) => return false,
            }
        }
        false
    }

    /// Says Terminate and reads until the server's EOF; says whether it came.
    pub(crate) async fn terminate(mut self) -> bool {
        frontend::terminate(&mut self.outbound);
        self.send().await;
        self.write_error.is_none() && self.end().await
    }
}

/// A message that does not belong here.
pub(crate) fn unexpected(what: &str) -> ConnectionError {
    ConnectionError::Protocol(format!("an unexpected message {what}"))
}
