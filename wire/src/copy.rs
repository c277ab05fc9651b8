//! COPY in the simple query protocol.

use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use crate::copy_in::CopyIn;
use crate::copy_out::CopyOut;
use crate::error::{self, misuse};
use crate::messages::unexpected;
use crate::session::Session;

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
        self.conversation.messages.ask(sql).await?;
        loop {
            match self.next_message().await? {
                message if begins(&message) => return Ok(()),
                Message::ErrorResponse(body) => {
                    let refused = error::from_fields(body.fields())?;
                    return self.end_copy(Some(refused)).await.map(drop);
                }
                Message::ReadyForQuery(_) => {
                    return Err(misuse("a statement that was to be a COPY was none"));
                }
                // Of a statement before the COPY.
                Message::CommandComplete(_)
                | Message::RowDescription(_)
                | Message::DataRow(_)
                | Message::EmptyQueryResponse => {}
                _ => return Err(self.conversation.end(unexpected("where a COPY should begin"))),
            }
        }
    }

    /// The next message of a COPY. An error has ended the session.
    pub(crate) async fn next_message(&mut self) -> Result<Message, ConnectionError> {
        match self.conversation.messages.next().await {
            Ok(message) => Ok(message),
            Err(why) => Err(self.lost(why)),
        }
    }

    /// Sends what has been put. What the server says meanwhile is a refusal.
    pub(crate) async fn push(&mut self) -> Result<(), ConnectionError> {
        match self.conversation.messages.send_and_hear().await {
            Ok(None) => Ok(()),
            Ok(Some(Message::ErrorResponse(body))) => {
                let refused = error::from_fields(body.fields())?;
                self.end_copy(Some(refused)).await.map(drop)
            }
            Ok(Some(_)) => Err(self.conversation.end(unexpected("in the middle of a COPY IN"))),
            Err(why) => Err(self.lost(why)),
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
                _ => return Err(self.conversation.end(unexpected("at the end of a COPY"))),
            }
        }
        self.copy = Copy::None;
        match refused {
            Some(error) => Err(ConnectionError::Server(error)),
            None => Ok(rows),
        }
    }

    /// Tells the server that no more data will come, and that what came is not wanted.
    pub(crate) async fn give_up_copy_in(&mut self) {
        let messages = &mut self.conversation.messages;
        let put = messages.put(|out| frontend::copy_fail("the copy was given up", out));
        if put.is_ok() {
            messages.send().await;
            // The refusal that was asked for; or the session's end, which the conversation knows.
            let _ = self.end_copy(None).await;
        }
    }

    /// The connection ended under a COPY.
    pub(crate) fn lost(&mut self, why: ConnectionError) -> ConnectionError {
        self.copy = Copy::None;
        self.conversation.end(why)
    }
}
