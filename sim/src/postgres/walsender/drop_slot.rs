//! Dropping a slot (OB-56, 77 to 80).

use crate::postgres::process::Process;
use crate::postgres::slots::{active, missing};
use crate::postgres::sql::error::PgError;
use crate::postgres::state::State;
use crate::postgres::waits::{Step, Wait};

/// Drops a slot that nobody else holds.
///
/// # Errors
/// `42704`, `55006`.
pub fn drop_now(state: &mut State, pid: i32, name: &str) -> Result<(), PgError> {
    let slot = state.slots.get(name)?;
    match slot.active_pid {
        Some(owner) if owner != pid => Err(active(name, owner)),
        _ => {
            state.slots.remove(name);
            state.slots_changed();
            Ok(())
        }
    }
}

/// `DROP_REPLICATION_SLOT`: with WAIT it queues, whatever becomes of its client, until the slot is free, and drops it by
/// name (OB-80).
///
/// # Errors
/// As [`drop_now`], and what interrupts the wait: only a cancel, a termination, or a primed check of the client.
pub async fn run(process: &mut Process, name: &str, wait: bool) -> Step<()> {
    loop {
        let dropped = drop_now(&mut process.state.borrow_mut(), process.pid, name);
        match dropped {
            Err(error) if wait && error.code == "55006" => process.wait_for(Wait::Slots).await?,
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
        if process.state.borrow().slots.get(name).is_err() {
            return Err(missing(name).into());
        }
    }
}
