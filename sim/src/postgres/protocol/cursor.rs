//! Takes the parts of one message's body, in order.

use std::ffi::CStr;

use bytes::{Buf, Bytes};

use super::error::ProtocolError;
use crate::postgres::utf8::invalid_utf8;

/// The rest of one message's body.
pub(super) struct Cursor(Bytes);

impl Cursor {
    pub(super) fn new(body: Bytes) -> Self {
        Cursor(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> Result<u8, ProtocolError> {
        self.0.try_get_u8().map_err(|_| ProtocolError::Empty)
    }

    pub(super) fn i16(&mut self) -> Result<i16, ProtocolError> {
        self.0.try_get_i16().map_err(|_| ProtocolError::Insufficient)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.0.try_get_i32().map_err(|_| ProtocolError::Insufficient)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.0.try_get_u32().map_err(|_| ProtocolError::Insufficient)
    }

    /// A count of things that follow: the protocol has 16 bits for it, and Postgres reads them unsigned.
    pub(super) fn count(&mut self) -> Result<u16, ProtocolError> {
        self.0.try_get_u16().map_err(|_| ProtocolError::Insufficient)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<Bytes, ProtocolError> {
        if length > self.0.len() {
            return Err(ProtocolError::Insufficient);
        }
        Ok(self.0.split_to(length))
    }

    /// A value with its length before it; a length of -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<Bytes>, ProtocolError> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| ProtocolError::Insufficient)?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// A text that ends with a NUL.
    pub(super) fn text(&mut self) -> Result<String, ProtocolError> {
        let text = CStr::from_bytes_until_nul(&self.0).map_err(|_| ProtocolError::Text)?;
        let end = text.count_bytes() + 1;
        let decoded = text
            .to_str()
            .map(str::to_owned)
            .map_err(|_| ProtocolError::Encoding(invalid_utf8(text.to_bytes()).unwrap_or_default()));
        self.0.advance(end);
        decoded
    }

    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), ProtocolError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ProtocolError::MessageFormat)
        }
    }
}
