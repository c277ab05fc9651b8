//! What a census shows that somebody should know of.

use std::fmt;

use leftover_harness::census::{SessionSeen, SlotSeen, sql};
use serde::Serialize;

/// Something about a session that costs others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionFinding {
    /// A walsender that is idle in a transaction: it holds a snapshot for others to import (OB-63).
    ExportedSnapshot,
    /// Idle in a transaction with a snapshot: vacuum removes nothing newer (OB-68).
    IdleWithSnapshot,
    /// Idle in a transaction without a snapshot: its locks stay.
    IdleInTransaction,
    /// Waits for somebody else's lock.
    WaitsForLock,
    /// The role that asked may not see it.
    Hidden,
}

/// Something about a slot that costs others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotFinding {
    /// It is still being created (OB-50).
    BeingCreated,
    /// Nobody reads it, and the server keeps its write-ahead log.
    InactiveRetainingWal,
    /// The server has removed write-ahead log that it needed: it is of no use any more (OB-114).
    Lost,
}

/// What is to be said of `session`.
pub fn of_session(session: &SessionSeen) -> Vec<SessionFinding> {
    if sql::is_hidden(session) {
        return vec![SessionFinding::Hidden];
    }
    let mut findings = Vec::new();
    if session.state.starts_with("idle in transaction") {
        findings.push(match (session.walsender, session.pinned_xmin_age) {
            (true, _) => SessionFinding::ExportedSnapshot,
            (false, Some(_)) => SessionFinding::IdleWithSnapshot,
            (false, None) => SessionFinding::IdleInTransaction,
        });
    }
    if session.waits_for_lock {
        findings.push(SessionFinding::WaitsForLock);
    }
    findings
}

/// What is to be said of `slot`.
pub fn of_slot(slot: &SlotSeen) -> Option<SlotFinding> {
    if slot.wal_status.as_deref() == Some("lost") {
        Some(SlotFinding::Lost)
    } else if slot.plugin.is_some() && slot.confirmed_flush_lsn.is_none() {
        Some(SlotFinding::BeingCreated)
    } else if slot.active_pid.is_none() && slot.retained_wal_bytes.is_some() {
        Some(SlotFinding::InactiveRetainingWal)
    } else {
        None
    }
}

impl fmt::Display for SessionFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SessionFinding::ExportedSnapshot => "exported snapshot",
            SessionFinding::IdleWithSnapshot => "idle in transaction with a snapshot",
            SessionFinding::IdleInTransaction => "idle in transaction",
            SessionFinding::WaitsForLock => "waits for a lock",
            SessionFinding::Hidden => "hidden from this role",
        })
    }
}

impl fmt::Display for SlotFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotFinding::BeingCreated => "still being created",
            SlotFinding::InactiveRetainingWal => "inactive, retains WAL",
            SlotFinding::Lost => "lost: its WAL is gone",
        })
    }
}
