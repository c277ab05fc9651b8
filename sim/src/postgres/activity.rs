//! What `pg_stat_activity` says of a backend: its state and what it waits for.

use leftover_core::clock::Instant;

/// `pg_stat_activity.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityState {
    /// Starting up: not listed yet.
    Starting,
    /// Waiting for the client outside a transaction.
    Idle,
    /// Running a statement.
    Active,
    /// Waiting for the client inside a transaction.
    IdleInTransaction,
    /// Waiting for the client inside a failed transaction.
    IdleInTransactionAborted,
}

impl ActivityState {
    /// As the view spells it.
    pub fn name(self) -> &'static str {
        match self {
            ActivityState::Starting => "",
            ActivityState::Idle => "idle",
            ActivityState::Active => "active",
            ActivityState::IdleInTransaction => "idle in transaction",
            ActivityState::IdleInTransactionAborted => "idle in transaction (aborted)",
        }
    }
}

/// `wait_event_type` and `wait_event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEvent {
    /// Reading from the client.
    ClientRead,
    /// Writing to the client.
    ClientWrite,
    /// A table lock.
    LockRelation,
    /// Another transaction's end.
    LockTransactionId,
    /// An advisory lock.
    LockAdvisory,
    /// `pg_sleep`.
    PgSleep,
    /// A slot to become free.
    ReplicationSlotDrop,
    /// A backend to end (`pg_terminate_backend` with a timeout).
    BackendTermination,
    /// The log to be flushed up to where decoding reads.
    WalSenderWaitForWal,
    /// A streaming walsender's data to find room.
    WalSenderWriteData,
}

impl WaitEvent {
    /// `wait_event_type`.
    pub fn class(self) -> &'static str {
        match self {
            WaitEvent::ClientRead
            | WaitEvent::ClientWrite
            | WaitEvent::WalSenderWaitForWal
            | WaitEvent::WalSenderWriteData => "Client",
            WaitEvent::LockRelation | WaitEvent::LockTransactionId | WaitEvent::LockAdvisory => "Lock",
            WaitEvent::PgSleep => "Timeout",
            WaitEvent::ReplicationSlotDrop | WaitEvent::BackendTermination => "IPC",
        }
    }

    /// `wait_event`.
    pub fn name(self) -> &'static str {
        match self {
            WaitEvent::ClientRead => "ClientRead",
            WaitEvent::ClientWrite => "ClientWrite",
            WaitEvent::LockRelation => "relation",
            WaitEvent::LockTransactionId => "transactionid",
            WaitEvent::LockAdvisory => "advisory",
            WaitEvent::PgSleep => "PgSleep",
            WaitEvent::ReplicationSlotDrop => "ReplicationSlotDrop",
            WaitEvent::BackendTermination => "BackendTermination",
            WaitEvent::WalSenderWaitForWal => "WalSenderWaitForWAL",
            WaitEvent::WalSenderWriteData => "WalSenderWriteData",
        }
    }
}

/// What a backend does now.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Its state.
    pub state: ActivityState,
    /// What it waits for.
    pub wait: Option<WaitEvent>,
    /// The statement that runs, or the last one that did.
    pub query: String,
    /// When that statement began.
    pub query_start: Instant,
    /// When the state last changed.
    pub state_change: Instant,
}

impl Activity {
    /// The activity of a backend that is starting.
    pub fn starting(now: Instant) -> Self {
        let state = ActivityState::Starting;
        Self {
            state,
            wait: None,
            query: String::new(),
            query_start: now,
            state_change: now,
        }
    }
}
