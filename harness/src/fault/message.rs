//! Message boundaries and kinds of the Postgres protocol, version 3.

use std::borrow::Cow;

/// How far a buffer that starts at a message boundary can be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// More bytes are needed to tell what it is.
    Incomplete,
    /// A message of `length` bytes in all, which may be more than the buffer holds.
    Message {
        /// Its type byte; 0 for the untyped packets that open a connection.
        tag: u8,
        /// What the buffer holds of its payload.
        payload: &'a [u8],
        /// Its length with type and length fields.
        length: usize,
    },
}

/// The protocol code of a CancelRequest.
pub const CANCEL_REQUEST: u32 = 80_877_102;
/// The protocol code of an SSLRequest.
pub const SSL_REQUEST: u32 = 80_877_103;
/// The protocol code of a GSSENCRequest.
pub const GSSENC_REQUEST: u32 = 80_877_104;

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// Reads an untyped packet at the start of `buffer`.
pub fn untyped(buffer: &[u8]) -> Frame<'_> {
    match word(buffer) {
        Some(length) if buffer.len() >= length as usize => {
            let length = (length as usize).max(4);
            Frame::Message {
                tag: 0,
                payload: &buffer[4..length],
                length,
            }
        }
        _ => Frame::Incomplete,
    }
}

/// Reads a typed message at the start of `buffer`. Bulk data is known by its header; all else must be there
/// as a whole.
pub fn typed(buffer: &[u8]) -> Frame<'_> {
    let Some(length) = buffer.get(1..).and_then(word) else {
        return Frame::Incomplete;
    };
    let (tag, length) = (buffer[0], 1 + (length as usize).max(4));
    if buffer.len() >= length {
        Frame::Message {
            tag,
            payload: &buffer[5..length],
            length,
        }
    } else if is_bulk(tag) {
        Frame::Message {
            tag,
            payload: &buffer[5..],
            length,
        }
    } else {
        Frame::Incomplete
    }
}

/// CopyData either way, and DataRow, whose tag is also Describe's. Describe is short enough not to matter.
fn is_bulk(tag: u8) -> bool {
    tag == b'd' || tag == b'D'
}

/// Whether runs of this kind are one event of the log.
pub fn merges(kind: &str) -> bool {
    matches!(kind, "CopyData" | "DataRow" | "ParameterStatus")
}

/// What an untyped packet is.
pub fn opening(payload: &[u8]) -> Opening {
    match word(payload) {
        Some(CANCEL_REQUEST) => Opening::Cancel,
        Some(SSL_REQUEST | GSSENC_REQUEST) => Opening::Encryption,
        _ => {
            let name = parameter(payload.get(4..).unwrap_or_default(), "application_name");
            Opening::Startup {
                application_name: name.unwrap_or_default(),
            }
        }
    }
}

/// A connection's first packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// It cancels what another connection runs.
    Cancel,
    /// It asks for encryption; the server answers with one byte and a startup packet follows.
    Encryption,
    /// It opens a session.
    Startup {
        /// The session's `application_name`, empty when it gives none.
        application_name: String,
    },
}

fn parameter(bytes: &[u8], wanted: &str) -> Option<String> {
    let mut parts = bytes.split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        if name == wanted.as_bytes() {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    None
}

/// The role in an `application_name`: the fourth part of `leftover/<mirror>/<attempt>/<role>/<n>`, and the
/// whole of any other.
pub fn role(application_name: &str) -> &str {
    let parts: Vec<&str> = application_name.split('/').collect();
    match parts[..] {
        ["leftover", _, _, role, _] => role,
        _ if application_name.is_empty() => "unnamed",
        _ => application_name,
    }
}

/// The pid in a BackendKeyData.
pub(super) fn backend_pid(payload: &[u8]) -> Option<i32> {
    word(payload).map(u32::cast_signed)
}

/// The kind of a message from the client.
pub fn frontend(tag: u8, payload: &[u8]) -> Cow<'static, str> {
    Cow::Borrowed(match tag {
        b'Q' => return Cow::Owned(of_statement("Query ", text(payload))),
        b'P' => {
            let sql = payload.splitn(2, |byte| *byte == 0).nth(1).unwrap_or_default();
            return Cow::Owned(of_statement("Parse ", text(sql)));
        }
        b'B' => "Bind",
        b'C' => "Close",
        b'D' => "Describe",
        b'E' => "Execute",
        b'F' => "FunctionCall",
        b'H' => "Flush",
        b'S' => "Sync",
        b'X' => "Terminate",
        b'c' => "CopyDone",
        b'd' => "CopyData",
        b'f' => "CopyFail",
        b'p' => "Password",
        _ => "Unknown",
    })
}

