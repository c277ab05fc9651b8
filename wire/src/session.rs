//! An ordinary connection: SQL in the simple query protocol, and COPY.
//!
//! A [`Session`] is a [`crate::conversation`] and the COPY that it is in ([`crate::copy`]). Dropping it closes the
//! socket and sends nothing.

use bytes::Bytes;
use leftover_core::connection::{BackendKey, Closed, Row};
use leftover_core::error::ConnectionError;

use crate::conversation::Conversation;
use crate::copy::Copy;
use crate::error::misuse;

/// An ordinary connection to a Postgres server.
pub struct Session {
    pub(crate) conversation: Conversation,
    pub(crate) copy: Copy,
}

impl Session {
    pub(crate) fn new(conversation: Conversation) -> Session {
        Session {
            conversation,
            copy: Copy::None,
        }
    }

    /// Whether the session is free for a statement.
    pub(crate) fn no_copy(&self) -> Result<(), ConnectionError> {
        match self.copy {
            Copy::None => Ok(()),
            Copy::Out(_) | Copy::In(_) => Err(misuse("a COPY is running on this connection")),
        }
    }
}

impl leftover_core::connection::Session for Session {
    fn backend(&self) -> BackendKey {
        self.conversation.backend
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.conversation.begin()?;
        let outcome = match self.no_copy() {
            Ok(()) => self.conversation.query(sql).await,
            Err(why) => Err(why),
        };
        self.conversation.done(outcome)
    }

    async fn copy_out(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.start_copy_out(sql).await;
        self.conversation.done(outcome)
    }

    async fn copy_out_next(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.next_of_copy_out().await;
        self.conversation.done(outcome)
    }

    async fn copy_in(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.start_copy_in(sql).await;
        self.conversation.done(outcome)
    }

    async fn copy_in_send(&mut self, data: Bytes) -> Result<(), ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.send_copy_in(data).await;
        self.conversation.done(outcome)
    }

    async fn copy_in_finish(&mut self) -> Result<u64, ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.finish_copy_in().await;
        self.conversation.done(outcome)
    }

    /// After an operation that was dropped unfinished, and in the middle of a COPY OUT, this closes the socket
    /// and answers [`Closed::Unknown`]: there may be gigabytes before the server's EOF.
    async fn close(mut self) -> Closed {
        if self.conversation.is_interrupted() || matches!(self.copy, Copy::Out(_)) {
            return Closed::Unknown;
        }
        if matches!(self.copy, Copy::In(_)) {
            self.give_up_copy_in().await;
        }
        self.conversation.close().await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.conversation.backend.pid)
    }
}
