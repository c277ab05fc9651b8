//! Replication slots from SQL.

use leftover_core::connection::Lsn;

use super::{Answer, Call, Pending};
use crate::postgres::slots::active;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;
use crate::postgres::waits::Wait;
use crate::postgres::walsender::create_slot::{Creation, Next};
use crate::postgres::walsender::drop_slot;

/// `42501` unless the role may use slots (OB-88).
///
/// # Errors
/// That error.
pub fn require_replication(state: &State, pid: i32) -> Result<(), PgError> {
    let role = state.role(pid);
    if role.superuser || role.replication {
        return Ok(());
    }
    Err(PgError::new(
        "42501",
        "must be superuser or replication role to use replication slots",
    ))
}

/// `pg_create_logical_replication_slot(name, plugin [, temporary [, two_phase]])`. Unlike the replication command
/// it does not look at its client while it waits for the log, and obeys the timers of SQL (OB-58).
pub fn create(call: &mut Call<'_>) -> Answer {
    let mut creation = match call.pending.take() {
        Some(Pending::Slot(creation)) => creation,
        _ => {
            require_replication(call.state, call.pid)?;
            let (Some(name), Some(plugin)) = (call.text(0), call.text(1)) else {
                return Ok(Value::Null);
            };
            let (name, plugin, temporary) =
                (name.to_owned(), plugin.to_owned(), call.bool(2).unwrap_or(false));
            let creation = Creation::begin(call.state, call.pid, &name, &plugin, temporary)?;
            // Only now: a name that is taken is the first thing that is wrong. An error takes the slot away again.
            if call.state.own_xid(call.pid).is_some() {
                let message =
                    "cannot create logical replication slot in transaction that has performed writes";
                return Err(PgError::new("25001", message).into());
            }
            Box::new(creation)
        }
    };
    let wait = match creation.advance(call.state, call.pid) {
        Next::Log(at) | Next::Persist(at) => Wait::Until { at, event: None },
        Next::Transaction(xid) => Wait::transaction(xid),
        Next::Done => {
            let name = creation.name.as_str().into();
            let lsn = Value::Lsn(creation.consistent_point().0);
            return Ok(Value::Record([(Type::Name, name), (Type::Lsn, lsn)].into()));
        }
    };
    *call.pending = Some(Pending::Slot(creation));
    Err(Interrupt::Wait(wait))
}

/// `pg_drop_replication_slot(name)`.
pub fn drop(call: &mut Call<'_>) -> Answer {
    require_replication(call.state, call.pid)?;
    let Some(name) = call.text(0).map(str::to_owned) else {
        return Ok(Value::Null);
    };
    drop_slot::drop_now(call.state, call.pid, &name)?;
    Ok(Value::from(""))
}

/// The slot that the first argument names, which nobody else may hold.
fn free(call: &mut Call<'_>) -> Result<String, PgError> {
    require_replication(call.state, call.pid)?;
    let name = call.text(0).unwrap_or_default().to_owned();
    match call.state.slots.get(&name)?.active_pid {
        Some(owner) if owner != call.pid => Err(active(&name, owner)),
        _ => Ok(name),
    }
}

/// `pg_replication_slot_advance(name, lsn)`: what was confirmed moves up to it, and not beyond the log.
pub fn advance(call: &mut Call<'_>) -> Answer {
    let name = free(call)?;
    let Some(Value::Lsn(to)) = call.arguments.get(1) else {
        return Ok(Value::Null);
    };
    let to = Lsn(*to).min(call.state.wal_end());
    let confirmed = call.state.slots.get(&name)?.confirmed_flush.unwrap_or_default();
    if to < confirmed {
        let message = format!("cannot advance replication slot to {to}, minimum is {confirmed}");
        return Err(PgError::new("55000", message).into());
    }
    call.state.confirm(&name, to);
    let row = [(Type::Name, name.into()), (Type::Lsn, Value::Lsn(to.0))];
    Ok(Value::Record(row.into()))
}

/// The functions that decode into rows: not here, but a slot that is held is refused as ever (OB-77).
pub fn decode(call: &mut Call<'_>) -> Answer {
    free(call)?;
    Err(PgError::unsupported(call.name).into())
}