/// The kind of a message from the server.
pub fn backend(tag: u8, payload: &[u8]) -> Cow<'static, str> {
    Cow::Borrowed(match tag {
        b'1' => "ParseComplete",
        b'2' => "BindComplete",
        b'3' => "CloseComplete",
        b'A' => "NotificationResponse",
        b'C' => {
            let tag = text(payload).split(' ').next().unwrap_or_default();
            return Cow::Owned(["CommandComplete ", tag].concat());
        }
        b'D' => "DataRow",
        b'E' => return Cow::Owned(format!("ErrorResponse {}", code(payload))),
        b'G' => "CopyInResponse",
        b'H' => "CopyOutResponse",
        b'I' => "EmptyQueryResponse",
        b'K' => "BackendKeyData",
        b'N' => "NoticeResponse",
        b'R' if word(payload) == Some(0) => "Authentication ok",
        b'R' => "Authentication",
        b'S' => "ParameterStatus",
        b'T' => "RowDescription",
        b'W' => "CopyBothResponse",
        b'Z' => match payload.first() {
            Some(b'T') => "ReadyForQuery in transaction",
            Some(b'E') => "ReadyForQuery in failed transaction",
            _ => "ReadyForQuery",
        },
        b'c' => "CopyDone",
        b'd' => "CopyData",
        b'n' => "NoData",
        b's' => "PortalSuspended",
        b't' => "ParameterDescription",
        _ => "Unknown",
    })
}

/// How much of a text is read: what a message is about stands at its beginning.
const READ_BYTES: usize = 128;

fn text(bytes: &[u8]) -> &str {
    let bytes = &bytes[..bytes.len().min(READ_BYTES)];
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) => text,
        // The cut may have gone through a character.
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn code(payload: &[u8]) -> &str {
    let mut fields = payload.split(|byte| *byte == 0);
    let code = fields
        .find(|field| field.first() == Some(&b'C'))
        .unwrap_or(b"C?????");
    std::str::from_utf8(&code[1..]).unwrap_or("?????")
}

/// What a statement is about: its first keyword, with the second where the first says little, and with the
/// function where a SELECT calls one of the server's own.
pub fn meaning(sql: &str) -> String {
    of_statement("", sql)
}

/// `message`, and behind it what the statement is about.
fn of_statement(message: &str, sql: &str) -> String {
    let mut words = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| !word.is_empty())
        .map(|word| word.strip_prefix("pg_catalog.").unwrap_or(word));
    // It is made for every statement of every run: in one piece.
    let mut kind = String::with_capacity(48);
    kind.push_str(message);
    let Some(first) = words.next() else {
        kind.push_str("nothing");
        return kind;
    };
    let start = kind.len();
    kind.push_str(first);
    kind[start..].make_ascii_uppercase();
    match &kind[start..] {
        "CREATE" | "DROP" | "ALTER" | "SET" | "LOCK" => {
            if let Some(second) = words.next() {
                kind.push(' ');
                let start = kind.len();
                kind.push_str(second);
                kind[start..].make_ascii_uppercase();
            }
        }
        "SELECT" => {
            if let Some(function) = words.next().filter(|word| word.starts_with("pg_")) {
                kind.push(' ');
                kind.push_str(function);
            }
        }
        _ => {}
    }
    kind
}
