//! `COPY … TO STDOUT`.
//!
//! The server sends one message for each row. What has arrived is handed on in pieces of about
//! [`PIECE_BYTES`]: COPY data is a stream of bytes, and nobody needs the boundaries of its messages.
//!
//! Nothing is read but while somebody waits for a piece, and then not more than a piece and what tokio-postgres
//! holds (two reads of some kilobytes): who does not read makes the server wait.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use leftover_core::error::ConnectionError;
use tokio_postgres::{CopyOutStream, Error, Statement};

use crate::drive::Driver;
use crate::error::misuse;
use crate::session::{Copy, Session};

/// How much is gathered into one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A running COPY OUT.
pub(crate) struct CopyOut {
    replies: Pin<Box<CopyOutStream>>,
    phase: Phase,
    /// Closed on the server when this goes.
    _statement: Statement,
}

enum Phase {
    /// The server sends data.
    Data,
    /// The data has ended, or an ERROR has ended it; `ReadyForQuery` is still to come.
    Ending(Option<Error>),
    /// `ReadyForQuery` has come, or the connection has ended.
    Ended(Option<Error>),
}

impl Session {
    pub(crate) async fn start_copy_out(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.no_copy()?;
        let statement = self.driver.drive(self.client.prepare(sql)).await?;
        let replies = self.driver.drive(self.client.copy_out(&statement)).await?;
        self.copy = Copy::Out(CopyOut {
            replies: Box::pin(replies),
            phase: Phase::Data,
            _statement: statement,
        });
        Ok(())
    }

    pub(crate) async fn next_of_copy_out(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        let Copy::Out(copy) = &mut self.copy else {
            return Err(misuse("no COPY OUT is running"));
        };
        let driver = &mut self.driver;
        let outcome = poll_fn(|cx| copy.poll_next(driver, cx)).await;
        if !matches!(outcome, Ok(Some(_))) {
            self.copy = Copy::None;
        }
        outcome
    }
}

impl CopyOut {
    /// The next piece; `None` once the server is ready for the next statement.
    fn poll_next(
        &mut self,
        driver: &mut Driver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ConnectionError>> {
        let mut piece = Piece::default();
        let mut connection_polled = false;
        loop {
            let progress = self.take_buffered(&mut piece, cx);
            let nothing_more = connection_polled && !progress;
            let in_data = matches!(self.phase, Phase::Data);
            if piece.bytes > 0 && (piece.bytes >= PIECE_BYTES || !in_data || nothing_more) {
                return Poll::Ready(Ok(Some(piece.join())));
            }
            if let Phase::Ended(error) = &mut self.phase {
                return Poll::Ready(match error.take() {
                    Some(error) => driver.settle(Some(Err(error))),
                    None => Ok(None),
                });
            }
            if nothing_more {
                return Poll::Pending;
            }
            // When this ends the connection, the replies end too.
            let _ = driver.poll(cx);
            connection_polled = true;
        }
    }

    /// Takes what tokio-postgres has buffered, up to a piece, and says whether there was anything.
    fn take_buffered(&mut self, piece: &mut Piece, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while piece.bytes < PIECE_BYTES && !matches!(self.phase, Phase::Ended(_)) {
            let Poll::Ready(reply) = self.replies.as_mut().poll_next(cx) else {
                break;
            };
            progress = true;
            match (&mut self.phase, reply) {
                (Phase::Data, Some(Ok(data))) => piece.push(data),
                (Phase::Data, None) => self.phase = Phase::Ending(None),
                (Phase::Data, Some(Err(error))) if is_error(&error) => {
                    self.phase = Phase::Ending(Some(error))
                }
                (Phase::Data, Some(Err(error))) => self.phase = Phase::Ended(Some(error)),
                // The replies to a request are closed when its `ReadyForQuery` has been read.
                (Phase::Ending(earlier), Some(Err(error))) if error.is_closed() => {
                    self.phase = Phase::Ended(earlier.take());
                }
                // The commit of a COPY outside a transaction comes after its data.
                (Phase::Ending(earlier), Some(Err(error))) if error.as_db_error().is_some() => {
                    earlier.get_or_insert(error);
                }
                // CommandComplete and ReadyForQuery, which are no part of COPY data.
                (Phase::Ending(_), _) | (Phase::Ended(_), _) => {}
            }
        }
        progress
    }
}

/// Whether the server will be ready again after `error`.
fn is_error(error: &Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|error| !crate::error::server_error(error).is_fatal())
}

/// Data that is being gathered.
#[derive(Default)]
struct Piece {
    /// The first message, which is handed on as it is when no other joins it.
    first: Bytes,
    joined: BytesMut,
    bytes: usize,
}

impl Piece {
    fn push(&mut self, data: Bytes) {
        if self.bytes == 0 {
            self.bytes = data.len();
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(PIECE_BYTES + data.len());
            self.joined.extend_from_slice(&self.first);
        }
        self.bytes += data.len();
        self.joined.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}
