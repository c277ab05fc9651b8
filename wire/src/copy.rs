//! COPY in the simple query protocol.
//!
//! tokio-postgres 0.7 copies by a prepared statement: that is one more round trip, a name that grows with the
//! process (DESIGN: Determinism), and, where a COPY IN is refused before it begins, a conversation out of step.
//! So a COPY is spoken here, over `postgres-protocol`, on the stream that tokio-postgres otherwise has: it takes the
//! stream when tokio-postgres waits for nothing, and gives it back at `ReadyForQuery`.

use std::pin::pin;

use futures_util::future::{Either, select};
use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;

use crate::auth;
use crate::copy_in::CopyIn;
use crate::copy_out::CopyOut;
use crate::error::{self, misuse};
use crate::messages::unexpected;
use crate::session::Session;
use crate::stream::Tap;

/// The COPY that a session is in.
pub(crate) enum Copy {
    None,
    Out(CopyOut),
    In(CopyIn),
}

impl Session {
    /// Sends `sql` and reads until its COPY begins, which `begins` knows.
    pub(crate) async fn begin_copy(
        &mut self,
        sql: &str,
        begins: fn(&Message) -> bool,
    ) -> Result<(), ConnectionError> {
        self.no_copy()?;
        // What the server said unasked may have been read in part: tokio-postgres reads the rest of it.
        self.driver.drive_until(Tap::is_between_messages).await?;
        frontend::query(sql, &mut self.messages.outbound).map_err(auth::encode)?;
        self.messages.send().await;
        loop {
            match self.next_message().await? {
                message if begins(&message) => return Ok(()),
                Message::ErrorResponse(body) => {
                    let refused = error::from_fields(body.fields())?;
                    return self.end_copy(Some(refused)).await.map(drop);
                }
                Message::ReadyForQuery(_) => {
                    self.give_back();
                    return Err(misuse("a statement that was to be a COPY was none"));
                }
                // Of a statement before the COPY.
                Message::CommandComplete(_)
                | Message::RowDescription(_)
                | Message::DataRow(_)
                | Message::EmptyQueryResponse => {}
                _ => return Err(self.driver.end(unexpected("where a COPY should begin"))),
            }
        }
    }

    /// The next message of a COPY. An error has ended the session.
    pub(crate) async fn next_message(&mut self) -> Result<Message, ConnectionError> {
        match self.messages.next().await {
            Ok(message) => Ok(message),
            Err(why) => Err(self.lost(why)),
        }
    }

    /// Sends what has been written to `messages.outbound`. What the server says meanwhile is a refusal.
    pub(crate) async fn push(&mut self) -> Result<(), ConnectionError> {
        let outbound = self.messages.outbound.split();
        let mut tap = self.driver.tap.clone();
        let told = {
            // A failed write is no error yet: see `Tap::poll_write`.
            let writing = pin!(async {
                let _ = tap.write_all(&outbound).await;
                let _ = tap.flush().await;
            });
            match select(pin!(self.messages.next()), writing).await {
                Either::Left((Ok(message), writing)) => {
                    // The server reads on, and a message must not end midway.
                    writing.await;
                    Some(Ok(message))
                }
                Either::Left((Err(why), _)) => Some(Err(why)),
                Either::Right(((), _)) => None,
            }
        };
        let told = match told {
            // There is only the connection's end to wait for.
            None if self.driver.tap.write_error().is_some() => Some(self.messages.next().await),
            told => told,
        };
        match told {
            None => Ok(()),
            Some(Ok(Message::ErrorResponse(body))) => {
                let refused = error::from_fields(body.fields())?;
                self.end_copy(Some(refused)).await.map(drop)
            }
            Some(Ok(_)) => Err(self.driver.end(unexpected("in the middle of a COPY IN"))),
            Some(Err(why)) => Err(self.lost(why)),
        }
    }

    /// Reads until `ReadyForQuery`: outside a transaction the commit comes after the data, and may still fail.
    /// Returns the number of rows that the COPY moved, or the first error.
    pub(crate) async fn end_copy(&mut self, refused: Option<ServerError>) -> Result<u64, ConnectionError> {
        let (mut rows, mut refused) = (0, refused);
        loop {
            match self.next_message().await? {
                Message::ReadyForQuery(_) => break,
                Message::ErrorResponse(body) => {
                    let error = error::from_fields(body.fields())?;
                    refused.get_or_insert(error);
                }
                Message::CommandComplete(body) => {
                    let copied = body.tag().ok().and_then(|tag| tag.strip_prefix("COPY "));
                    rows += copied.and_then(|rows| rows.parse().ok()).unwrap_or(0);
                }
                // What was under way when the server refused.
                Message::CopyData(_) | Message::CopyDone => {}
                _ => return Err(self.driver.end(unexpected("at the end of a COPY"))),
            }
        }
        self.give_back();
        match refused {
            Some(error) => Err(ConnectionError::Server(error)),
            None => Ok(rows),
        }
    }

    /// Tells the server that no more data will come, and that what came is not wanted.
    pub(crate) async fn give_up_copy_in(&mut self) {
        if frontend::copy_fail("the copy was given up", &mut self.messages.outbound).is_ok() {
            self.messages.send().await;
            // The refusal that was asked for; or the session's end, which the driver knows.
            let _ = self.end_copy(None).await;
        }
    }

    /// The server is ready: what has come behind is tokio-postgres's.
    fn give_back(&mut self) {
        self.copy = Copy::None;
        self.driver.tap.unread(self.messages.unread());
    }

    /// The connection ended under a COPY.
    pub(crate) fn lost(&mut self, why: ConnectionError) -> ConnectionError {
        self.copy = Copy::None;
        let last = self.driver.tap.last_word();
        self.driver.end(last.unwrap_or(why))
    }
}
