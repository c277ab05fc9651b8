//! Advisory locks.

use super::{Answer, Call, Pending};
use crate::postgres::locks::{Keep, LockMode, LockTag};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::value::Value;
use crate::postgres::waits::Wait;

fn tag(call: &Call<'_>) -> Result<LockTag, PgError> {
    let database = call.state.database(call.pid).oid;
    match (call.arguments.len(), call.int(0), call.int(1)) {
        (1, Some(key), _) => {
            let (class, object) = ((key as u64 >> 32) as u32, key as u32);
            Ok(LockTag::Advisory {
                database,
                class,
                object,
                sub: 1,
            })
        }
        (2, Some(class), Some(object)) => Ok(LockTag::Advisory {
            database,
            class: class as u32,
            object: object as u32,
            sub: 2,
        }),
        _ => Err(PgError::undefined_function(call.name)),
    }
}

fn how(name: &str) -> (LockMode, Keep) {
    let mode = if name.ends_with("_shared") {
        LockMode::Share
    } else {
        LockMode::Exclusive
    };
    let keep = if name.contains("_xact_") {
        Keep::Transaction
    } else {
        Keep::Session
    };
    (mode, keep)
}

/// `pg_advisory_lock` and its kin: they wait.
pub fn lock(call: &mut Call<'_>) -> Answer {
    let (tag, (mode, keep)) = (tag(call)?, how(call.name));
    // Queued before, and the wait is over: it is held.
    if matches!(call.pending, Some(Pending::Lock)) || call.state.locks.try_lock(call.pid, tag, mode, keep) {
        return Ok(Value::from(""));
    }
    *call.pending = Some(Pending::Lock);
    Err(Interrupt::Wait(Wait::Lock { tag, mode, keep }))
}

/// `pg_try_advisory_lock` and its kin: they answer at once.
pub fn try_lock(call: &mut Call<'_>) -> Answer {
    let (tag, (mode, keep)) = (tag(call)?, how(call.name));
    Ok(call.state.locks.try_lock_now(call.pid, tag, mode, keep).into())
}

/// `pg_advisory_unlock`.
pub fn unlock(call: &mut Call<'_>) -> Answer {
    let (tag, (mode, _)) = (tag(call)?, how(call.name));
    match call.state.locks.unlock(call.pid, tag, mode) {
        Some(woken) => {
            call.state.wake(woken);
            Ok(true.into())
        }
        None => {
            let message = format!("you don't own a lock of type {}", mode.name());
            let warning = PgError {
                severity: "WARNING",
                ..PgError::new("01000", message)
            };
            call.state.backend(call.pid).notices.push(warning);
            Ok(false.into())
        }
    }
}

/// `pg_advisory_unlock_all`.
pub fn unlock_all(call: &mut Call<'_>) -> Answer {
    let woken = call.state.locks.release_advisory(call.pid);
    call.state.wake(woken);
    Ok(Value::from(""))
}
