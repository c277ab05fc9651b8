//! What a client says after the startup packet.

use bytes::{Buf, Bytes, BytesMut};

use super::backend::Format;
use super::cursor::Cursor;
use super::error::ProtocolError;

/// The longest message of the types that carry data (`PQ_LARGE_MESSAGE_LIMIT`), in bytes.
const LARGE: usize = 0x3fff_ffff;
/// The longest message of the other types (`PQ_SMALL_MESSAGE_LIMIT`), in bytes.
const SMALL: usize = 10_000;
/// The longest answer to an authentication request (`PG_MAX_AUTH_TOKEN_LENGTH`), in bytes.
const AUTHENTICATION: usize = 65_535;

/// What Describe and Close are about. The empty name is the unnamed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frontend {
    /// Run these statements (simple query).
    Query(String),
    /// Make a prepared statement.
    Parse {
        /// Its name, empty for the unnamed one.
        name: String,
        /// The statement.
        sql: String,
        /// Type oids of the first parameters; 0 is unspecified.
        parameter_types: Vec<u32>,
    },
    /// Make a portal from a prepared statement.
    Bind {
        /// The portal's name, empty for the unnamed one.
        portal: String,
        /// The statement's name, empty for the unnamed one.
        statement: String,
        /// None: all text; one: for all; else one for each parameter.
        parameter_formats: Vec<Format>,
        /// The parameters' values; `None` is NULL.
        parameters: Vec<Option<Bytes>>,
        /// None: all text; one: for all; else one for each result column.
        result_formats: Vec<Format>,
    },
    /// Describe a statement or a portal.
    Describe(Target),
    /// Run a portal.
    Execute {
        /// The portal's name.
        portal: String,
        /// How many rows at most; 0 is all.
        max_rows: i32,
    },
    /// Close a statement or a portal.
    Close(Target),
    /// Send what is buffered.
    Flush,
    /// End of a pipeline step.
    Sync,
    /// A piece of COPY data.
    CopyData(Bytes),
    /// The COPY data is complete.
    CopyDone,
    /// The client gives the COPY up, for this reason.
    CopyFail(String),
    /// The answer to an authentication request: a password or a SASL message, still undecoded.
    Password(Bytes),
    /// Call a function by oid (not supported by anything here, but part of the protocol).
    FunctionCall(Bytes),
    /// Goodbye.
    Terminate,
    /// A whole message of a known type with something wrong inside: the next message is where it should be.
    Malformed {
        /// The byte that begins it.
        kind: u8,
        /// What is wrong.
        error: ProtocolError,
    },
}

/// Where in the conversation a message is read: it decides which types there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The server waits for a password.
    Authentication,
    /// The server waits for a command.
    Command,
    /// The server waits for COPY data.
    CopyIn,
    /// A replication command or a stream runs.
    Stream,
}

impl Frontend {
    /// The byte that begins a message of this kind.
    pub fn kind(&self) -> u8 {
        match self {
            Frontend::Query(_) => b'Q',
            Frontend::Parse { .. } => b'P',
            Frontend::Bind { .. } => b'B',
            Frontend::Describe(_) => b'D',
            Frontend::Execute { .. } => b'E',
            Frontend::Close(_) => b'C',
            Frontend::Flush => b'H',
            Frontend::Sync => b'S',
            Frontend::CopyData(_) => b'd',
            Frontend::CopyDone => b'c',
            Frontend::CopyFail(_) => b'f',
            Frontend::Password(_) => b'p',
            Frontend::FunctionCall(_) => b'F',
            Frontend::Terminate => b'X',
            Frontend::Malformed { kind, .. } => *kind,
        }
    }

