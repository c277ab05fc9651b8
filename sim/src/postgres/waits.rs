//! What a statement can wait for.

use leftover_core::clock::Instant;

use super::activity::WaitEvent;
use super::locks::{Keep, LockMode, LockTag};

/// A wait of a statement; when it is over the statement is executed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For a heavyweight lock, which is then held. With [`LockTag::TransactionId`] the lock is given back
    /// at once: only the other's end was of interest.
    Lock {
        /// What.
        tag: LockTag,
        /// How.
        mode: LockMode,
        /// How long it is kept.
        keep: Keep,
    },
    /// For a time.
    Until {
        /// When.
        at: Instant,
        /// What the view says.
        event: Option<WaitEvent>,
    },
    /// For any change of slots.
    Slots,
    /// For any backend's end, or this time.
    BackendExit {
        /// When to give up.
        at: Instant,
    },
}

impl Wait {
    /// A wait for a transaction's end.
    pub fn transaction(xid: super::xid::Xid) -> Self {
        Wait::Lock {
            tag: LockTag::TransactionId(xid),
            mode: LockMode::Share,
            keep: Keep::Transaction,
        }
    }

    /// What `pg_stat_activity` says meanwhile.
    pub fn event(&self) -> Option<WaitEvent> {
        match self {
            Wait::Lock {
                tag: LockTag::Relation { .. },
                ..
            } => Some(WaitEvent::LockRelation),
            Wait::Lock {
                tag: LockTag::TransactionId(_),
                ..
            } => Some(WaitEvent::LockTransactionId),
            Wait::Lock {
                tag: LockTag::Advisory { .. },
                ..
            } => Some(WaitEvent::LockAdvisory),
            Wait::Until { event, .. } => *event,
            Wait::Slots => Some(WaitEvent::ReplicationSlotDrop),
            Wait::BackendExit { .. } => Some(WaitEvent::BackendTermination),
        }
    }
}

/// Why a backend does not go on with what it did.
#[derive(Debug)]
pub enum Stop {
    /// An ERROR: the statement failed.
    Error(super::sql::error::PgError),
    /// The backend ends.
    Exit(Exit),
}

/// How a backend ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its client left, or said Terminate; or nothing more can be said to it.
    Silent,
    /// It says why.
    Fatal(super::sql::error::PgError),
    /// The server crashes: nothing is released in order.
    Crash,
}

impl From<super::sql::error::PgError> for Stop {
    fn from(error: super::sql::error::PgError) -> Self {
        if error.severity == "ERROR" {
            Stop::Error(error)
        } else {
            Stop::Exit(Exit::Fatal(error))
        }
    }
}

/// What a step of a backend comes to.
pub type Step<T> = Result<T, Stop>;
