//! The census of a live server, in SQL that Postgres 14 to 17 and any role understand.
//!
//! A role that is neither a superuser nor in `pg_read_all_stats` sees of other roles' sessions only that they are
//! there: see [`is_hidden`].

use std::collections::BTreeMap;
use std::time::Duration;

use leftover_core::connection::{Row, Session};
use leftover_core::error::ConnectionError;

use crate::census::{BlockerSeen, Census, SessionSeen, SlotSeen};

/// Sessions of all databases. `backend_type` is NULL where it is hidden; what has a role is then a session or a
/// worker of one, and `pg_stat_replication` shows its walsenders to everybody.
const SESSIONS: &str = "
SELECT a.pid, a.usename, a.datname, a.application_name,
       coalesce(a.backend_type = 'walsender', a.pid IN (SELECT pid FROM pg_catalog.pg_stat_replication)),
       a.state, a.wait_event_type || '/' || a.wait_event, a.query,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start),
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start),
       pg_catalog.age(a.backend_xmin),
       EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = a.pid AND NOT l.granted),
       CASE WHEN a.wait_event_type = 'Lock' THEN (
         SELECT pg_catalog.string_agg(b.pid || ' ' || coalesce(o.application_name, ''), E'\\n' ORDER BY b.pid)
         FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS pid) AS b
         LEFT JOIN pg_catalog.pg_stat_activity AS o ON o.pid = b.pid) END
FROM pg_catalog.pg_stat_activity AS a
WHERE (a.backend_type IN ('client backend', 'walsender') OR a.backend_type IS NULL AND a.usename IS NOT NULL)
  AND a.pid <> pg_catalog.pg_backend_pid()
ORDER BY a.pid";

/// Slots of all databases.
const SLOTS: &str = "
SELECT slot_name, plugin, database, temporary, active_pid, confirmed_flush_lsn, pg_catalog.age(catalog_xmin),
       greatest(0, pg_catalog.pg_wal_lsn_diff(
         CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_lsn() END,
         restart_lsn))::bigint,
       wal_status
FROM pg_catalog.pg_replication_slots
ORDER BY slot_name";

const PUBLICATIONS: &str = "SELECT pubname FROM pg_catalog.pg_publication ORDER BY pubname";

const CLIENTS: &str = "
SELECT pid, coalesce(pg_catalog.host(client_addr), CASE WHEN client_port = -1 THEN 'local socket' END)
FROM pg_catalog.pg_stat_activity
WHERE client_port IS NOT NULL";

/// What the server of `session` holds now, but for `session` itself: sessions and slots of all databases,
/// publications of its own.
///
/// # Errors
/// When a query fails; what it was cannot then be known.
pub async fn take(session: &mut impl Session) -> Result<Census, ConnectionError> {
    let sessions = session.query(SESSIONS).await?;
    let slots = session.query(SLOTS).await?;
    let publications = session.query(PUBLICATIONS).await?;
    Ok(Census {
        sessions: sessions.iter().map(session_seen).collect::<Result<_, _>>()?,
        slots: slots.iter().map(slot_seen).collect(),
        publications: publications.iter().map(|row| text(row, 0)).collect(),
    })
}

/// Where the clients of the sessions are, by pid: an address, or `local socket`.
///
/// # Errors
/// When the query fails.
pub async fn clients(session: &mut impl Session) -> Result<BTreeMap<i32, String>, ConnectionError> {
    let rows = session.query(CLIENTS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((row.parse(0)?, row.get(1)?.to_owned())))
        .collect())
}

/// Whether the server hid this session's state from the role that asked.
pub fn is_hidden(session: &SessionSeen) -> bool {
    session.state.is_empty() && session.query == "<insufficient privilege>"
}

fn session_seen(row: &Row) -> Result<SessionSeen, ConnectionError> {
    let pid = row
        .parse(0)
        .ok_or_else(|| ConnectionError::Protocol("a session without a pid".to_owned()))?;
    Ok(SessionSeen {
        pid,
        user: text(row, 1),
        database: row.get(2).map(str::to_owned),
        application_name: text(row, 3),
        walsender: row.is_true(4),
        state: text(row, 5),
        wait: row.get(6).map(str::to_owned),
        query: text(row, 7),
        connected_for: duration(row, 8).unwrap_or_default(),
        transaction_for: duration(row, 9),
        pinned_xmin_age: row.parse(10),
        waits_for_lock: row.is_true(11),
        blockers: row.get(12).map_or_else(Vec::new, blockers_seen),
    })
}

/// A line for each: its pid, and its name, in which the server leaves no line break.
fn blockers_seen(lines: &str) -> Vec<BlockerSeen> {
    let blocker = |line: &str| {
        let (pid, name) = line.split_once(' ')?;
        Some(BlockerSeen {
            pid: pid.parse().ok()?,
            application_name: name.to_owned(),
        })
    };
    lines.lines().filter_map(blocker).collect()
}

fn slot_seen(row: &Row) -> SlotSeen {
    SlotSeen {
        name: text(row, 0),
        plugin: row.get(1).map(str::to_owned),
        database: row.get(2).map(str::to_owned),
        temporary: row.is_true(3),
        active_pid: row.parse(4),
        confirmed_flush_lsn: row.get(5).map(str::to_owned),
        catalog_xmin_age: row.parse(6),
        retained_wal_bytes: row.parse(7),
        wal_status: row.get(8).map(str::to_owned),
    }
}

fn text(row: &Row, column: usize) -> String {
    row.get(column).unwrap_or_default().to_owned()
}

/// Seconds as a duration. A clock that was set back makes none of them negative.
fn duration(row: &Row, column: usize) -> Option<Duration> {
    Duration::try_from_secs_f64(row.parse::<f64>(column)?.max(0.0)).ok()
}
