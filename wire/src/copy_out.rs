//! `COPY … TO STDOUT`.
//!
//! The server sends one message for each row. What has arrived is handed on in pieces of about
//! [`PIECE_BYTES`]: COPY data is a stream of bytes, and nobody needs the boundaries of its messages.
//!
//! Nothing is read but while somebody waits for a piece, and then not more than a piece and one read of some
//! kilobytes: who does not read makes the server wait.

use bytes::{Bytes, BytesMut};
use leftover_core::error::ConnectionError;
use postgres_protocol::message::backend::Message;

use crate::copy::Copy;
use crate::error::{self, misuse};
use crate::messages::unexpected;
use crate::session::Session;

/// How much is gathered into one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A running COPY OUT.
#[derive(Default)]
pub(crate) struct CopyOut {
    /// A message that came while a piece was gathered, and is not data.
    next: Option<Message>,
}

impl Session {
    pub(crate) async fn start_copy_out(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.begin_copy(sql, |message| matches!(message, Message::CopyOutResponse(_)))
            .await?;
        self.copy = Copy::Out(CopyOut::default());
        Ok(())
    }

    /// The next piece; `None` once the server is ready for the next statement.
    pub(crate) async fn next_of_copy_out(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        let Copy::Out(copy) = &mut self.copy else {
            return Err(misuse("no COPY OUT is running"));
        };
        let message = match copy.next.take() {
            Some(message) => message,
            None => self.next_message().await?,
        };
        match message {
            Message::CopyData(data) => self.gather_piece(data.into_bytes()).map(Some),
            Message::CopyDone => self.end_copy(None).await.map(|_| None),
            Message::ErrorResponse(body) => {
                let refused = error::from_fields(body.fields())?;
                self.end_copy(Some(refused)).await.map(|_| None)
            }
            _ => Err(self.conversation.end(unexpected("in the middle of a COPY OUT"))),
        }
    }

    /// Adds to `first` what has arrived behind it.
    fn gather_piece(&mut self, first: Bytes) -> Result<Bytes, ConnectionError> {
        let mut piece = Piece::new(first);
        while piece.bytes() < PIECE_BYTES {
            match self
                .conversation
                .messages
                .arrived()
                .map_err(|why| self.lost(why))?
            {
                Some(Message::CopyData(data)) => piece.push(&data.into_bytes()),
                Some(other) => {
                    self.copy = Copy::Out(CopyOut { next: Some(other) });
                    break;
                }
                None => break,
            }
        }
        Ok(piece.join())
    }
}

/// Data that is being gathered.
struct Piece {
    /// The first message, which is handed on as it is when no other joins it.
    first: Bytes,
    joined: BytesMut,
}

impl Piece {
    fn new(first: Bytes) -> Piece {
        Piece {
            first,
            joined: BytesMut::new(),
        }
    }

    fn bytes(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn push(&mut self, data: &[u8]) {
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(data);
    }

    fn join(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}
