//! What runs: sessions, slots, locks.

use super::build::{NULL, Table, oid, timestamp, xid};
use crate::postgres::backend_row::{Backend, Kind};
use crate::postgres::locks::LockTag;
use crate::postgres::slots::Persistence;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// `pg_stat_activity`.
pub fn pg_stat_activity(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("datid", Type::Oid),
        ("datname", Type::Name),
        ("pid", Type::Int4),
        ("leader_pid", Type::Int4),
        ("usesysid", Type::Oid),
        ("usename", Type::Name),
        ("application_name", Type::Text),
        ("client_addr", Type::Text),
        ("client_hostname", Type::Text),
        ("client_port", Type::Int4),
        ("backend_start", Type::Timestamptz(None)),
        ("xact_start", Type::Timestamptz(None)),
        ("query_start", Type::Timestamptz(None)),
        ("state_change", Type::Timestamptz(None)),
        ("wait_event_type", Type::Text),
        ("wait_event", Type::Text),
        ("state", Type::Text),
        ("backend_xid", Type::Xid),
        ("backend_xmin", Type::Xid),
        ("query_id", Type::Int8),
        ("query", Type::Text),
        ("backend_type", Type::Text),
    ]);
    for backend in state.backends.values().filter(|backend| backend.listed) {
        // Others' queries are for superusers and members of their roles only.
        let open = may_see(state, pid, backend);
        let when = |value: Value| if open { value } else { NULL };
        let transaction = backend.transaction.as_ref();
        let kind = if backend.kind == Kind::Walsender {
            "walsender"
        } else {
            "client backend"
        };
        let query = if open {
            backend.activity.query.as_str()
        } else {
            "<insufficient privilege>"
        };
        let wait = backend.activity.wait;
        table.row([
            state
                .databases
                .get(&backend.database)
                .map_or(NULL, |database| oid(database.oid)),
            backend.database.clone().into(),
            backend.pid.into(),
            NULL,
            state.roles.get(&backend.role).map_or(NULL, |role| oid(role.oid)),
            backend.role.clone().into(),
            backend.application_name().into(),
            when("127.0.0.1".into()),
            NULL,
            when(Value::Int(i64::from(backend.place) + 40_000)),
            when(timestamp(backend.started)),
            when(backend.transaction_start().map_or(NULL, timestamp)),
            when(timestamp(backend.activity.query_start)),
            when(timestamp(backend.activity.state_change)),
            when(wait.map(|wait| wait.class()).into()),
            when(wait.map(|wait| wait.name()).into()),
            when(backend.activity.state.name().into()),
            xid(transaction.filter(|t| !t.undone).and_then(|t| t.xid)),
            xid(transaction.and_then(|t| t.xmin())),
            NULL,
            query.into(),
            kind.into(),
        ]);
    }
}

fn may_see(state: &State, pid: i32, backend: &Backend) -> bool {
    let role = state.role(pid);
    role.superuser || state.backend_ref(pid).role == backend.role || role.member_of.contains(&backend.role)
}

/// `pg_stat_replication`: nobody streams yet, so only walsenders that wait are there.
pub fn pg_stat_replication(state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("pid", Type::Int4),
        ("usesysid", Type::Oid),
        ("usename", Type::Name),
        ("application_name", Type::Text),
        ("client_addr", Type::Text),
        ("client_hostname", Type::Text),
        ("client_port", Type::Int4),
        ("backend_start", Type::Timestamptz(None)),
        ("backend_xmin", Type::Xid),
        ("state", Type::Text),
        ("sent_lsn", Type::Lsn),
        ("write_lsn", Type::Lsn),
        ("flush_lsn", Type::Lsn),
        ("replay_lsn", Type::Lsn),
    ]);
    for backend in state
        .backends
        .values()
        .filter(|b| b.listed && b.kind == Kind::Walsender)
    {
        table.row([
            backend.pid.into(),
            state.roles.get(&backend.role).map_or(NULL, |role| oid(role.oid)),
            backend.role.clone().into(),
            backend.application_name().into(),
            "127.0.0.1".into(),
            NULL,
            Value::Int(i64::from(backend.place) + 40_000),
            timestamp(backend.started),
            xid(backend.transaction.as_ref().and_then(|t| t.xmin())),
            "startup".into(),
            NULL,
            NULL,
            NULL,
            NULL,
        ]);
    }
}

