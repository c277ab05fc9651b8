//! `COPY … FROM STDIN`.
//!
//! Data goes to the server in messages of about [`MESSAGE_BYTES`]; smaller pieces are gathered first. The next
//! message waits until the last one has gone to the socket, so that a server that does not read makes the caller
//! wait.

use bytes::{Bytes, BytesMut};
use leftover_core::error::ConnectionError;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use crate::copy::Copy;
use crate::error::misuse;
use crate::session::Session;

/// How much is gathered into one message. A piece of at least half of it is sent as it is.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A running COPY IN.
#[derive(Default)]
pub(crate) struct CopyIn {
    gathered: BytesMut,
}

impl CopyIn {
    /// Takes `data`, and returns what is enough for a message.
    fn gather(&mut self, data: Bytes) -> Option<Bytes> {
        if self.gathered.is_empty() && data.len() >= MESSAGE_BYTES / 2 {
            return Some(data);
        }
        self.gathered.extend_from_slice(&data);
        (self.gathered.len() >= MESSAGE_BYTES).then(|| self.gathered.split().freeze())
    }
}

impl Session {
    pub(crate) async fn start_copy_in(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.begin_copy(sql, |message| matches!(message, Message::CopyInResponse(_)))
            .await?;
        self.copy = Copy::In(CopyIn::default());
        Ok(())
    }

    pub(crate) async fn send_copy_in(&mut self, data: Bytes) -> Result<(), ConnectionError> {
        match self.copy_in()?.gather(data) {
            Some(data) => {
                self.write_copy_data(&data)?;
                self.push().await
            }
            None => Ok(()),
        }
    }

    /// Says CopyDone and waits for the number of rows.
    pub(crate) async fn finish_copy_in(&mut self) -> Result<u64, ConnectionError> {
        let rest = self.copy_in()?.gathered.split();
        if !rest.is_empty() {
            self.write_copy_data(&rest)?;
        }
        self.conversation.messages.put(|out| {
            frontend::copy_done(out);
            Ok(())
        })?;
        self.push().await?;
        self.end_copy(None).await
    }

    fn copy_in(&mut self) -> Result<&mut CopyIn, ConnectionError> {
        match &mut self.copy {
            Copy::In(copy) => Ok(copy),
            Copy::None | Copy::Out(_) => Err(misuse("no COPY IN is running")),
        }
    }

    fn write_copy_data(&mut self, data: &[u8]) -> Result<(), ConnectionError> {
        self.conversation.messages.put(|out| {
            frontend::CopyData::new(data)?.write(out);
            Ok(())
        })
    }
}
