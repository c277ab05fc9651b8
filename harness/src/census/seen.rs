//! The facts of a census: rows of `pg_stat_activity`, `pg_replication_slots` and `pg_publication`.
//!
//! Ages are durations at the moment of the census.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one server holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Client backends and walsenders, by pid.
    pub sessions: Vec<SessionSeen>,
    /// Replication slots, by name.
    pub slots: Vec<SlotSeen>,
    /// Publications of the database, by name.
    pub publications: Vec<String>,
}

/// A row of `pg_stat_activity` with `backend_type` `client backend` or `walsender`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSeen {
    /// The backend's process id.
    pub pid: i32,
    /// The role.
    pub user: String,
    /// The database, where it has one.
    pub database: Option<String>,
    /// `application_name`.
    pub application_name: String,
    /// Whether it is a walsender.
    pub walsender: bool,
    /// `state`: `idle`, `active`, `idle in transaction`, …
    pub state: String,
    /// `wait_event_type/wait_event`, such as `Client/ClientRead`, while it waits.
    pub wait: Option<String>,
    /// The statement that runs, or the last one that did.
    pub query: String,
    /// How long the connection has been open.
    pub connected_for: Duration,
    /// How long its transaction has been open.
    pub transaction_for: Option<Duration>,
    /// How many transactions old the oldest snapshot is that it pins (`age(backend_xmin)`).
    pub pinned_xmin_age: Option<u64>,
    /// Whether it holds an ungranted lock request.
    pub waits_for_lock: bool,
    /// Behind whom it waits for a lock (`pg_blocking_pids`), by pid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<BlockerSeen>,
}

/// Somebody for whom another session waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockerSeen {
    /// Its process id; 0 for a prepared transaction.
    pub pid: i32,
    /// `application_name`; empty where it has none.
    pub application_name: String,
}

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSeen {
    /// `slot_name`.
    pub name: String,
    /// The output plugin of a logical slot.
    pub plugin: Option<String>,
    /// The database of a logical slot.
    pub database: Option<String>,
    /// Whether it vanishes with its session.
    pub temporary: bool,
    /// The backend that holds it.
    pub active_pid: Option<i32>,
    /// `confirmed_flush_lsn`; absent while the slot is still being created (OB-50).
    pub confirmed_flush_lsn: Option<String>,
    /// How many transactions old its `catalog_xmin` is.
    pub catalog_xmin_age: Option<u64>,
    /// How many bytes of write-ahead log it retains.
    pub retained_wal_bytes: Option<u64>,
    /// `wal_status`: `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
}
