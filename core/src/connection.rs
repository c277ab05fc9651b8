//! The connection trait: all that the mirror asks of a Postgres connection.
//!
//! Three kinds of connection: a [`Session`] runs SQL and COPY, a [`Walsender`] (`replication=database`) runs
//! SQL and replication commands, and a cancel request ([`Connector::cancel`]) is a connection of its own.
//! Two ways to part with one: **close** it (Terminate, then read until the server's EOF, which is the only
//! proof that everything it held is released: OB-18), or **abandon** it by dropping the value, which closes
//! the socket at once and proves nothing.

use std::future::Future;

use bytes::Bytes;

use crate::error::ConnectionError;

/// What a connection says about itself when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Startup {
    /// `application_name`: at most 63 bytes of ASCII; it is how anyone finds this connection's backend.
    pub application_name: String,
    /// Server settings for this connection (`options=-c name=value`), in this order.
    pub settings: Vec<(String, String)>,
}

/// Identifies one backend: what a cancel request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// The backend's process id, as in `pg_stat_activity.pid`.
    pub pid: i32,
    /// The secret that a cancel request must carry.
    pub secret: i32,
}

/// What is known about a connection once [`Session::close`] has returned.
#[must_use = "an unknown end must be followed up by name"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The server closed its end: everything that the session held is released (OB-18).
    Released,
    /// The connection broke before the server's EOF: the backend may still be there.
    Unknown,
}

/// One row of text values, as the simple query protocol gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(pub Vec<Option<String>>);

impl Row {
    /// The value of column `index`, or `None` when it is NULL or there is no such column.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index).and_then(Option::as_deref)
    }

    /// The value of column `index` parsed as `T`, or `None` when it is NULL, absent or not a `T`.
    pub fn parse<T: std::str::FromStr>(&self, index: usize) -> Option<T> {
        self.get(index)?.parse().ok()
    }

    /// Whether column `index` is the boolean true (`t`).
    pub fn is_true(&self, index: usize) -> bool {
        self.get(index) == Some("t")
    }
}

/// A write-ahead log position (`pg_lsn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl std::str::FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidLsn(text.to_owned());
        let (high, low) = text.split_once('/').ok_or_else(invalid)?;
        let high = u32::from_str_radix(high, 16).map_err(|_| invalid())?;
        let low = u32::from_str_radix(low, 16).map_err(|_| invalid())?;
        Ok(Lsn(u64::from(high) << 32 | u64::from(low)))
    }
}

/// A text that is not a `pg_lsn` such as `16/B374D848`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a write-ahead log position such as 16/B374D848")]
pub struct InvalidLsn(pub String);

/// What `CREATE_REPLICATION_SLOT` does with the snapshot at the slot's consistent point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotSnapshot {
    /// Export it; it lives until the next command on the connection (OB-63, 64).
    Export,
    /// Use it in the transaction that is open on the connection, which must be REPEATABLE READ (OB-61).
    Use,
    /// No snapshot.
    Nothing,
}

/// What is asked of `CREATE_REPLICATION_SLOT … LOGICAL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSlot {
    /// The slot's name: lower-case letters, digits and underscores, at most 63 bytes.
    pub name: String,
    /// Whether the slot vanishes with its session, and on any error in it (OB-62).
    pub temporary: bool,
    /// The output plugin, such as `pgoutput`.
    pub plugin: String,
    /// What becomes of the snapshot.
    pub snapshot: SlotSnapshot,
}

/// The reply to `CREATE_REPLICATION_SLOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedSlot {
    /// The slot's name, as the server has it.
    pub name: String,
    /// Transactions that commit after this point come from the slot; those before it are in the snapshot.
    pub consistent_point: Lsn,
    /// The exported snapshot's name, with [`SlotSnapshot::Export`].
    pub snapshot: Option<String>,
}

/// Opens connections to one database of one server.
///
/// Dropping an unfinished connect closes its socket. The backend may still come up for a moment: whoever
/// must know looks for its `application_name`.
pub trait Connector: Send + Sync {
    /// An ordinary connection.
    type Session: Session;
    /// A walsender connection to the same database.
    type Walsender: Walsender;

    /// Opens an ordinary connection.
    fn session(
        &self,
        startup: &Startup,
    ) -> impl Future<Output = Result<Self::Session, ConnectionError>> + Send;

    /// Opens a walsender connection (`replication=database`).
    fn walsender(
        &self,
        startup: &Startup,
    ) -> impl Future<Output = Result<Self::Walsender, ConnectionError>> + Send;

    /// Asks the server to cancel what `target` is running, and returns when the server has closed the
    /// cancel connection: only then can the cancel no longer hit a later statement (OB-76). It says nothing
    /// about whether anything was cancelled.
    fn cancel(&self, target: BackendKey) -> impl Future<Output = Result<(), ConnectionError>> + Send;
}

/// An ordinary connection: SQL in the simple query protocol, and COPY.
///
/// One operation at a time. When the future of an operation is dropped unfinished, the connection is in an
/// unknown state: every later operation answers [`ConnectionError::Interrupted`], and `close` answers
/// [`Closed::Unknown`] unless the server's EOF arrives all the same. Dropping the value closes the socket at
/// once, without a message and without waiting.
pub trait Session: Send {
    /// This connection's backend.
    fn backend(&self) -> BackendKey;

    /// Runs one or more statements as one simple query and returns the rows of all of them.
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Vec<Row>, ConnectionError>> + Send;

    /// Runs statements, one of which is a `COPY … TO STDOUT`, up to its data. [`Session::copy_out_next`] gives it.
    fn copy_out(&mut self, sql: &str) -> impl Future<Output = Result<(), ConnectionError>> + Send;

    /// The next piece of the running COPY OUT, or `None` when it and the statements behind it have ended. Not
    /// reading is back-pressure.
    fn copy_out_next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ConnectionError>> + Send;

    /// Runs statements, one of which is a `COPY … FROM STDIN`, until it takes data, which goes through
    /// [`Session::copy_in_send`].
    fn copy_in(&mut self, sql: &str) -> impl Future<Output = Result<(), ConnectionError>> + Send;

    /// Sends a piece of data to the running COPY IN, waiting while the server's window is full.
    fn copy_in_send(&mut self, data: Bytes) -> impl Future<Output = Result<(), ConnectionError>> + Send;

    /// Ends the running COPY IN, waits for the statements behind it, and returns the number of rows that the
    /// server took.
    fn copy_in_finish(&mut self) -> impl Future<Output = Result<u64, ConnectionError>> + Send;

    /// Says Terminate and reads until the server's EOF.
    fn close(self) -> impl Future<Output = Closed> + Send;
}

/// A walsender connection: SQL in the simple query protocol, and replication commands.
///
/// The rules of [`Session`] about unfinished operations and dropping hold here too.
pub trait Walsender: Send {
    /// This connection's backend.
    fn backend(&self) -> BackendKey;

    /// Runs SQL or a replication command that answers with rows.
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Vec<Row>, ConnectionError>> + Send;

    /// `CREATE_REPLICATION_SLOT … LOGICAL`. An error or an unfinished call never means that there is no
    /// slot (OB-52 to 54).
    fn create_slot(
        &mut self,
        slot: &NewSlot,
    ) -> impl Future<Output = Result<CreatedSlot, ConnectionError>> + Send;

    /// Says Terminate and reads until the server's EOF.
    fn close(self) -> impl Future<Output = Closed> + Send;
}
