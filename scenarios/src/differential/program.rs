//! What a program does, in steps that people can read.

use std::fmt;

use crate::conformance::client::Leave;

/// What kind of connection a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary session.
    Client,
    /// A walsender of the database.
    Walsender,
}

/// Steps over some connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The sessions, by their number from 0. All are connected when the program begins.
    pub sessions: Vec<Kind>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One step. What does not fit the session's state (a query while one runs) is not done, on either server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The session that it is about.
    pub session: usize,
    /// What it does.
    pub action: Action,
}

/// What a session does, or what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a simple query. `{pid 1}` stands for session 1's pid, `{snapshot}` for the last exported snapshot.
    Query(String),
    /// The same under a short `lock_timeout`: it ends by itself.
    Impatient(String),
    /// Sends COPY data and its end. (Alone the data has no answer, and nobody could tell when it was read.)
    Copy(String),
    /// Sends COPY data and gives the COPY up.
    CopyFail(String),
    /// Is cancelled by a request on a connection of its own.
    Cancel,
    /// Leaves.
    Leave(Leave),
    /// Connects again.
    Connect,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = self.session;
        match &self.action {
            Action::Query(sql) => write!(f, "{session}: {sql};"),
            Action::Impatient(sql) => write!(f, "{session}: {sql};  -- with a short lock_timeout"),
            Action::Copy(data) => write!(f, "{session}: -- CopyData {data:?}, CopyDone"),
            Action::CopyFail(data) => write!(f, "{session}: -- CopyData {data:?}, CopyFail"),
            Action::Cancel => write!(f, "{session}: -- is cancelled by a cancel request"),
            Action::Leave(Leave::Terminate) => write!(f, "{session}: -- leaves with Terminate"),
            Action::Leave(Leave::Fin) => write!(f, "{session}: -- leaves with FIN"),
            Action::Leave(Leave::HalfClose) => write!(f, "{session}: -- half-closes"),
            Action::Leave(Leave::Rst) => write!(f, "{session}: -- leaves with RST"),
            Action::Connect => write!(f, "{session}: -- connects again"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- sessions: {:?}", self.sessions)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}
