//! Takes the parts of one message's body, in order.

use std::ffi::CStr;

use bytes::Bytes;

use super::error::ProtocolError;
use crate::postgres::utf8::invalid_utf8;

/// The rest of one message's body.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Cursor(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtocolError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(ProtocolError::Insufficient)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ProtocolError::Insufficient)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ProtocolError> {
        let byte = self.array().map_err(|_| ProtocolError::Empty)?;
        Ok(u8::from_be_bytes(byte))
    }

    pub(super) fn i16(&mut self) -> Result<i16, ProtocolError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A count of things that follow: the protocol has 16 bits for it, and Postgres reads them unsigned.
    pub(super) fn count(&mut self) -> Result<u16, ProtocolError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<Bytes, ProtocolError> {
        self.take(length).map(Bytes::copy_from_slice)
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
        let text = CStr::from_bytes_until_nul(self.0).map_err(|_| ProtocolError::Text)?;
        self.take(text.count_bytes() + 1)?;
        text.to_str()
            .map(str::to_owned)
            .map_err(|_| ProtocolError::Encoding(invalid_utf8(text.to_bytes()).unwrap_or_default()))
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