    /// Takes the first message from `input`; `None` when it is not complete yet.
    ///
    /// # Errors
    /// When what is there can never become a message of this phase. The input is then of no more use.
    pub fn decode(input: &mut BytesMut, phase: Phase) -> Result<Option<Frontend>, ProtocolError> {
        let Some((&kind, rest)) = input.split_first() else {
            return Ok(None);
        };
        let limit = limit(kind, phase)?;
        let Some(length) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        let length =
            usize::try_from(i32::from_be_bytes(*length)).map_err(|_| ProtocolError::MessageLength)?;
        if length < 4 || length > limit {
            return Err(ProtocolError::MessageLength);
        }
        if input.len() < 1 + length {
            return Ok(None);
        }
        // What carries data keeps the buffer's memory; all else is read where it lies.
        if let Some(with_data) = with_data(kind) {
            let mut message = input.split_to(1 + length);
            message.advance(5);
            return Ok(Some(with_data(message.freeze())));
        }
        let decoded = body(kind, phase, Cursor::new(&input[5..=length]));
        input.advance(1 + length);
        Ok(Some(
            decoded.unwrap_or_else(|error| Frontend::Malformed { kind, error }),
        ))
    }
}

/// The longest message of this kind.
fn limit(kind: u8, phase: Phase) -> Result<usize, ProtocolError> {
    match (phase, kind) {
        (Phase::Authentication, b'p') => Ok(AUTHENTICATION),
        (Phase::Command, b'Q' | b'P' | b'B' | b'd' | b'F' | b'f') => Ok(LARGE),
        (Phase::Command, b'D' | b'E' | b'C' | b'H' | b'S' | b'c' | b'X') => Ok(SMALL),
        (Phase::CopyIn | Phase::Stream, b'd') => Ok(LARGE),
        (Phase::CopyIn, b'c' | b'f' | b'H' | b'S') | (Phase::Stream, b'c' | b'X') => Ok(SMALL),
        (_, other) => Err(ProtocolError::MessageType(other)),
    }
}

/// The messages that are data from end to end.
fn with_data(kind: u8) -> Option<fn(Bytes) -> Frontend> {
    match kind {
        b'd' => Some(Frontend::CopyData),
        b'p' => Some(Frontend::Password),
        b'F' => Some(Frontend::FunctionCall),
        _ => None,
    }
}

fn body(kind: u8, phase: Phase, mut body: Cursor<'_>) -> Result<Frontend, ProtocolError> {
    let message = match kind {
        b'Q' => Frontend::Query(body.text()?),
        b'P' => Frontend::Parse {
            name: body.text()?,
            sql: body.text()?,
            parameter_types: many(&mut body, Cursor::u32)?,
        },
        b'B' => Frontend::Bind {
            portal: body.text()?,
            statement: body.text()?,
            parameter_formats: many(&mut body, format)?,
            parameters: many(&mut body, Cursor::value)?,
            result_formats: many(&mut body, format)?,
        },
        b'D' => Frontend::Describe(target(&mut body, "DESCRIBE")?),
        b'E' => Frontend::Execute {
            portal: body.text()?,
            max_rows: body.i32()?,
        },
        b'C' => Frontend::Close(target(&mut body, "CLOSE")?),
        // Inside a COPY nobody looks into them.
        b'H' if phase == Phase::CopyIn => return Ok(Frontend::Flush),
        b'S' if phase == Phase::CopyIn => return Ok(Frontend::Sync),
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'c' => return Ok(Frontend::CopyDone),
        b'f' => return Ok(Frontend::CopyFail(body.text()?)),
        b'X' => return Ok(Frontend::Terminate),
        other => return Err(ProtocolError::MessageType(other)),
    };
    body.end()?;
    Ok(message)
}

fn many<'a, T>(
    body: &mut Cursor<'a>,
    mut one: impl FnMut(&mut Cursor<'a>) -> Result<T, ProtocolError>,
) -> Result<Vec<T>, ProtocolError> {
    let count = body.count()?;
    (0..count).map(|_| one(body)).collect()
}

fn format(body: &mut Cursor<'_>) -> Result<Format, ProtocolError> {
    match body.i16()? {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(ProtocolError::FormatCode(other)),
    }
}

fn target(body: &mut Cursor<'_>, message: &'static str) -> Result<Target, ProtocolError> {
    match body.u8()? {
        b'S' => Ok(Target::Statement(body.text()?)),
        b'P' => Ok(Target::Portal(body.text()?)),
        subtype => Err(ProtocolError::Subtype { message, subtype }),
    }
}
