//! Follows the messages that a server sends, without touching them.
//!
//! tokio-postgres tells its caller neither the backend's secret, nor whether it holds a part of a message, nor, after
//! a failed write, what the server said last. All of it is on the wire, so it is read there.

use bytes::BytesMut;
use leftover_core::connection::BackendKey;
use leftover_core::error::ServerError;
use postgres_protocol::message::backend::{
    BACKEND_KEY_DATA_TAG, ERROR_RESPONSE_TAG, Message, NOTICE_RESPONSE_TAG,
};

use crate::error;

const HEADER_BYTES: usize = 5;

/// An `ErrorResponse` longer than this is counted, but its text is not kept.
const LONGEST_KEPT_BYTES: usize = 1 << 20;

/// A reader of message headers over bytes that arrive in pieces of any size.
#[derive(Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
    kept: BytesMut,
    /// What the server said about its backend.
    pub(crate) backend: Option<BackendKey>,
    /// The last error that the server has sent.
    pub(crate) last_error: Option<ServerError>,
    /// The last notice in which it has spoken of the session's end.
    pub(crate) last_notice: Option<ServerError>,
}

impl Frames {
    /// Takes note of the next bytes from the server.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.header_bytes < HEADER_BYTES {
                let taken = (HEADER_BYTES - self.header_bytes).min(bytes.len());
                self.header[self.header_bytes..self.header_bytes + taken].copy_from_slice(&bytes[..taken]);
                self.header_bytes += taken;
                bytes = &bytes[taken..];
                if self.header_bytes < HEADER_BYTES {
                    return;
                }
                let [_, length @ ..] = self.header;
                self.payload_left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                if self.keeps() {
                    self.kept.extend_from_slice(&self.header);
                }
            }
            let taken = self.payload_left.min(bytes.len());
            if self.keeps() {
                self.kept.extend_from_slice(&bytes[..taken]);
            }
            self.payload_left -= taken;
            bytes = &bytes[taken..];
            if self.payload_left == 0 {
                self.end_of_message();
            }
        }
    }

    /// Whether the last message has come as a whole.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.header_bytes == 0
    }

    fn keeps(&self) -> bool {
        matches!(
            self.header[0],
            ERROR_RESPONSE_TAG | NOTICE_RESPONSE_TAG | BACKEND_KEY_DATA_TAG
        ) && self.kept.len() + self.payload_left <= LONGEST_KEPT_BYTES
    }

    fn end_of_message(&mut self) {
        self.header_bytes = 0;
        match self.header[0] {
            ERROR_RESPONSE_TAG => {
                self.last_error = match Message::parse(&mut self.kept) {
                    Ok(Some(Message::ErrorResponse(body))) => error::from_fields(body.fields()).ok(),
                    _ => None,
                };
            }
            NOTICE_RESPONSE_TAG => {
                if let Ok(Some(Message::NoticeResponse(body))) = Message::parse(&mut self.kept)
                    && let Ok(notice) = error::from_fields(body.fields())
                    && error::is_of_the_end(&notice)
                {
                    self.last_notice = Some(notice);
                }
            }
            BACKEND_KEY_DATA_TAG => {
                if let Ok(Some(Message::BackendKeyData(body))) = Message::parse(&mut self.kept) {
                    self.backend = Some(BackendKey {
                        pid: body.process_id(),
                        secret: body.secret_key(),
                    });
                }
            }
            _ => return,
        }
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;
    use proptest::prelude::*;

    fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&u32::try_from(payload.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    proptest! {
        #[test]
        fn messages_are_found_however_the_bytes_are_cut(cuts in prop::collection::vec(1usize..9, 1..40)) {
            let mut bytes = message(b'd', b"Zrow E");
            bytes.extend(message(b'c', b""));
            bytes.extend(message(b'E', b"SFEHLER\0VERROR\0C22P04\0Mno\0Dwhy\0\0"));
            bytes.extend(message(b'Z', b"I"));
            bytes.extend(message(b'Z', b"T"));
            let mut frames = Frames::default();
            let mut left = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (piece, rest) = left.split_at((*cut).min(left.len()));
                frames.feed(piece);
                left = rest;
                if left.is_empty() {
                    break;
                }
            }
            prop_assert!(frames.is_between_messages());
            let error = frames.last_error.unwrap();
            prop_assert_eq!(error.to_string(), "ERROR 22P04: no (why)");
        }
    }
}
