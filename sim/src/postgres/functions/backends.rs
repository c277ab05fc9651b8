//! About other backends: who blocks whom, cancel, terminate; and sleeping.

use std::time::Duration;

use super::{Answer, Call, Pending};
use crate::postgres::activity::WaitEvent;
use crate::postgres::backend_row::Kind;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::value::Value;
use crate::postgres::waits::Wait;

fn void() -> Value {
    Value::from("")
}

/// `pg_blocking_pids(pid)`.
pub fn pg_blocking_pids(call: &mut Call<'_>) -> Answer {
    let pid = call.int(0).unwrap_or(0) as i32;
    let pids = call
        .state
        .locks
        .blockers(pid)
        .into_iter()
        .map(Value::from)
        .collect();
    Ok(Value::Array(pids))
}

/// `pg_sleep(seconds)`.
pub fn pg_sleep(call: &mut Call<'_>) -> Answer {
    let now = call.state.now();
    let at = match call.pending {
        Some(Pending::Sleep(at)) => *at,
        _ => {
            let seconds = match call.arguments.first() {
                Some(Value::Text(text)) => text.parse().ok(),
                Some(Value::Interval(interval)) => Some(interval.total_micros() as f64 / 1e6),
                Some(value) => value.as_f64(),
                None => None,
            };
            let Some(seconds) = seconds else {
                return Ok(Value::Null);
            };
            now + Duration::from_secs_f64(seconds.max(0.0))
        }
    };
    if now >= at {
        return Ok(void());
    }
    *call.pending = Some(Pending::Sleep(at));
    Err(Interrupt::Wait(Wait::Until {
        at,
        event: Some(WaitEvent::PgSleep),
    }))
}

/// Whether the caller may signal this backend (OB-88); `None` when there is no such backend.
fn may_signal(call: &mut Call<'_>, pid: i32, verb: &str) -> Result<bool, PgError> {
    let target = call
        .state
        .backends
        .get(pid)
        // Who has left the view is found no longer.
        .filter(|b| b.kind != Kind::OutOfBand && b.kind != Kind::Starting && b.listed);
    let Some(target) = target.map(|backend| backend.role.clone()) else {
        let message = format!("PID {pid} is not a PostgreSQL backend process");
        call.state.backend(call.pid).notices.push(PgError {
            severity: "WARNING",
            ..PgError::new("01000", message)
        });
        return Ok(false);
    };
    let role = call.state.role(call.pid);
    if role.superuser {
        return Ok(true);
    }
    if call.state.roles.get(&target).is_some_and(|role| role.superuser) {
        let message = format!("must be a superuser to {verb} superuser process");
        return Err(PgError::new("42501", message));
    }
    let own = call.state.backend_ref(call.pid).role == target || role.member_of.contains(&target);
    if own || role.member_of.iter().any(|group| group == "pg_signal_backend") {
        return Ok(true);
    }
    let what = if verb == "cancel" {
        "query is being canceled"
    } else {
        "process is being terminated"
    };
    let message = format!("must be a member of the role whose {what} or member of pg_signal_backend");
    Err(PgError::new("42501", message))
}

/// `pg_cancel_backend(pid)`.
pub fn pg_cancel_backend(call: &mut Call<'_>) -> Answer {
    let Some(pid) = call.int(0).map(|pid| pid as i32) else {
        return Ok(Value::Null);
    };
    if !may_signal(call, pid, "cancel")? {
        return Ok(false.into());
    }
    call.state.signal_cancel(pid);
    Ok(true.into())
}

/// `pg_terminate_backend(pid [, timeout_ms])`.
pub fn pg_terminate_backend(call: &mut Call<'_>) -> Answer {
    let now = call.state.now();
    if let Some(Pending::Termination(pid, until)) = call.pending {
        let (pid, until) = (*pid, *until);
        if call.state.backends.get(pid).is_none() {
            return Ok(true.into());
        }
        if now < until {
            return Err(Interrupt::Wait(Wait::BackendExit { at: until }));
        }
        let millis = call.int(1).unwrap_or(0);
        let message = format!("backend with PID {pid} did not terminate within {millis} milliseconds");
        call.state.backend(call.pid).notices.push(PgError {
            severity: "WARNING",
            ..PgError::new("01000", message)
        });
        return Ok(false.into());
    }
    let Some(pid) = call.int(0).map(|pid| pid as i32) else {
        return Ok(Value::Null);
    };
    let timeout = call.int(1).unwrap_or(0);
    if timeout < 0 {
        return Err(PgError::new("22003", "\"timeout\" must not be negative").into());
    }
    if !may_signal(call, pid, "terminate")? {
        return Ok(false.into());
    }
    call.state.signal_terminate(pid);
    if timeout == 0 || pid == call.pid {
        return Ok(true.into());
    }
    let until = now + Duration::from_millis(timeout.unsigned_abs());
    *call.pending = Some(Pending::Termination(pid, until));
    Err(Interrupt::Wait(Wait::BackendExit { at: until }))
}
