//! About the calling session, its transaction and its settings.

use super::{Answer, Call};
use crate::postgres::session::utility;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::value::Value;
use crate::postgres::transaction::Isolation;

/// `pg_backend_pid()`.
pub fn pg_backend_pid(call: &mut Call<'_>) -> Answer {
    Ok(call.pid.into())
}

/// `current_user`, `session_user`.
pub fn current_user(call: &mut Call<'_>) -> Answer {
    Ok(call.state.backend_ref(call.pid).role.clone().into())
}

/// `current_database()`.
pub fn current_database(call: &mut Call<'_>) -> Answer {
    Ok(call.state.backend_ref(call.pid).database.clone().into())
}

/// `current_schema()`.
pub fn current_schema(call: &mut Call<'_>) -> Answer {
    let first = call.state.search_path(call.pid).first().copied();
    Ok(first.map(|oid| call.state.schema_name(call.pid, oid)).into())
}

/// `current_schemas(boolean)`.
pub fn current_schemas(call: &mut Call<'_>) -> Answer {
    let path = call.state.search_path(call.pid);
    let names = path
        .into_iter()
        .map(|oid| call.state.schema_name(call.pid, oid).into());
    let implicit = call.bool(0).unwrap_or(false).then(|| Value::from("pg_catalog"));
    Ok(Value::Array(implicit.into_iter().chain(names).collect()))
}

/// `current_setting(name [, missing_ok])`.
pub fn current_setting(call: &mut Call<'_>) -> Answer {
    let Some(name) = call.text(0).map(str::to_ascii_lowercase) else {
        return Ok(Value::Null);
    };
    match utility::shown(call.state, call.pid, &name) {
        Ok(value) => Ok(value.into()),
        Err(_) if call.bool(1) == Some(true) => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}

/// `set_config(name, value, is_local)`.
pub fn set_config(call: &mut Call<'_>) -> Answer {
    let Some(name) = call.text(0).map(str::to_ascii_lowercase) else {
        return Ok(Value::Null);
    };
    let value = call.text(1).map(str::to_owned);
    let superuser = call.state.is_superuser(call.pid);
    let local = call.bool(2).unwrap_or(false);
    utility::set(call.state, call.pid, &name, value.as_deref(), local, superuser)?;
    Ok(utility::shown(call.state, call.pid, &name)?.into())
}

/// `version()`.
pub fn version(_call: &mut Call<'_>) -> Answer {
    Ok("PostgreSQL 15.18 on x86_64-pc-linux-gnu (simulated by leftover)".into())
}

/// `inet_server_port()`.
pub fn server_port(_call: &mut Call<'_>) -> Answer {
    Ok(5432.into())
}

/// `pg_is_in_recovery()`.
pub fn pg_is_in_recovery(_call: &mut Call<'_>) -> Answer {
    Ok(false.into())
}

/// `pg_encoding_to_char(int)`.
pub fn pg_encoding_to_char(call: &mut Call<'_>) -> Answer {
    Ok(if call.int(0) == Some(6) { "UTF8" } else { "" }.into())
}

/// `pg_current_wal_lsn()`.
pub fn pg_current_wal_lsn(call: &mut Call<'_>) -> Answer {
    Ok(Value::Lsn(call.state.wal_end().0))
}

/// `pg_switch_wal()`.
pub fn pg_switch_wal(call: &mut Call<'_>) -> Answer {
    Ok(Value::Lsn(call.state.switch_wal().0))
}

/// `pg_wal_lsn_diff(pg_lsn, pg_lsn)`.
pub fn pg_wal_lsn_diff(call: &mut Call<'_>) -> Answer {
    let lsn = |value: Option<&Value>| match value {
        Some(Value::Lsn(lsn)) => Some(*lsn),
        Some(Value::Text(text)) => text
            .parse::<leftover_core::connection::Lsn>()
            .ok()
            .map(|lsn| lsn.0),
        _ => None,
    };
    match (lsn(call.arguments.first()), lsn(call.arguments.get(1))) {
        (Some(one), Some(two)) => Ok(Value::Int(one as i64 - two as i64)),
        _ => Ok(Value::Null),
    }
}

/// `pg_logical_emit_message`: it is written to the log; no stream asks for it, as `pgoutput`'s option `messages` is
/// refused.
pub fn emit_message(call: &mut Call<'_>) -> Answer {
    call.state.write_wal(64);
    pg_current_wal_lsn(call)
}

/// `txid_current()`, `pg_current_xact_id()`.
pub fn txid_current(call: &mut Call<'_>) -> Answer {
    call.state.writing_xid(call.pid);
    txid_if_assigned(call)
}

/// `txid_current_if_assigned()`.
pub fn txid_if_assigned(call: &mut Call<'_>) -> Answer {
    Ok(call
        .state
        .own_xid(call.pid)
        .map_or(Value::Null, |xid| Value::Int(xid as i64)))
}

/// `age(xid)`.
pub fn age(call: &mut Call<'_>) -> Answer {
    let next = call.state.log.next() as i64;
    Ok(call.int(0).map_or(Value::Null, |xid| Value::Int(next - xid)))
}

/// `pg_export_snapshot()`.
pub fn pg_export_snapshot(call: &mut Call<'_>) -> Answer {
    let serializable = call.state.ensure_transaction(call.pid).isolation == Isolation::Serializable;
    if !call.state.ensure_transaction(call.pid).savepoints.is_empty() {
        return Err(PgError::new("25001", "cannot export a snapshot from a subtransaction").into());
    }
    let snapshot = call.state.statement_snapshot(call.pid);
    Ok(call.state.export(call.pid, snapshot, serializable).into())
}