/// `pg_replication_slots`.
pub fn pg_replication_slots(state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("slot_name", Type::Name),
        ("plugin", Type::Name),
        ("slot_type", Type::Text),
        ("datoid", Type::Oid),
        ("database", Type::Name),
        ("temporary", Type::Bool),
        ("active", Type::Bool),
        ("active_pid", Type::Int4),
        ("xmin", Type::Xid),
        ("catalog_xmin", Type::Xid),
        ("restart_lsn", Type::Lsn),
        ("confirmed_flush_lsn", Type::Lsn),
        ("wal_status", Type::Text),
        ("safe_wal_size", Type::Int8),
        ("two_phase", Type::Bool),
    ]);
    for slot in state.slots.iter() {
        let database = state
            .databases
            .iter()
            .find(|(_, database)| database.oid == slot.database);
        table.row([
            slot.name.clone().into(),
            slot.plugin.clone().into(),
            "logical".into(),
            oid(slot.database),
            database.map(|(name, _)| name.clone()).into(),
            slot.temporary.into(),
            slot.active_pid.is_some().into(),
            slot.active_pid.into(),
            // While it is created with a snapshot a slot has an xmin of its own, which is gone at the end.
            NULL,
            xid(slot.catalog_xmin),
            slot.restart_lsn.map_or(NULL, |lsn| Value::Lsn(lsn.0)),
            slot.confirmed_flush.map_or(NULL, |lsn| Value::Lsn(lsn.0)),
            slot.wal_status().into(),
            NULL,
            false.into(),
        ]);
        debug_assert!(slot.persistence != Persistence::Ephemeral || slot.active_pid.is_some());
    }
}

const LOCKS: &[(&str, Type)] = &[
    ("locktype", Type::Text),
    ("database", Type::Oid),
    ("relation", Type::Oid),
    ("page", Type::Int4),
    ("tuple", Type::Int2),
    ("virtualxid", Type::Text),
    ("transactionid", Type::Xid),
    ("classid", Type::Oid),
    ("objid", Type::Oid),
    ("objsubid", Type::Int2),
    ("virtualtransaction", Type::Text),
    ("pid", Type::Int4),
    ("mode", Type::Text),
    ("granted", Type::Bool),
    ("fastpath", Type::Bool),
    ("waitstart", Type::Timestamptz(None)),
];

/// `pg_locks`.
pub fn pg_locks(state: &State, _pid: i32, table: &mut Table) {
    table.columns(LOCKS);
    let virtual_id = |backend: &Backend| format!("{}/{}", backend.place, backend.local_xid);
    for backend in state
        .backends
        .values()
        .filter(|b| b.kind != Kind::OutOfBand && b.transaction.as_ref().is_some_and(|t| !t.undone))
    {
        let mut row = [const { NULL }; LOCKS.len()];
        row[0] = "virtualxid".into();
        row[5] = virtual_id(backend).into();
        row[10] = virtual_id(backend).into();
        row[11] = backend.pid.into();
        row[12] = "ExclusiveLock".into();
        row[13] = true.into();
        row[14] = true.into();
        table.row(row);
    }
    for lock in state.locks.rows() {
        let Some(backend) = state.backends.get(lock.pid).filter(|b| b.kind != Kind::OutOfBand) else {
            continue;
        };
        let mut row = [const { NULL }; LOCKS.len()];
        match lock.tag {
            LockTag::Relation { database, relation } => {
                row[0] = "relation".into();
                row[1] = oid(database);
                row[2] = oid(relation);
            }
            LockTag::TransactionId(id) => {
                row[0] = "transactionid".into();
                row[6] = xid(Some(id));
            }
            LockTag::Advisory {
                database,
                class,
                object,
                sub,
            } => {
                row[0] = "advisory".into();
                row[1] = oid(database);
                row[7] = oid(class);
                row[8] = oid(object);
                row[9] = i32::from(sub).into();
            }
        }
        row[10] = virtual_id(backend).into();
        row[11] = lock.pid.into();
        row[12] = lock.mode.name().into();
        row[13] = lock.granted.into();
        row[14] = false.into();
        table.row(row);
    }
}

/// `pg_prepared_xacts`: there are no two-phase transactions here.
pub fn pg_prepared_xacts(_state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("transaction", Type::Xid),
        ("gid", Type::Text),
        ("prepared", Type::Timestamptz(None)),
        ("owner", Type::Name),
        ("database", Type::Name),
    ]);
}

/// `pg_replication_origin`: there are none here.
pub fn pg_replication_origin(_state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[("roident", Type::Oid), ("roname", Type::Text)]);
}

/// `pg_subscription`: there are none here.
pub fn pg_subscription(_state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("subname", Type::Name),
        ("subdbid", Type::Oid),
    ]);
}
