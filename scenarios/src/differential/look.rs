//! What a server holds, as an observer sees it.

use std::collections::BTreeMap;

use super::normalise::stable;
use crate::conformance::pg::Pg;
use crate::conformance::row::Checked;

type Row = Vec<Option<String>>;

/// Who waits and for what, by pid: equal looks mean that nobody has moved.
///
/// # Errors
/// When the observer fails.
pub async fn waiting(pg: &Pg) -> Checked<BTreeMap<i32, String>> {
    let sql = "SELECT pid, locktype || ' ' || coalesce(relation::text, '') || ' ' || \
                 coalesce(transactionid::text, '') || ' ' || coalesce(objid::text, '') || ' ' || mode \
               FROM pg_locks WHERE NOT granted \
               UNION ALL \
               SELECT pid, wait_event FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'ReplicationSlotDrop')";
    let row = |row: &Row| Some((row[0].as_deref()?.parse().ok()?, row[1].clone()?));
    Ok(pg.rows(sql).await?.iter().filter_map(row).collect())
}

/// The pids of the programs' sessions: a real world has sessions of its own.
///
/// # Errors
/// When the observer fails.
pub async fn pids(pg: &Pg) -> Checked<Vec<i32>> {
    let role = pg.server().login().user;
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{role}'");
    let rows = pg.rows(&sql).await?;
    let pid = |row: &Row| row[0].as_deref()?.parse().ok();
    Ok(rows.iter().filter_map(pid).collect())
}

/// Sessions, locks and slots, with the sessions' names for pids. An idle session's wait and the locks on indexes and
/// on the catalog are left out: the former comes a moment after ReadyForQuery, the latter are not modelled. Neither is
/// the queue for a row, the `tuple` lock: all who wait for a row wait for the transaction that has it. Nor is the xmin
/// of a LOCK TABLE that waits: it takes no snapshot but that of the catalog, when its backend has to read it.
///
/// # Errors
/// When the observer fails.
pub async fn census(pg: &Pg, name: &impl Fn(i32) -> Option<String>) -> Checked<Vec<String>> {
    let mut seen = Vec::new();
    for (what, sql) in [
        (
            "activity",
            "SELECT pid, backend_type, state, \
               CASE WHEN wait_event = 'tuple' THEN 'transactionid' \
                 WHEN wait_event_type IN ('Lock', 'Timeout', 'IPC') THEN wait_event END, \
               backend_xid IS NOT NULL, \
               CASE WHEN wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE %' THEN NULL \
                 ELSE backend_xmin IS NOT NULL END, \
               xact_start IS NOT NULL, query \
             FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender')",
        ),
        (
            "lock",
            "SELECT l.pid, l.locktype, c.relname, l.classid, l.objid, l.objsubid, l.mode, l.granted \
             FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation \
             WHERE l.locktype <> 'tuple' AND (l.relation IS NULL OR c.relname IN ('a', 'b'))",
        ),
        (
            "slot",
            "SELECT active_pid, slot_name, plugin, slot_type, temporary, active, xmin IS NULL, \
               catalog_xmin IS NULL, confirmed_flush_lsn IS NULL \
             FROM pg_replication_slots",
        ),
    ] {
        let mut rows = Vec::new();
        for row in pg.rows(sql).await? {
            let pid = row[0].as_deref().and_then(|pid| pid.parse().ok());
            let Some(whose) = pid.map_or(Some("nobody".to_owned()), name) else {
                continue;
            };
            let values: Vec<&str> = row[1..]
                .iter()
                .map(|value| without_pid(value.as_deref().unwrap_or("NULL")))
                .collect();
            rows.push(format!("{what} of {whose}: {}", stable(&values.join(" | "))));
        }
        rows.sort();
        seen.append(&mut rows);
    }
    Ok(seen)
}

/// A query, up to the pid that it names.
fn without_pid(value: &str) -> &str {
    let call = "_backend(";
    value.find(call).map_or(value, |at| &value[..at + call.len()])
}

/// What the tables hold for good.
///
/// # Errors
/// When the observer fails.
pub async fn tables(pg: &Pg) -> Checked<Vec<String>> {
    let mut seen = Vec::new();
    for table in ["a", "b"] {
        for row in pg.rows(&format!("SELECT * FROM {table} ORDER BY id")).await? {
            let values: Vec<&str> = row
                .iter()
                .map(|value| value.as_deref().unwrap_or("NULL"))
                .collect();
            seen.push(format!("{table}: {}", values.join(" | ")));
        }
    }
    Ok(seen)
}
