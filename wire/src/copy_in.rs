//! `COPY … FROM STDIN`.
//!
//! Data goes to the server in messages of about [`MESSAGE_BYTES`]; smaller pieces are gathered first. One
//! message at a time is handed to tokio-postgres, and the next one waits until it has gone to the socket, so that
//! a server that does not read makes the caller wait.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::Sink;
use leftover_core::error::ConnectionError;
use tokio_postgres::{CopyInSink, Statement};

use crate::drive::Driver;
use crate::error::misuse;
use crate::session::{Copy, Session};
use crate::stream::Mark;

/// How much is gathered into one message. A piece of at least half of it is sent as it is.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A running COPY IN.
pub(crate) struct CopyIn {
    /// Dropping it unfinished says CopyFail.
    sink: Pin<Box<CopyInSink<Bytes>>>,
    /// The beginning of this COPY.
    mark: Mark,
    gathered: BytesMut,
}

impl Session {
    pub(crate) async fn start_copy_in(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.no_copy()?;
        let statement = self.prepare_copy_in(sql).await?;
        let before = self.driver.tap.mark();
        match self.driver.drive(self.client.copy_in(&statement)).await {
            Ok(sink) => {
                // The server is ready again only after this COPY, but an error may already have come.
                let mark = Mark {
                    errors: before.errors,
                    ..self.driver.tap.mark()
                };
                let gathered = BytesMut::new();
                self.copy = Copy::In(CopyIn {
                    sink: Box::pin(sink),
                    mark,
                    gathered,
                });
                Ok(())
            }
            Err(why) => {
                if self.driver.ended().is_none() && !self.driver.tap.skip_copy_fail() {
                    self.driver
                        .end(misuse("a refused COPY left the connection out of step"));
                }
                Err(why)
            }
        }
    }

    /// The statement of `sql`: a writer copies into the same table again and again.
    async fn prepare_copy_in(&mut self, sql: &str) -> Result<Statement, ConnectionError> {
        if let Some((known, statement)) = &self.prepared_copy_in
            && known == sql
        {
            return Ok(statement.clone());
        }
        let statement = self.driver.drive(self.client.prepare(sql)).await?;
        self.prepared_copy_in = Some((sql.to_owned(), statement.clone()));
        Ok(statement)
    }

    pub(crate) async fn send_copy_in(&mut self, data: Bytes) -> Result<(), ConnectionError> {
        let Copy::In(copy) = &mut self.copy else {
            return Err(misuse("no COPY IN is running"));
        };
        let message = if copy.gathered.is_empty() && data.len() >= MESSAGE_BYTES / 2 {
            data
        } else {
            copy.gathered.extend_from_slice(&data);
            if copy.gathered.len() < MESSAGE_BYTES {
                return Ok(());
            }
            copy.gathered.split().freeze()
        };
        match copy.push(&mut self.driver, message).await {
            Ok(()) => Ok(()),
            Err(why) => Err(self.fail_copy_in(why).await),
        }
    }

    pub(crate) async fn finish_copy_in(&mut self) -> Result<u64, ConnectionError> {
        let Copy::In(copy) = &mut self.copy else {
            return Err(misuse("no COPY IN is running"));
        };
        match copy.finish(&mut self.driver).await {
            Ok(rows) => {
                self.copy = Copy::None;
                Ok(rows)
            }
            Err(why) => Err(self.fail_copy_in(why).await),
        }
    }

    /// Leaves a COPY that the server has refused, and waits until it is ready again.
    async fn fail_copy_in(&mut self, why: ConnectionError) -> ConnectionError {
        if let Copy::In(copy) = std::mem::replace(&mut self.copy, Copy::None) {
            let mark = copy.mark;
            drop(copy);
            // When the connection ends instead, the next operation says so.
            let _ = self.driver.drive_until(|tap| tap.since(mark).ready).await;
        }
        why
    }
}

impl CopyIn {
    /// Sends one message: waits until tokio-postgres takes it, which it does once an earlier one has gone to the
    /// socket.
    async fn push(&mut self, driver: &mut Driver, message: Bytes) -> Result<(), ConnectionError> {
        let CopyIn { sink, mark, .. } = self;
        let mut message = Some(message);
        poll_fn(|cx| {
            // Twice: the connection may make room for what was not taken at first.
            for _ in 0..2 {
                if message.is_some() && matches!(sink.as_mut().poll_ready(cx), Poll::Ready(Ok(()))) {
                    // It fails only when the connection has ended, which the driver reports.
                    let _ = message.take().map(|message| sink.as_mut().start_send(message));
                }
                let connection = driver.poll(cx);
                if let Some(error) = driver.tap.since(*mark).error {
                    return Poll::Ready(Err(ConnectionError::Server(error)));
                }
                if connection.is_ready() {
                    return Poll::Ready(driver.settle(None));
                }
                // After a failed write there is only the connection's end to wait for.
                if message.is_none() && driver.tap.write_error().is_none() {
                    return Poll::Ready(Ok(()));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Says CopyDone and waits for `ReadyForQuery`: outside a transaction the commit comes after the number of
    /// rows, and may still fail.
    async fn finish(&mut self, driver: &mut Driver) -> Result<u64, ConnectionError> {
        if !self.gathered.is_empty() {
            let message = self.gathered.split().freeze();
            self.push(driver, message).await?;
        }
        let rows = driver.drive(self.sink.as_mut().finish()).await?;
        let mark = self.mark;
        driver.drive_until(|tap| tap.since(mark).ready).await?;
        match driver.tap.since(mark).error {
            Some(error) => Err(ConnectionError::Server(error)),
            None => Ok(rows),
        }
    }
}
