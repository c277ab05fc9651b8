//! One connection of a run.

use crate::conformance::client::Client;
use crate::conformance::said::Said;

/// What a session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// It is ready for a query.
    Ready,
    /// A statement runs, or waits.
    Busy,
    /// The server waits for COPY data.
    CopyIn,
    /// It has half-closed and reads to the end.
    HalfClosed,
    /// It has left; its backend may be there still.
    Left,
    /// Its backend is gone.
    Gone,
}

/// A session of a program.
pub struct Session {
    /// Its connection; none once it has left.
    pub client: Option<Client>,
    /// Its backend; kept when it is gone.
    pub pid: i32,
    /// What a cancel request must know.
    pub secret: i32,
    /// What it is at.
    pub at: At,
    /// It was cancelled or terminated: it does not go on waiting.
    pub struck: bool,
    /// What was said to it and is not told yet.
    pub heard: Vec<Said>,
    /// Its backend has gone, and that is not told yet.
    pub left: bool,
}

impl Session {
    /// A session that was let in.
    pub fn new(client: Client) -> Session {
        Session {
            pid: client.pid,
            secret: client.secret,
            client: Some(client),
            at: At::Ready,
            struck: false,
            heard: Vec::new(),
            left: false,
        }
    }

    /// Whether something must still come of it.
    pub fn is_open(&self) -> bool {
        match self.at {
            At::Busy | At::HalfClosed | At::Left => true,
            At::Ready | At::CopyIn => self.struck,
            At::Gone => false,
        }
    }

    /// Takes a message of the server.
    pub fn hear(&mut self, said: Said) {
        match said {
            Said::Ready(_) if self.at == At::Busy => (self.at, self.struck) = (At::Ready, false),
            Said::CopyIn if self.at == At::Busy => self.at = At::CopyIn,
            Said::Eof | Said::Reset => {
                self.client = None;
                self.at = At::Left;
            }
            _ => {}
        }
        self.heard.push(said);
    }
}
