//! Messages on a byte stream, for what tokio-postgres does not know: replication connections and COPY in the simple
//! query protocol.

use bytes::BytesMut;
use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::dial::BoxedStream;
use crate::error;

/// How much is asked of the stream at once.
const READ_BYTES: usize = 8 * 1024;

/// What a server may still say after Terminate; more than this is not a server that is going away.
const LAST_WORDS_BYTES: usize = 1 << 20;

/// A byte stream, read and written message by message.
pub(crate) struct Messages {
    stream: BoxedStream,
    inbound: BytesMut,
    /// What is to be sent next: `postgres_protocol::message::frontend` writes here.
    pub(crate) outbound: BytesMut,
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

    /// Sends what has been written to [`Messages::outbound`].
    pub(crate) async fn send(&mut self) {
        let outbound = self.outbound.split();
        if self.write_error.is_some() {
            return;
        }
        let written = match self.stream.write_all(&outbound).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => self.sent = true,
            Err(error) => self.write_error = Some(error.to_string()),
        }
    }

    /// The next message that is part of an answer: not a notice, nor a changed setting. A FATAL is the end of
    /// every answer and comes as an error.
    pub(crate) async fn next(&mut self) -> Result<Message, ConnectionError> {
        loop {
            match self.arrived()? {
                Some(message) => return Ok(message),
                None => self.read().await?,
            }
        }
    }

    /// The same, if all of it has been read.
    pub(crate) fn arrived(&mut self) -> Result<Option<Message>, ConnectionError> {
        loop {
            let parsed = Message::parse(&mut self.inbound);
            match parsed.map_err(|problem| ConnectionError::Protocol(problem.to_string()))? {
                Some(Message::NoticeResponse(body)) => self.note(error::from_fields(body.fields())?),
                Some(Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
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

    /// Takes what has been read and is no whole message of an answer.
    pub(crate) fn unread(&mut self) -> BytesMut {
        self.inbound.split()
    }

    async fn read(&mut self) -> Result<(), ConnectionError> {
        self.inbound.reserve(READ_BYTES);
        let why = match self.stream.read_buf(&mut self.inbound).await {
            Ok(0) => error::CLOSED.to_owned(),
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        };
        Err(match (self.last_words.clone(), self.write_error.take()) {
            (Some(words), _) => error::lost(words),
            (None, Some(reason)) if !self.sent => ConnectionError::Unreachable { reason },
            (None, Some(reason)) => error::lost(reason),
            (None, None) => error::lost(why),
        })
    }

    /// Reads until the server's EOF; says whether it came.
    pub(crate) async fn end(mut self) -> bool {
        read_to_eof(&mut self.stream).await
    }

    /// Says Terminate and reads until the server's EOF; says whether it came.
    pub(crate) async fn terminate(mut self) -> bool {
        postgres_protocol::message::frontend::terminate(&mut self.outbound);
        self.send().await;
        self.write_error.is_none() && self.end().await
    }
}

/// Reads until the server's EOF, the only proof of release (OB-18); says whether it came.
pub(crate) async fn read_to_eof(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    // Small, because it is part of every future that closes a session; more than an error is not expected.
    let mut buffer = [0; 256];
    let mut total = 0;
    while total <= LAST_WORDS_BYTES {
        match stream.read(&mut buffer).await {
            Ok(0) => return true,
            Ok(read) => total += read,
            Err(_) => return false,
        }
    }
    false
}

/// A message that does not belong here.
pub(crate) fn unexpected(what: &str) -> ConnectionError {
    ConnectionError::Protocol(format!("an unexpected message {what}"))
}

/// Whether the server ended the session with this error.
pub(crate) fn fatal(error: &ConnectionError) -> Option<&ServerError> {
    match error {
        ConnectionError::Server(error) if error.is_fatal() => Some(error),
        _ => None,
    }
}
