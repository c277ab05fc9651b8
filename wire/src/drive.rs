//! Drives tokio-postgres without a task of its own.
//!
//! A `Client` only queues what is to be said; its `Connection` says it. The usual shape gives the connection a
//! task, which goes on, and drains a whole COPY, after the client is gone (OB-116 to 122). Here whoever waits
//! for an operation polls both, and when nobody waits, nothing is read or written.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use leftover_core::error::ConnectionError;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Connection, Error};

use crate::error;
use crate::stream::Tap;

/// The connection's side of a session.
pub(crate) struct Driver {
    /// Until it has ended.
    connection: Option<Connection<Tap, NoTlsStream>>,
    pub(crate) tap: Tap,
    /// Why no operation is possible any more.
    ended: Option<ConnectionError>,
}

impl Driver {
    pub(crate) fn new(connection: Connection<Tap, NoTlsStream>, tap: Tap) -> Driver {
        Driver {
            connection: Some(connection),
            tap,
            ended: None,
        }
    }

    /// Why no operation is possible any more, if so.
    pub(crate) fn ended(&self) -> Option<&ConnectionError> {
        self.ended.as_ref()
    }

    /// Ends the session for the client: every later operation answers `why`.
    pub(crate) fn end(&mut self, why: ConnectionError) -> ConnectionError {
        self.ended.get_or_insert(why).clone()
    }

    /// Drives `operation` to its end, and the connection with it.
    pub(crate) async fn drive<T>(
        &mut self,
        operation: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ConnectionError> {
        let mut operation = pin!(operation);
        let output = poll_fn(|cx| {
            // First the operation, which queues what it wants said; then the connection; then the operation
            // again, for which a reply may have come. Each has then left its waker where it waits.
            if let Poll::Ready(output) = operation.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let connection = self.poll(cx);
            match (operation.as_mut().poll(cx), connection) {
                (Poll::Ready(output), _) => Poll::Ready(Some(output)),
                (Poll::Pending, Poll::Ready(())) => Poll::Ready(None),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
            }
        })
        .await;
        self.settle(output)
    }

    /// Drives the connection until `reached` says so, or until it ends.
    pub(crate) async fn drive_until(
        &mut self,
        mut reached: impl FnMut(&Tap) -> bool,
    ) -> Result<(), ConnectionError> {
        poll_fn(|cx| {
            if reached(&self.tap) {
                return Poll::Ready(());
            }
            let connection = self.poll(cx);
            if reached(&self.tap) {
                Poll::Ready(())
            } else {
                connection
            }
        })
        .await;
        match &self.ended {
            Some(why) if !reached(&self.tap) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Polls the connection until it waits or ends. Ready means that it has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(());
            };
            match connection.poll_message(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(message))) => note(&message),
                Poll::Ready(Some(Err(problem))) => {
                    self.connection = None;
                    let why = self.why(&problem);
                    self.end(why);
                    return Poll::Ready(());
                }
                // Terminate has been sent.
                Poll::Ready(None) => {
                    self.connection = None;
                    return Poll::Ready(());
                }
            }
        }
    }

    /// What ended the connection: [`Tap::last_word`], or what tokio-postgres makes of it.
    fn why(&self, problem: &Error) -> ConnectionError {
        if let Some(said) = problem.as_db_error() {
            return ConnectionError::Server(error::server_error(said));
        }
        match self.tap.last_word() {
            Some(last) => last,
            None if problem.is_closed() => error::lost(error::CLOSED),
            None => error::other(problem),
        }
    }

    /// The outcome of an operation; `None` when the connection ended under it.
    pub(crate) fn settle<T>(&mut self, output: Option<Result<T, Error>>) -> Result<T, ConnectionError> {
        match output {
            Some(Ok(value)) => Ok(value),
            Some(Err(problem)) => Err(self.failed(&problem)),
            None => Err(self.end(error::lost(error::CLOSED))),
        }
    }

    /// What a failed operation reports. Only an ERROR of the server leaves the session usable.
    fn failed(&mut self, problem: &Error) -> ConnectionError {
        let why = self.why(problem);
        match &why {
            ConnectionError::Server(error) if !error.is_fatal() => why,
            _ => self.end(why),
        }
    }
}

fn note(message: &AsyncMessage) {
    if let AsyncMessage::Notice(notice) = message {
        tracing::debug!(
            severity = notice.severity(),
            code = notice.code().code(),
            "{}",
            notice.message()
        );
    }
}

/// Fails to connect: what went wrong during the startup.
pub(crate) fn startup_failed(tap: &Tap, problem: &Error) -> ConnectionError {
    if let Some(said) = problem.as_db_error() {
        return ConnectionError::Server(error::server_error(said));
    }
    match tap.write_error() {
        Some(reason) if !tap.sent() => ConnectionError::Unreachable { reason },
        Some(reason) => error::lost(reason),
        None if problem.is_closed() => error::lost(error::CLOSED),
        None => error::other(problem),
    }
}
