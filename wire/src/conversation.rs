//! One connection that has logged in: SQL in the simple query protocol, until it is closed.
//!
//! Sessions and walsenders are this, each with what only it can do. It is a small client over `postgres-protocol`
//! instead of tokio-postgres, whose client and connection want a task that goes on, and drains a whole COPY, after the
//! client is gone (OB-116 to 122); which never reads the server's EOF, the only proof of release (OB-18); and which
//! tells neither the backend's secret nor, after a failed write, what the server said last (OB-22).
//!
//! Nothing is read or written but while somebody waits for an operation.

use leftover_core::connection::{BackendKey, Closed, Row};
use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::{DataRowBody, Message};
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::auth;
use crate::dial::BoxedStream;
use crate::error::{self, misuse, protocol};
use crate::messages::{Messages, unexpected};
use crate::startup::Parameters;

/// A connection that has logged in.
pub(crate) struct Conversation {
    pub(crate) messages: Messages,
    /// Whether an operation is under way, or was dropped before its end.
    busy: bool,
    /// Why no operation is possible any more.
    ended: Option<ConnectionError>,
    pub(crate) backend: BackendKey,
}

impl Conversation {
    pub(crate) async fn start(
        stream: BoxedStream,
        parameters: &Parameters,
    ) -> Result<Conversation, ConnectionError> {
        let mut messages = Messages::new(stream);
        let backend = auth::log_in(&mut messages, parameters).await?;
        Ok(Conversation {
            messages,
            busy: false,
            ended: None,
            backend,
        })
    }

    /// Starts an operation. Until [`Conversation::done`] the connection counts as interrupted.
    pub(crate) fn begin(&mut self) -> Result<(), ConnectionError> {
        if self.busy {
            return Err(ConnectionError::Interrupted);
        }
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        self.busy = true;
        Ok(())
    }

    /// Ends an operation.
    pub(crate) fn done<T>(&mut self, outcome: Result<T, ConnectionError>) -> Result<T, ConnectionError> {
        self.busy = false;
        outcome
    }

    /// Whether an operation was dropped before its end.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.busy
    }

    /// Ends the connection for the client: every later operation answers `why`.
    pub(crate) fn end(&mut self, why: ConnectionError) -> ConnectionError {
        self.ended.get_or_insert(why).clone()
    }

    /// The next message. An error has ended the connection.
    pub(crate) async fn next(&mut self) -> Result<Message, ConnectionError> {
        match self.messages.next().await {
            Ok(message) => Ok(message),
            Err(why) => Err(self.end(why)),
        }
    }

    /// Runs `sql` and reads until `ReadyForQuery`, after an ERROR too. Part of an operation.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.messages.ask(sql).await?;
        let (mut rows, mut refused, mut answered) = (Vec::new(), None, false);
        loop {
            match self.next().await {
                Ok(Message::ReadyForQuery(_)) => break,
                Ok(Message::DataRow(body)) => rows.push(row(&body).map_err(|why| self.end(why))?),
                Ok(Message::ErrorResponse(body)) => {
                    let error = error::from_fields(body.fields()).map_err(|why| self.end(why))?;
                    refused.get_or_insert(error);
                }
                // A replication command of Postgres 15 answers with two of these.
                Ok(
                    Message::CommandComplete(_) | Message::RowDescription(_) | Message::EmptyQueryResponse,
                ) => {}
                Ok(_) => return Err(self.end(unexpected("in the answer to a query"))),
                Err(why) => return Err(first(refused, why)),
            }
            answered = true;
        }
        match refused {
            Some(error) => Err(ConnectionError::Server(error)),
            // Every statement, and the lack of one, is answered by something. Nothing at all is the end of an
            // earlier request, and every later reply would be one request late too.
            None if !answered => Err(self.end(misuse("a reply without an answer"))),
            None => Ok(rows),
        }
    }

    /// Terminate, and the server's EOF.
    pub(crate) async fn close(self) -> Closed {
        let released = match &self.ended {
            _ if self.busy => false,
            // A FATAL is the server's own word that it is leaving.
            Some(why) => is_fatal(why) && self.messages.end().await,
            None => self.messages.terminate().await,
        };
        if released {
            Closed::Released
        } else {
            Closed::Unknown
        }
    }
}

/// What an operation reports that was refused before its connection ended: a FATAL says more, all else less.
fn first(refused: Option<ServerError>, why: ConnectionError) -> ConnectionError {
    match refused {
        Some(error) if !is_fatal(&why) => ConnectionError::Server(error),
        _ => why,
    }
}

/// Whether the server ended the session with this error.
fn is_fatal(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Server(error) if error.is_fatal())
}

fn row(body: &DataRowBody) -> Result<Row, ConnectionError> {
    let text = |range: std::ops::Range<usize>| {
        let bytes = body.buffer().get(range);
        let bytes = bytes.ok_or_else(|| unexpected("with a row that ends early"))?;
        let text = std::str::from_utf8(bytes).map_err(protocol)?;
        Ok(text.to_owned())
    };
    let mut values = Vec::new();
    let mut ranges = body.ranges();
    while let Some(range) = ranges.next().map_err(protocol)? {
        values.push(range.map(text).transpose()?);
    }
    Ok(Row(values))
}
