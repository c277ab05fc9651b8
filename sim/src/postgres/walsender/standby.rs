//! What a client says in a stream.

use bytes::{Buf, Bytes};
use leftover_core::connection::Lsn;

use crate::postgres::protocol::{Frontend, ProtocolError, ReadError};
use crate::postgres::sql::error::PgError;
use crate::postgres::waits::{Exit, Stop};

/// The length of a hot standby feedback message behind its type: a time, and two xids with their epochs.
const FEEDBACK_WORDS: usize = 3;

/// A message of a standby.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standby {
    /// How far it has come.
    Status {
        /// What it has written.
        written: Lsn,
        /// What it has made durable; 0/0 says nothing.
        flushed: Lsn,
        /// Whether it wants an answer.
        reply: bool,
    },
    /// What its own queries need: of no interest to a logical stream's timer or slot.
    Feedback,
    /// It wants the stream to end.
    Done,
}

/// Understands a message inside the stream.
///
/// # Errors
/// How the stream or the backend ends: no other message is borne (OB-90).
pub(super) fn understand(message: Result<Option<Frontend>, ReadError>) -> Result<Standby, Stop> {
    match message {
        Ok(Some(Frontend::CopyData(data))) => copy_data(data),
        Ok(Some(Frontend::CopyDone)) => Ok(Standby::Done),
        Ok(None | Some(Frontend::Terminate)) | Err(ReadError::Lost(_)) => Err(Stop::Exit(Exit::Silent)),
        Ok(Some(other)) => Err(invalid(other.kind())),
        Err(ReadError::Protocol(ProtocolError::MessageType(kind))) => Err(invalid(kind)),
        Err(ReadError::Protocol(_)) => Err(Stop::Exit(Exit::Silent)),
    }
}

/// A message of a type that a client may not send while a replication command or a stream runs.
pub(in crate::postgres) fn invalid(kind: u8) -> Stop {
    let message = format!("invalid standby message type \"{}\"", char::from(kind));
    PgError::fatal("08P01", message).into()
}

fn copy_data(mut data: Bytes) -> Result<Standby, Stop> {
    let empty = |_| Stop::from(PgError::new("08P01", "no data left in message"));
    let short = |_| Stop::from(PgError::new("08P01", "insufficient data left in message"));
    match data.try_get_u8().map_err(empty)? {
        b'r' => {
            let written = Lsn(data.try_get_u64().map_err(short)?);
            let flushed = Lsn(data.try_get_u64().map_err(short)?);
            data.try_get_u64().map_err(short)?;
            data.try_get_u64().map_err(short)?;
            let reply = data.try_get_u8().map_err(empty)? != 0;
            Ok(Standby::Status {
                written,
                flushed,
                reply,
            })
        }
        b'h' => {
            for _ in 0..FEEDBACK_WORDS {
                data.try_get_u64().map_err(short)?;
            }
            Ok(Standby::Feedback)
        }
        _ => Err(Stop::Exit(Exit::Silent)),
    }
}
