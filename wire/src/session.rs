//! An ordinary connection: SQL in the simple query protocol, and COPY.
//!
//! One [`Session`] is one tokio-postgres client and its connection, which is driven by the operation that
//! somebody waits for ([`crate::drive`]), and which lends its stream to COPY ([`crate::copy`]). Dropping it closes
//! the socket and sends nothing.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use leftover_core::connection::{BackendKey, Closed, Row};
use leftover_core::error::ConnectionError;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use crate::copy::Copy;
use crate::dial::BoxedStream;
use crate::drive::{self, Driver};
use crate::error::misuse;
use crate::messages::{Messages, read_to_eof};
use crate::startup::Parameters;
use crate::stream::Tap;

/// An ordinary connection to a Postgres server.
pub struct Session {
    client: Client,
    pub(crate) driver: Driver,
    pub(crate) copy: Copy,
    /// The same stream, for COPY.
    pub(crate) messages: Messages,
    /// Whether an operation is under way, or was dropped before its end.
    busy: bool,
    backend: BackendKey,
}

impl Session {
    pub(crate) async fn start(
        stream: BoxedStream,
        parameters: &Parameters,
    ) -> Result<Session, ConnectionError> {
        let tap = Tap::new(stream);
        let connected = parameters.session().connect_raw(tap.clone(), NoTls).await;
        let (client, connection) = connected.map_err(|problem| drive::startup_failed(&tap, &problem))?;
        let backend = tap
            .backend()
            .ok_or_else(|| misuse("the server did not name its backend"))?;
        Ok(Session {
            client,
            messages: Messages::new(Box::new(tap.clone())),
            driver: Driver::new(connection, tap),
            copy: Copy::None,
            busy: false,
            backend,
        })
    }

    /// Starts an operation. Until [`Session::done`] the session counts as interrupted.
    pub(crate) fn begin(&mut self) -> Result<(), ConnectionError> {
        if self.busy {
            return Err(ConnectionError::Interrupted);
        }
        if let Some(why) = self.driver.ended() {
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

    /// Whether the session is free for a statement.
    pub(crate) fn no_copy(&self) -> Result<(), ConnectionError> {
        match self.copy {
            Copy::None => Ok(()),
            Copy::Out(_) | Copy::In(_) => Err(misuse("a COPY is running on this connection")),
        }
    }

    async fn simple_query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.no_copy()?;
        let Answer {
            rows,
            messages,
            error,
        } = self.driver.drive(run(&self.client, sql)).await?;
        match error {
            Some(problem) => self.driver.settle(Some(Err(problem))),
            // Every statement, and the lack of one, is answered by something. Nothing at all is the end of an
            // earlier request, and every later reply would be one request late too.
            None if messages == 0 => Err(self.driver.end(misuse("a reply without an answer"))),
            None => Ok(rows),
        }
    }

    /// Terminate, flush, and the server's EOF.
    async fn terminate(mut self) -> Closed {
        if self.busy || matches!(self.copy, Copy::Out(_)) {
            return Closed::Unknown;
        }
        if matches!(self.copy, Copy::In(_)) {
            self.give_up_copy_in().await;
        }
        let Session {
            client, mut driver, ..
        } = self;
        // An EOF that is there already is not an answer to Terminate.
        let ended_before = driver.ended().is_some() || driver.tap.eof();
        // Dropping the client says Terminate once all is answered.
        drop(client);
        poll_fn(|cx| driver.poll(cx)).await;
        let terminated = !ended_before && driver.ended().is_none() && driver.tap.write_error().is_none();
        // A FATAL is the server's own word that it is leaving.
        let leaves = terminated || driver.tap.fatal().is_some();
        if leaves && (driver.tap.eof() || read_to_eof(&mut driver.tap).await) {
            Closed::Released
        } else {
            Closed::Unknown
        }
    }
}

/// What one simple query was answered.
struct Answer {
    rows: Vec<Row>,
    messages: usize,
    error: Option<Error>,
}

/// Runs `sql` and reads until `ReadyForQuery`, after an ERROR too.
async fn run(client: &Client, sql: &str) -> Result<Answer, Error> {
    let mut replies = pin!(client.simple_query_raw(sql).await?);
    let mut answer = Answer {
        rows: Vec::new(),
        messages: 0,
        error: None,
    };
    while let Some(reply) = replies.next().await {
        answer.messages += 1;
        match reply {
            Ok(SimpleQueryMessage::Row(row)) => {
                let values = (0..row.len()).map(|column| Ok(row.try_get(column)?.map(str::to_owned)));
                answer.rows.push(Row(values.collect::<Result<_, Error>>()?));
            }
            Ok(_) => {}
            Err(problem) if leaves_usable(&problem) => answer.error = answer.error.or(Some(problem)),
            Err(problem) => return Err(answer.error.unwrap_or(problem)),
        }
    }
    Ok(answer)
}

fn leaves_usable(problem: &Error) -> bool {
    problem
        .as_db_error()
        .is_some_and(|error| !crate::error::server_error(error).is_fatal())
}

impl leftover_core::connection::Session for Session {
    fn backend(&self) -> BackendKey {
        self.backend
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.begin()?;
        let outcome = self.simple_query(sql).await;
        self.done(outcome)
    }

    async fn copy_out(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.begin()?;
        let outcome = self.start_copy_out(sql).await;
        self.done(outcome)
    }

    async fn copy_out_next(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        self.begin()?;
        let outcome = self.next_of_copy_out().await;
        self.done(outcome)
    }

    async fn copy_in(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.begin()?;
        let outcome = self.start_copy_in(sql).await;
        self.done(outcome)
    }

    async fn copy_in_send(&mut self, data: Bytes) -> Result<(), ConnectionError> {
        self.begin()?;
        let outcome = self.send_copy_in(data).await;
        self.done(outcome)
    }

    async fn copy_in_finish(&mut self) -> Result<u64, ConnectionError> {
        self.begin()?;
        let outcome = self.finish_copy_in().await;
        self.done(outcome)
    }

    /// After an operation that was dropped unfinished, and in the middle of a COPY OUT, this closes the socket
    /// and answers [`Closed::Unknown`]: there may be gigabytes before the server's EOF.
    async fn close(self) -> Closed {
        self.terminate().await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.backend.pid)
    }
}
