//! The census of a real server.

use std::time::Duration;

use leftover_core::connection::Row;
use leftover_core::error::ConnectionError;
use leftover_harness::census::{Census, SessionSeen, SlotSeen};

use crate::admin::{Endpoint, NAME};

/// What the server holds now, without the world's own connections. Of a server that others use too, only
/// what belongs to the world's database.
pub(crate) async fn take(endpoint: &Endpoint) -> Result<Census, ConnectionError> {
    let mut admin = endpoint.open(&endpoint.admin_inside()).await?;
    let sessions = admin
        .query(&format!(
            "SELECT pid, usename, datname, application_name, backend_type = 'walsender', state, \
             wait_event_type || '/' || wait_event, query, \
             extract(epoch FROM clock_timestamp() - backend_start), \
             extract(epoch FROM clock_timestamp() - xact_start), age(backend_xmin), \
             EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND NOT granted) \
             FROM pg_stat_activity a WHERE backend_type IN ('client backend', 'walsender') \
             AND application_name <> '{NAME}' AND {} ORDER BY pid",
            ours(endpoint, "datname")
        ))
        .await?;
    let slots = admin
        .query(&format!(
            "SELECT slot_name, plugin, database, temporary, active_pid, confirmed_flush_lsn, age(catalog_xmin), \
             pg_current_wal_lsn() - restart_lsn, wal_status FROM pg_replication_slots WHERE {} ORDER BY 1",
            ours(endpoint, "database")
        ))
        .await?;
    let publications = admin
        .query("SELECT pubname FROM pg_publication ORDER BY 1")
        .await?;
    admin.close().await;
    Ok(Census {
        sessions: sessions.iter().map(session).collect(),
        slots: slots.iter().map(slot).collect(),
        publications: publications.iter().map(|row| text(row, 0)).collect(),
    })
}

/// The condition that keeps to what is the world's.
pub(crate) fn ours(endpoint: &Endpoint, column: &str) -> String {
    if endpoint.private {
        "true".into()
    } else {
        format!("{column} = '{}'", endpoint.login.database)
    }
}

fn session(row: &Row) -> SessionSeen {
    SessionSeen {
        pid: row.parse(0).unwrap_or(0),
        user: text(row, 1),
        database: row.get(2).map(str::to_owned),
        application_name: text(row, 3),
        walsender: row.is_true(4),
        state: text(row, 5),
        wait: row.get(6).map(str::to_owned),
        query: text(row, 7),
        connected_for: seconds(row, 8).unwrap_or_default(),
        transaction_for: seconds(row, 9),
        pinned_xmin_age: row.parse(10),
        waits_for_lock: row.is_true(11),
    }
}

fn slot(row: &Row) -> SlotSeen {
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

fn seconds(row: &Row, column: usize) -> Option<Duration> {
    row.parse::<f64>(column)
        .map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))
}
